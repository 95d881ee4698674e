"""Advise on objects of which one pod can have only one: Sidecars, Telemetries, PeerAuthentications.

In: Survey.                       Out: problems IST0101, IST0110, IST0111, IST0157, IST0159, IST0160, IST0167, LAT0310.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from lateen.api.codes import (
    NO_EFFECT,
    NO_LOG_PROVIDER,
    PEER_POLICY_TWICE,
    REFERENCE_NOT_FOUND,
    SEVERAL_SIDECARS,
    SEVERAL_SIDECARS_OF_PODS,
    SEVERAL_TELEMETRIES,
    SEVERAL_TELEMETRIES_OF_PODS,
)
from lateen.api.objects import Obj
from lateen.api.security import PeerAuthentication
from lateen.api.sidecar import Sidecar
from lateen.api.telemetry import Telemetry
from lateen.base.problem import Problem
from lateen.check.advice.survey import INJECT, Pods, Survey
from lateen.check.at import At
from lateen.check.inventory import ROOT_NAMESPACE

Labels = Mapping[str, str]
_MODE, _AMBIENT = "istio.io/dataplane-mode", "ambient"


def advise_on_sidecars(survey: Survey) -> Iterator[Problem]:
    """At most one for a whole namespace, and one for a pod; none where pods have no proxy of their own."""
    found: list[tuple[Obj, Labels]] = []
    for obj, sidecar in survey.of(Sidecar):
        chosen = sidecar.spec.workload_selector
        labels = chosen.labels if chosen else {}
        what = _without_proxy(survey, obj.key.namespace, labels)
        if what:
            words = (
                f"{what} in ambient mode, where pods have no proxy of their own: it has no effect"
            )
            fix = "the namespace's label istio-injection: enabled, in place of istio.io/dataplane-mode"
            yield At(obj).key("spec").warning(words, fix, NO_EFFECT)
        else:
            found.append((obj, labels))
    field = ("spec", "workloadSelector")
    codes = (SEVERAL_SIDECARS, SEVERAL_SIDECARS_OF_PODS)
    yield from _at_most_one(survey, "Sidecars", found, field, codes)


def _without_proxy(survey: Survey, namespace: str, labels: Labels) -> str:
    """Which of the pods meant are in ambient mode, in words; "" where none is."""
    home = survey.namespaces.get(namespace)
    ambient = home is not None and home.meta.labels.get(_MODE) == _AMBIENT
    if not labels:
        return f"namespace {namespace} is" if ambient else ""
    for pods in survey.selected(labels, namespace):
        if _in_ambient(pods, ambient):
            return f"{pods.obj.key}, whose pods it selects, is"
    return ""


def _in_ambient(pods: Pods, namespace: bool) -> bool:
    """By their own label, else by the namespace's; those with a proxy injected are not."""
    own = pods.labels.get(_MODE, _AMBIENT if namespace else "")
    said = pods.labels.get(INJECT) or pods.meta.annotations.get(INJECT, "")
    return own == _AMBIENT and said.lower() != "true"


def advise_on_telemetries(survey: Survey) -> Iterator[Problem]:
    """As Sidecars; and access logs need somewhere to go."""
    found: list[tuple[Obj, Labels]] = []
    defaults = survey.inventory.mesh.default_providers
    for obj, telemetry in survey.of(Telemetry):
        spec = telemetry.spec
        if not (spec.target_ref or spec.target_refs):
            found.append((obj, spec.selector.match_labels if spec.selector else {}))
        for index, logging in enumerate(spec.access_logging):
            if logging.providers or logging.disabled or (defaults and defaults.access_logging):
                continue
            words = (
                "it names no provider, and the mesh has no defaultProviders: Istio leaves it out"
            )
            here = At(obj).key("spec", "accessLogging").item(index)
            yield here.warning(words, "providers: [{name: envoy}]", NO_LOG_PROVIDER)
    codes = (SEVERAL_TELEMETRIES, SEVERAL_TELEMETRIES_OF_PODS)
    yield from _at_most_one(survey, "Telemetries", found, ("spec", "selector"), codes)


def _at_most_one(
    survey: Survey,
    what: str,
    all_of_them: Sequence[tuple[Obj, Labels]],
    field: tuple[str, str],
    codes: tuple[str, str],
) -> Iterator[Problem]:
    """`codes` are for those of a whole namespace, and for those of the same pods."""
    for namespace, found in _by_namespace(all_of_them).items():
        whole = [obj for obj, labels in found if not labels]
        if len(whole) > 1:
            names = ", ".join(obj.key.name for obj in whole)
            words = f"the {what} {names} are for all of namespace {namespace}: which one holds is not defined"
            for obj in whole:
                yield At(obj).key("metadata", "name").error(words, code=codes[0])
        for obj, labels in found:
            if labels and not survey.selected(labels, namespace) and not _own(survey, labels):
                shown = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
                here = At(obj).key(*field)
                yield here.error(
                    f'Referenced selector not found: "{shown}"', code=REFERENCE_NOT_FOUND
                )
        said: set[str] = set()
        for pods in survey.pods_in(namespace):
            takers = [
                obj for obj, labels in found if labels and labels.items() <= pods.labels.items()
            ]
            names = ", ".join(obj.key.name for obj in takers)
            if len(takers) < 2 or names in said:
                continue
            said.add(names)
            words = f"the {what} {names} select the same pods, {pods.obj.key}: which one holds is not defined"
            for obj in takers:
                yield At(obj).key(*field).error(words, code=codes[1])


def _own(survey: Survey, labels: Labels) -> bool:
    """Whether the pods of a gateway that lateen makes are meant."""
    return bool(survey.inventory.selected(dict(labels), ROOT_NAMESPACE))


def advise_on_peer_policies(survey: Survey) -> Iterator[Problem]:
    """Of two for the same pods Istio takes the older, without a word."""
    policies = [
        (obj, p.spec.selector.match_labels if p.spec.selector else {})
        for obj, p in survey.of(PeerAuthentication)
    ]
    for found in _by_namespace(policies).values():
        by_scope: dict[tuple[tuple[str, str], ...], list[Obj]] = defaultdict(list)
        for obj, labels in found:
            by_scope[tuple(sorted(labels.items()))].append(obj)
        for scope, same in by_scope.items():
            if len(same) < 2:
                continue
            names = ", ".join(obj.key.name for obj in same)
            what = ",".join(f"{k}={v}" for k, v in scope) or "all pods"
            words = f"{names} are for the same pods ({what}): only the oldest holds"
            for obj in same:
                at = At(obj).key("metadata", "name")
                yield at.warning(words, "merge them", PEER_POLICY_TWICE)


def _by_namespace(
    found: Sequence[tuple[Obj, Labels]],
) -> Mapping[str, list[tuple[Obj, Labels]]]:
    spaces: dict[str, list[tuple[Obj, Labels]]] = defaultdict(list)
    for obj, labels in found:
        spaces[obj.key.namespace].append((obj, labels))
    return spaces
