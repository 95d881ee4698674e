"""Where requests go by place, counted at a real Envoy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lateen.translate.plan import plan_for, proxies
from tests.e2e.harness import eventually
from tests.envoy import traffic
from tests.envoy.traffic import Asked, Rig
from tests.translate.cases import CASES, case_in

pytestmark = pytest.mark.e2e
CHI_SQUARE = 9.21  # p = 0.01 with two degrees of freedom


@contextmanager
def calling(name: str, folder: Path) -> Iterator[tuple[Rig, Asked]]:
    """The proxy of a case in a real Envoy, and the first request of the case."""
    case = case_in(CASES / "traffic" / name)
    proxy = next(p for p in proxies(case.world) if f"{p.namespace}/{p.pod}" == case.proxy)
    plan = plan_for(case.world, proxy)[0]
    asked = traffic.requests_of(CASES / "traffic" / name, case.proxy)[0]
    with traffic.running(case.world, plan, folder, (asked,)) as rig:
        yield rig, asked


def pods_of(rig: Rig, asked: Asked, times: int) -> Counter[str]:
    """Who answers how often."""
    request = traffic.made_up(rig.world, rig.plan, asked)
    return Counter(traffic.send(rig, request, asked).pod for _ in range(times))


def _is_asked(rig: Rig, asked: Asked, pod: str) -> bool:
    return pods_of(rig, asked, 1) == {pod: 1}


def test_each_place_gets_the_share_it_is_given(short: Path) -> None:
    wanted = {"zones-a": 420, "zones-b": 120, "zones-us": 60}
    with calling("locality-distribute", short) as (rig, asked):
        found = pods_of(rig, asked, sum(wanted.values()))
    assert set(found) == set(wanted)
    assert sum((found[pod] - n) ** 2 / n for pod, n in wanted.items()) < CHI_SQUARE, found


def test_the_next_place_takes_over_when_the_one_before_has_nobody_left(short: Path) -> None:
    with calling("locality-failover", short) as (rig, asked):
        failing = replace(asked, headers={"x-fail": "5"})
        for pod in ("zones-a", "zones-b", "zones-ap", "zones-us"):
            # Envoy gathers what becomes known of endpoints for a second.
            assert eventually(partial(_is_asked, rig, asked, pod))
            assert pods_of(rig, asked, 20) == {pod: 20}
            assert pods_of(rig, failing, 1) == {pod: 1}
