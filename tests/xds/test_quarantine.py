"""Whom to blame for a refused resource."""

from __future__ import annotations

from lateen.base.origin import ObjectKey
from lateen.xds.quarantine import blame, editions_in


def virtual_service(name: str) -> ObjectKey:
    return ObjectKey(
        group="networking.istio.io", kind="VirtualService", namespace="shop", name=name
    )


A, B, C = (virtual_service(name) for name in "abc")


def test_what_changed_since_the_last_good_one_is_to_blame() -> None:
    assert blame([C, B, A], now={A: 1, B: 7, C: 3}, good={A: 1, B: 2, C: 3}) == (B,)


def test_what_is_new_since_then_is_to_blame_too() -> None:
    assert blame([A, B, C], now={A: 4, B: 2, C: 9}, good={A: 1, B: 2}) == (A, C)


def test_if_nothing_changed_it_may_be_any() -> None:
    assert blame([B, A], now={A: 1, B: 2}, good={A: 1, B: 2}) == (A, B)


def test_without_a_last_good_one_it_may_be_any() -> None:
    assert blame([A, B, C], now={A: 5, B: 5, C: 2}, good={}) == (A, B, C)


def test_what_is_gone_cannot_be_left_out() -> None:
    assert blame([A, B], now={A: 1}, good={A: 1, B: 2}) == (A,)
    assert blame([A], now={}, good={}) == ()
    assert blame([], now={A: 1}, good={}) == ()


def test_what_an_ack_confirms_is_the_editions_that_made_it() -> None:
    now = {A: 1, B: 2}
    assert editions_in([A, C], now) == {A: 1}
    assert blame([A, B], now={A: 1, B: 2}, good=editions_in([A], now)) == (B,)
