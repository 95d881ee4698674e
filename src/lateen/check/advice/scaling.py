"""Advise on what stands beside workloads: disruption budgets, autoscalers, network policies, role bindings.

In: Survey.                       Out: problems LAT0406 to LAT0409, LAT0412, LAT0413.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from lateen.api.autoscaling import HorizontalPodAutoscaler
from lateen.api.codes import (
    AUTOSCALED_NOTHING,
    AUTOSCALED_WITHOUT_REQUESTS,
    BLOCKED_DRAIN,
    GUARDS_NOTHING,
    NO_SUCH_ROLE,
    UNPROTECTED,
)
from lateen.api.networkpolicy import NetworkPolicy
from lateen.api.objects import Obj
from lateen.api.policy import PodDisruptionBudget
from lateen.api.rbac import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from lateen.base.problem import Problem
from lateen.check.advice.survey import Pods, Survey
from lateen.check.at import At

_BUILT_IN = frozenset({"cluster-admin", "admin", "edit", "view"})


def advise_on_budgets(survey: Survey) -> Iterator[Problem]:
    """Budgets that keep every pod where it is, or watch over none."""
    floors = {target: hpa.spec.min_replicas for target, _, hpa in _autoscaled(survey)}
    for obj, budget in survey.of(PodDisruptionBudget):
        spec, at = budget.spec, At(obj).key("spec")
        if spec.selector is None:
            continue
        pods = survey.matching(spec.selector, obj.key.namespace)
        if not pods:
            words = "no pods carry these labels: the budget protects nothing"
            yield at.key("selector").warning(words, code=UNPROTECTED)
            continue
        count = sum(floors.get((p.obj.key.kind, *_place(p)), p.replicas or 0) for p in pods)
        if any(p.replicas is None for p in pods) or not count:
            continue
        field, allowed = "maxUnavailable", _share(spec.max_unavailable or 0, count)
        if spec.max_unavailable is None:
            field, needed = "minAvailable", _share(spec.min_available or 0, count)
            allowed = None if needed is None else count - needed
        if allowed is not None and allowed <= 0:
            words = f"of {count} pod{'s' * (count != 1)} none may be missing: no node they run on can be drained"
            fix = "maxUnavailable: 1" if count > 1 else "more replicas, and maxUnavailable: 1"
            yield at.key(field).warning(words, fix, BLOCKED_DRAIN)


def _place(pods: Pods) -> tuple[str, str]:
    return pods.namespace, pods.obj.key.name


def _share(value: int | str, count: int) -> int | None:
    """A number, or a percentage of the pods, rounded up as Kubernetes does; None for what is neither."""
    if isinstance(value, int):
        return value
    number = value.removesuffix("%")
    if not (value.endswith("%") and number.isascii() and number.isdigit()):
        return None
    return math.ceil(count * int(number[:9]) / 100)


def _autoscaled(
    survey: Survey,
) -> Iterator[tuple[tuple[str, str, str], Obj, HorizontalPodAutoscaler]]:
    for obj, autoscaler in survey.of(HorizontalPodAutoscaler):
        ref = autoscaler.spec.scale_target_ref
        yield (ref.kind, obj.key.namespace, ref.name), obj, autoscaler


def advise_on_autoscalers(survey: Survey) -> Iterator[Problem]:
    """Autoscalers of nothing, or by a share of requests that nobody makes."""
    pods = {(p.obj.key.kind, p.namespace, p.obj.key.name): p for p in survey.pods}
    for target, obj, autoscaler in _autoscaled(survey):
        kind, namespace, name = target
        at = At(obj).key("spec")
        if kind not in ("Deployment", "StatefulSet", "ReplicaSet"):
            continue
        if (found := pods.get(target)) is None:
            words = f'no {kind} "{name}" in namespace {namespace}: there is nothing to scale'
            yield at.key("scaleTargetRef", "name").warning(words, code=AUTOSCALED_NOTHING)
            continue
        for index, metric in enumerate(autoscaler.spec.metrics):
            resource = metric.resource
            if resource is None or resource.target.average_utilization is None:
                continue
            without = [
                c.name
                for c in found.spec.containers
                if resource.name not in c.resources.requests.keys() | c.resources.limits.keys()
            ]
            if without:
                words = (
                    f'a share of the {resource.name} requested, but container "{without[0]}" of {kind}'
                    f" {name} requests none: it never scales"
                )
                here = at.key("metrics").item(index).key("resource", "target")
                fix = f"resources: {{requests: {{{resource.name}: …}}}} in {kind} {name}"
                yield here.warning(words, fix, AUTOSCALED_WITHOUT_REQUESTS)


def advise_on_network_policies(survey: Survey) -> Iterator[Problem]:
    """Policies for pods that are not there."""
    for obj, policy in survey.of(NetworkPolicy):
        selector = policy.spec.pod_selector
        some = selector.match_labels or selector.match_expressions
        if some and not survey.matching(selector, obj.key.namespace):
            words = "no pods carry these labels: the policy guards nothing"
            yield At(obj).key("spec", "podSelector").warning(words, code=GUARDS_NOTHING)


def advise_on_bindings(survey: Survey) -> Iterator[Problem]:
    """Bindings to roles that are not there."""
    roles = {("Role", obj.key.namespace, obj.key.name) for obj, _ in survey.of(Role)}
    roles |= {("ClusterRole", "", obj.key.name) for obj, _ in survey.of(ClusterRole)}
    bindings = [(obj, binding.role_ref) for obj, binding in survey.of(RoleBinding)]
    bindings += [(obj, binding.role_ref) for obj, binding in survey.of(ClusterRoleBinding)]
    for obj, ref in bindings:
        where = obj.key.namespace if ref.kind == "Role" else ""
        known = ref.name in _BUILT_IN or ref.name.startswith("system:")
        if (ref.kind, where, ref.name) not in roles and not (ref.kind == "ClusterRole" and known):
            words = f'no {ref.kind} "{ref.name}"{f" in namespace {where}" if where else ""}: it grants nothing'
            yield At(obj).key("roleRef", "name").warning(words, code=NO_SUCH_ROLE)
