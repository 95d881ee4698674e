"""Advise on retries that multiply along a chain of calls.

In: Survey.                                                 Out: problems LAT0204.
Before: check/advice/survey.py, check/advice/calls.py       After: check/advice/__init__.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from msgspec import Struct

from lateen.api.codes import RETRY_STORM
from lateen.api.virtualservice import VirtualService
from lateen.base.problem import Problem
from lateen.check.advice.calls import calls_of
from lateen.check.advice.survey import Survey
from lateen.check.at import At
from lateen.check.inventory import full_host
from lateen.check.virtualservice import MESH

MOST = 10  # requests at the end of a chain that one request at its start may become
_LONGEST = 8  # links


class _Retried(Struct, frozen=True):
    """How often a host is tried, and where that is said."""

    host: str
    attempts: int
    at: At


def advise_on_chains(survey: Survey) -> Iterator[Problem]:
    """Chains of calls where a failure at the end is tried again by each that stands before it."""
    retried = _retried(survey)
    if len(retried) < 2:
        return
    called = _called(survey)
    storms: dict[str, list[_Retried]] = {}
    for first in retried.values():
        for chain in _chains(first, called, retried):
            times = prod(link.attempts + 1 for link in chain)
            best = storms.get(chain[-1].host)
            if times > MOST and (best is None or times > prod(each.attempts + 1 for each in best)):
                storms[chain[-1].host] = chain
    for chain in storms.values():
        times = prod(link.attempts + 1 for link in chain)
        shown = ", ".join(
            f"{link.host.partition('.')[0]} ({link.attempts} retries)" for link in chain
        )
        words = (
            f"when it fails, one request becomes {times}: each before it tries again, too: {shown}"
        )
        fix = "retry in one place of the chain, best the one nearest the failure, and limit it by a retryBudget"
        yield chain[-1].at.warning(words, fix, RETRY_STORM)


def _retried(survey: Survey) -> Mapping[str, _Retried]:
    found: dict[str, _Retried] = {}
    for obj, service in survey.of(VirtualService):
        for index, route in enumerate(service.spec.http):
            if not route.retries or route.retries.attempts < 1:
                continue
            at = At(obj).key("spec", "http").item(index).key("retries", "attempts")
            for split in route.route:
                full = full_host(split.destination.host, obj.key.namespace)
                entry = MESH not in service.spec.gateways and bool(service.spec.gateways)
                hosts = {full_host(host, obj.key.namespace) for host in service.spec.hosts}
                if not entry and full not in hosts:
                    continue
                best = found.get(full)
                if best is None or best.attempts < route.retries.attempts:
                    found[full] = _Retried(full, route.retries.attempts, at)
    return found


def _called(survey: Survey) -> Mapping[str, frozenset[str]]:
    """By Service: the Services that its pods call."""
    found: dict[str, frozenset[str]] = {}
    calls = {id(pods): calls_of(pods, survey) for pods in survey.pods}
    for full, provided in survey.inventory.hosts.items():
        if provided.service is not None:
            behind = survey.behind(provided.service, provided.namespace)
            found[full] = frozenset(host for pods in behind for host in calls[id(pods)])
    return found


def _chains(
    first: _Retried, called: Mapping[str, frozenset[str]], retried: Mapping[str, _Retried]
) -> Iterator[list[_Retried]]:
    """The chains of two links or more that begin with it and turn back nowhere."""
    heap: list[list[_Retried]] = [[first]]
    while heap:
        chain = heap.pop()
        if len(chain) > 1:
            yield chain
        if len(chain) == _LONGEST:
            continue
        seen = {link.host for link in chain}
        for host in sorted(called.get(chain[-1].host, ())):
            if host not in seen and host in retried:
                heap.append([*chain, retried[host]])
