"""Advise on objects of which one pod can have only one: Sidecars and PeerAuthentications.

In: Survey.                       Out: problems IST0110, IST0111, LAT0310.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from lateen.api.codes import PEER_POLICY_TWICE, SEVERAL_SIDECARS, SEVERAL_SIDECARS_OF_PODS
from lateen.api.objects import Obj
from lateen.api.security import PeerAuthentication
from lateen.api.sidecar import Sidecar
from lateen.base.problem import Problem
from lateen.check.advice.survey import Survey
from lateen.check.at import At

Labels = Mapping[str, str]


def advise_on_sidecars(survey: Survey) -> Iterator[Problem]:
    """At most one for a whole namespace, and one for a pod."""
    sidecars = [
        (obj, s.spec.workload_selector.labels if s.spec.workload_selector else {})
        for obj, s in survey.of(Sidecar)
    ]
    for namespace, found in _by_namespace(sidecars).items():
        whole = [obj for obj, labels in found if not labels]
        if len(whole) > 1:
            names = ", ".join(obj.key.name for obj in whole)
            words = f"the Sidecars {names} are for all of namespace {namespace}: which one holds is not defined"
            for obj in whole:
                yield At(obj).key("metadata", "name").error(words, code=SEVERAL_SIDECARS)
        selecting = [(obj, labels) for obj, labels in found if labels]
        yield from _of_same_pods(survey, namespace, selecting)


def _of_same_pods(
    survey: Survey, namespace: str, selecting: Sequence[tuple[Obj, Labels]]
) -> Iterator[Problem]:
    said: set[str] = set()
    for pods in survey.pods_in(namespace):
        takers = [obj for obj, labels in selecting if labels.items() <= pods.labels.items()]
        names = ", ".join(obj.key.name for obj in takers)
        if len(takers) < 2 or names in said:
            continue
        said.add(names)
        words = f"the Sidecars {names} select the same pods, {pods.obj.key}: which one holds is not defined"
        for obj in takers:
            here = At(obj).key("spec", "workloadSelector")
            yield here.error(words, code=SEVERAL_SIDECARS_OF_PODS)


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
