"""Each traffic case, its requests followed three ways: through the plan, through what Envoy is sent, and
through a real Envoy with pods behind it; and made-up variations of them in the same three ways."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from lateen.envoy import names
from lateen.envoy.emit import emit
from lateen.explain.request import (
    Answered,
    Denied,
    Forwarded,
    Lost,
    Outcome,
    Redirected,
)
from lateen.explain.walk_envoy import walk_envoy
from lateen.explain.walk_ir import walk_ir
from lateen.ir.backends import Balance, Outside
from lateen.ir.plan import AppAt, ProxyPlan
from lateen.translate.plan import plan_for, proxies
from lateen.world.model import World
from tests.envoy import real, traffic, varying
from tests.envoy.traffic import Asked, Rig, Seen
from tests.translate.cases import CASES, case_in

pytestmark = pytest.mark.e2e
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/requests.yaml"))
EXAMPLES = 10  # made-up requests for each way into a proxy
_COMPARED: Counter[Path] = Counter()  # requests, by case or by the folder of its Envoy
_TOLD = {"path": "x-path", "host": "x-host", "sni": "x-sni", "peer": "x-peer", "tries": "x-attempt"}


def _name(path: Path) -> str:
    return path.name


def _plan(world: World, sender: str) -> ProxyPlan:
    proxy = next(p for p in proxies(world) if f"{p.namespace}/{p.pod}" == sender)
    return plan_for(world, proxy)[0]


def _pods_of(world: World, plan: ProxyPlan, cluster: str) -> set[str]:
    """Who stands behind a cluster."""
    if cluster.startswith("inbound|"):
        number = int(cluster.split("|")[1])
        app = next(p.app for p in plan.inbound.ports if p.port == number) if plan.inbound else None
        return {_app(app) if app else "dialled"}
    id = names.backend_of(cluster)
    passed = {b.id for b in plan.backends if b.balance is Balance.PASSTHROUGH}
    if id is None or id in passed:
        return {"dialled"}
    by_address = {w.address: w.name for w in world.workloads.values()}
    found = {
        by_address.get(e.address, f"{e.address}:{e.port}")
        for each in plan.endpoints
        if each.id == id
        for e in each.endpoints
    }
    for backend in plan.backends:
        if backend.id == id and isinstance(backend.discovery, Outside):
            found |= {f"{each.host}:{each.port}" for each in backend.discovery.destinations}
    return found


def _app(app: AppAt) -> str:
    """The name under which the rig has what a Sidecar leads to."""
    return app.address if app.address.startswith("@") else f"{app.address or 'dialled'}:{app.port}"


def _listed(value: object) -> set[str]:
    return {str(each) for each in value} if isinstance(value, list) else {str(value)}


def _check_walked(world: World, plan: ProxyPlan, asked: Asked, outcome: Outcome) -> None:
    """What the walkers can tell of the expected outcome."""
    wanted = asked.expected
    match outcome:
        case Forwarded():
            if "to" in wanted:
                pods = set().union(
                    *(_pods_of(world, plan, cluster) for cluster, share in outcome.shares if share)
                )
                assert pods == _listed(wanted["to"]), outcome
            elif "status" in wanted and not outcome.aborts:
                assert wanted["status"] in (503, 504), outcome
            for name, told in (("path", outcome.path), ("host", outcome.authority)):
                assert wanted.get(name, told) == told, outcome
            if "mirrored" in wanted:
                pods = set().union(*(_pods_of(world, plan, c) for c, _ in outcome.mirrors))
                assert pods == _listed(wanted["mirrored"]), outcome
        case Redirected():
            assert wanted["status"] == outcome.status, outcome
            assert wanted["location"] == outcome.location, outcome
        case Answered():
            assert wanted["status"] == outcome.status, outcome
            assert wanted.get("body", outcome.body) == outcome.body, outcome
        case Denied():
            assert wanted["status"] == 403, outcome
        case Lost():
            assert wanted.get("closed") or wanted.get("status") == 404, outcome


def _fits(got: str | None, wanted: str | None) -> bool:
    """Whether a header is as wanted; a text in slashes is a regular expression for all of it."""
    if got and wanted and wanted[0] == wanted[-1] == "/" and len(wanted) > 1:
        return re.fullmatch(wanted[1:-1], got) is not None
    return got == wanted


def _check_seen(asked: Asked, seen: Seen) -> None:
    """What the client saw, against the expected outcome."""
    wanted = asked.expected
    if wanted.get("closed"):
        assert seen.closed, seen
        return
    assert not seen.closed, seen
    if "to" in wanted:
        assert seen.pod in _listed(wanted["to"]), seen
    if asked.scheme in ("http", "https"):
        assert str(seen.status) in _listed(wanted.get("status", 200)), seen
    assert seen.seconds >= wanted.get("seconds", 0) - 0.01, seen  # clocks differ a little
    if "location" in wanted:
        assert seen.headers["location"] == wanted["location"], seen
    for name, header in _TOLD.items():
        if name in wanted:
            value = wanted[name]
            assert seen.headers.get(header) == (value and str(value)), (name, seen)
    for name in ("body", "certificate"):
        if name in wanted:
            assert getattr(seen, name) == wanted[name], seen
    for name, value in wanted.get("got", {}).items():
        assert _fits(seen.headers.get(f"x-got-{name}"), value), (name, seen)
    for name, value in wanted.get("answer", {}).items():
        assert seen.headers.get(name) == value, (name, seen)


@pytest.mark.parametrize("folder", FOLDERS, ids=_name)
def test_traffic_goes_as_written(folder: Path, short: Path) -> None:
    case = case_in(folder)
    asked = traffic.requests_of(folder, case.proxy)
    for number, sender in enumerate(dict.fromkeys(each.sender for each in asked)):
        plan = _plan(case.world, sender)
        own = tuple(each for each in asked if each.sender == sender)
        at = short / str(number)
        at.mkdir()
        resources = emit(plan)
        with traffic.running(case.world, plan, at, own) as rig:
            for each in own:
                request = traffic.made_up(case.world, plan, each)
                outcome = walk_envoy(resources, request)
                if not plan.patches:  # which only what Envoy is sent can tell of
                    assert walk_ir(plan, request) == outcome, each
                _check_walked(case.world, plan, each, outcome)
                for _ in range(each.expected.get("times", 1)):
                    _check_seen(each, traffic.send(rig, request, each))
                for pod in _listed(each.expected.get("mirrored", [])):
                    real.line_in(rig.folder / "pods.log", f"{pod} {each.method} ")
            if not plan.patches:
                for door in _doors(own):
                    _compare_variations(rig, door, _pods_behind(case.world, plan))
    _COMPARED[folder] += len(asked)


def _doors(asked: tuple[Asked, ...]) -> list[Asked]:
    """One HTTP request for each way into the proxy."""
    doors = {
        (each.inbound, each.scheme, each.host, each.port, each.expected.get("client")): each
        for each in asked
        if each.scheme in ("http", "https")
    }
    return list(doors.values())


def _pods_behind(world: World, plan: ProxyPlan) -> Callable[[str], set[str]]:
    return lambda cluster: _pods_of(world, plan, cluster)


def _compare_variations(rig: Rig, door: Asked, pods_of: Callable[[str], set[str]]) -> None:
    """Made-up requests by one door: the two walkers and the real Envoy agree on each.

    A disagreement is shrunk to a short request; keep it as a case.
    """

    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
    @given(asked=varying.variations(rig.plan, door))
    def compare(asked: Asked) -> None:
        request = traffic.made_up(rig.world, rig.plan, asked)
        outcome = walk_ir(rig.plan, request)
        assert walk_envoy(rig.resources, request) == outcome
        if varying.is_quick(outcome):
            seen = traffic.send(rig, request, asked)
            wrong = varying.owed(rig.plan, outcome, seen, pods_of)
            assert not wrong, (wrong, asked, outcome, seen)
        _COMPARED[rig.folder] += 1

    compare()


def test_enough_requests_were_compared() -> None:
    """At least 2,000 over all cases; last, and only where all of them ran."""
    if len(_COMPARED.keys() & set(FOLDERS)) < len(FOLDERS):
        pytest.skip("not all cases ran before")
    assert sum(_COMPARED.values()) >= 2000
    print(f"{sum(_COMPARED.values())} requests compared")
