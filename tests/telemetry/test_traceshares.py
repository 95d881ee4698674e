"""A busy proxy begins about as many traces as there is room for, a quiet one all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lateen.telemetry.traces.shares import ALL, BUDGET, Shares

WEB, API = ("shop", "web-1"), ("shop", "api-1")


class Proxy:
    """Begins traces of the share it was told last of so many requests a second."""

    def __init__(self, shares: Shares) -> None:
        self.shares, self.share = shares, ALL

    def second(self, requests: int) -> int:
        began = requests * self.share // 100
        if began:
            self.shares.count(WEB, began)
        self.share = self.shares.changes({WEB}).get(WEB, self.share)
        return began


def test_a_quiet_proxy_is_told_once_to_begin_all() -> None:
    shares = Shares()
    for _ in range(3):
        shares.count(WEB, BUDGET)
        assert shares.changes({WEB}) == ({} if _ else {WEB: ALL})
    assert shares.thinned() == {}


def test_a_flood_is_thinned_out_within_a_second_and_each_proxy_by_itself() -> None:
    shares = Shares()
    shares.count(WEB, 20 * BUDGET)
    shares.count(API, BUDGET // 2)
    assert shares.changes({WEB, API}) == {WEB: 5, API: ALL}
    assert shares.thinned() == {WEB: 5}


def test_after_a_flood_all_are_begun_again_by_and_by() -> None:
    proxy = Proxy(Shares())
    proxy.second(50 * BUDGET)
    assert proxy.share == 2
    seen = []
    for _ in range(4):
        proxy.second(0)
        seen.append(proxy.share)
    assert seen == [8, 32, ALL, ALL]


def test_one_that_is_gone_is_forgotten() -> None:
    shares = Shares()
    shares.count(WEB, 20 * BUDGET)
    shares.changes({WEB})
    assert shares.changes(set()) == {}
    assert shares.thinned() == {}


def test_one_that_could_not_be_told_is_told_again() -> None:
    shares = Shares()
    shares.count(WEB, 20 * BUDGET)
    shares.changes({WEB})
    shares.untold(WEB)
    shares.count(WEB, 20 * BUDGET)
    assert shares.changes({WEB}) == {WEB: 5}


@given(st.integers(1, 80 * BUDGET), st.integers(1, 80 * BUDGET), st.integers(1, ALL))
def test_whatever_came_before_the_share_fits_after_some_seconds(
    before: int, requests: int, unknown: int
) -> None:
    """Also where the proxy draws lots with a share that is not known here, as after a start of the observer."""
    proxy = Proxy(Shares())
    proxy.share = unknown
    for _ in range(8):
        proxy.second(before)
    for _ in range(8):
        proxy.second(requests)
    assert proxy.second(requests) <= 1.25 * BUDGET
    assert proxy.share == ALL or proxy.second(requests) >= BUDGET / 2 - 80


def test_what_comes_steadily_is_left_alone() -> None:
    proxy = Proxy(Shares())
    shares = set()
    for second in range(30):
        proxy.second(1000 + second % 7 * 10)
        shares.add(proxy.share)
    assert shares == {10}
