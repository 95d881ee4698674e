"""Check tolerations, affinity, spread constraints and taints, in Kubernetes' words.

In: parts of a PodSpec, a Node's taints.    Out: problems.
Before: check/at.py        After: check/pod.py, check/sets.py
Source: Kubernetes pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lateen.api.placing import (
    Affinity,
    NodeRequirement,
    NodeTerm,
    PodAffinity,
    PodAffinityTerm,
    SpreadConstraint,
    Taint,
    Toleration,
)
from lateen.api.pod import PodSpec
from lateen.base.problem import Problem
from lateen.check.at import At, one_of

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def check_placing(spec: PodSpec, at: At) -> Iterator[Problem]:
    """What a pod says of where it may run; `at` points at its spec."""
    for index, toleration in enumerate(spec.tolerations):
        yield from _toleration(toleration, at.key("tolerations").item(index))
    if spec.affinity is not None:
        yield from _affinity(spec.affinity, at.key("affinity"))
    yield from _spread(spec.topology_spread_constraints, at.key("topologySpreadConstraints"))


def check_taints(taints: Iterable[Taint], at: At) -> Iterator[Problem]:
    """A node's taints: each has a key and an effect, and no two have the same."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        here = at.item(index)
        if not taint.key:
            yield here.key("key").required("name part must be non-empty")
        yield from one_of(here.key("effect"), taint.effect, EFFECTS)
        if (taint.key, taint.effect) in seen:
            words = "taints must be unique by key and effect pair"
            yield here.error(f'Duplicate value: "{taint.key}:{taint.effect}": {words}')
        seen.add((taint.key, taint.effect))


def _toleration(toleration: Toleration, at: At) -> Iterator[Problem]:
    here = at.key("operator")
    if not toleration.key and toleration.operator != "Exists":
        words = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield here.invalid(toleration.operator, words)
    yield from one_of(here, toleration.operator, ("Equal", "Exists"))
    if toleration.operator == "Exists" and toleration.value:
        yield here.invalid(toleration.value, "value must be empty when `operator` is 'Exists'")
    if toleration.effect:
        yield from one_of(at.key("effect"), toleration.effect, EFFECTS)
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        words = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield at.key("effect").invalid(toleration.effect, words)


def _affinity(affinity: Affinity, at: At) -> Iterator[Problem]:
    if (nodes := affinity.node_affinity) is not None:
        here = at.key("nodeAffinity")
        required = nodes.required_during_scheduling_ignored_during_execution
        if required is not None:
            terms = here.key(_REQUIRED, "nodeSelectorTerms")
            if not required.node_selector_terms:
                yield terms.required("must have at least one node selector term")
            for index, term in enumerate(required.node_selector_terms):
                yield from _node_term(term, terms.item(index))
        liked = nodes.preferred_during_scheduling_ignored_during_execution
        for index, preferred in enumerate(liked):
            each = here.key(_PREFERRED).item(index)
            yield from _weight(preferred.weight, each)
            yield from _node_term(preferred.preference, each.key("preference"))
    for name, pods in (
        ("podAffinity", affinity.pod_affinity),
        ("podAntiAffinity", affinity.pod_anti_affinity),
    ):
        if pods is not None:
            yield from _pods(pods, at.key(name))


def _pods(affinity: PodAffinity, at: At) -> Iterator[Problem]:
    for index, term in enumerate(affinity.required_during_scheduling_ignored_during_execution):
        yield from _pod_term(term, at.key(_REQUIRED).item(index))
    for index, liked in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        here = at.key(_PREFERRED).item(index)
        yield from _weight(liked.weight, here)
        yield from _pod_term(liked.pod_affinity_term, here.key("podAffinityTerm"))


def _pod_term(term: PodAffinityTerm, at: At) -> Iterator[Problem]:
    if not term.topology_key:
        yield at.key("topologyKey").required("can not be empty")


def _weight(weight: int, at: At) -> Iterator[Problem]:
    if not 1 <= weight <= 100:
        yield at.key("weight").invalid(weight, "must be in the range 1-100")


def _node_term(term: NodeTerm, at: At) -> Iterator[Problem]:
    for name, some in (
        ("matchExpressions", term.match_expressions),
        ("matchFields", term.match_fields),
    ):
        for index, requirement in enumerate(some):
            yield from _requirement(requirement, at.key(name).item(index))


def _requirement(requirement: NodeRequirement, at: At) -> Iterator[Problem]:
    match requirement.operator:
        case "In" | "NotIn" if not requirement.values:
            words = "must be specified when `operator` is 'In' or 'NotIn'"
            yield at.key("values").required(words)
        case "Exists" | "DoesNotExist" if requirement.values:
            words = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield at.key("values").error(f"Forbidden: {words}")
        case "Gt" | "Lt" if len(requirement.values) != 1:
            words = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield at.key("values").required(words)
        case operator if operator not in _OPERATORS:
            yield at.key("operator").invalid(operator, "not a valid selector operator")


def _spread(constraints: tuple[SpreadConstraint, ...], at: At) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for index, constraint in enumerate(constraints):
        here = at.item(index)
        if constraint.max_skew <= 0:
            yield here.key("maxSkew").invalid(constraint.max_skew, "must be greater than zero")
        if not constraint.topology_key:
            yield here.key("topologyKey").required("can not be empty")
        wish = constraint.when_unsatisfiable
        yield from one_of(here.key("whenUnsatisfiable"), wish, ("DoNotSchedule", "ScheduleAnyway"))
        pair = (constraint.topology_key, wish)
        if pair in seen:
            words = ", ".join(pair)
            yield here.error(f'Duplicate value: "{{{words}}}"')
        seen.add(pair)
        yield from _domains(constraint, here.key("minDomains"))
        for name, policy in (
            ("nodeAffinityPolicy", constraint.node_affinity_policy),
            ("nodeTaintsPolicy", constraint.node_taints_policy),
        ):
            yield from one_of(here.key(name), policy, ("Honor", "Ignore"))


def _domains(constraint: SpreadConstraint, at: At) -> Iterator[Problem]:
    if constraint.min_domains is None:
        return
    if constraint.min_domains <= 0:
        yield at.invalid(constraint.min_domains, "must be greater than zero")
    if constraint.when_unsatisfiable != "DoNotSchedule":
        words = (
            "can only use minDomains if whenUnsatisfiable=DoNotSchedule, "
            f"not {constraint.when_unsatisfiable}"
        )
        yield at.invalid(constraint.min_domains, words)
