"""The wallet: one leaf per node, renewed in time, left alone over a restart."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.base.clock import FakeClock
from lateen.ca.authority import Authority
from lateen.ca.secrets import Wallet
from lateen.ca.subject import Subject

WEB = "spiffe://cluster.local/ns/shop/sa/web"
API = "spiffe://cluster.local/ns/shop/sa/api"
WHO = Subject(workload="web", namespace="shop", pod="web-1")
HOUR = 3600.0


def start(folder: Path, clock: FakeClock, *, node: str = "web-1", identity: str = WEB) -> Wallet:
    """A control plane's wallet, as after a (re)start."""
    authority = Authority.open(folder, trust_domain="cluster.local", clock=clock)
    wallet = Wallet(authority, clock, chance=lambda: 0.0)
    wallet.admit(node, identity, WHO)
    return wallet


def version_of(wallet: Wallet, node: str = "web-1") -> str:
    held = wallet.held(node)
    assert held is not None
    return held.version


def test_a_node_keeps_its_leaf_until_it_is_due(tmp_path: Path) -> None:
    clock = FakeClock()
    wallet = start(tmp_path, clock)
    first = version_of(wallet)
    due = wallet.next_due()
    assert due is not None
    assert due - clock.now() < timedelta(hours=11)
    asyncio.run(clock.advance(10 * HOUR))
    assert wallet.due() == ()
    assert version_of(wallet) == first
    asyncio.run(clock.advance(HOUR))
    assert wallet.due() == ("web-1",)
    second = version_of(wallet)
    assert second != first
    assert wallet.due() == ()
    assert not wallet.still_good("web-1", first)
    assert wallet.still_good("web-1", second)


def test_nobody_gets_a_leaf_without_being_admitted(tmp_path: Path) -> None:
    wallet = start(tmp_path, FakeClock())
    assert wallet.held("stranger") is None
    assert not wallet.still_good("stranger", version_of(wallet))
    wallet.forget("web-1")
    assert wallet.held("web-1") is None
    assert wallet.next_due() is None


def test_another_identity_needs_another_leaf(tmp_path: Path) -> None:
    wallet = start(tmp_path, FakeClock())
    first = version_of(wallet)
    wallet.admit("web-1", WEB, WHO)
    assert version_of(wallet) == first
    wallet.admit("web-1", API, WHO)
    assert not wallet.still_good("web-1", first)
    assert version_of(wallet) != first


def test_after_a_restart_a_young_leaf_stays_and_is_due_in_time(tmp_path: Path) -> None:
    clock = FakeClock()
    version = version_of(start(tmp_path, clock))
    asyncio.run(clock.advance(HOUR))
    again = start(tmp_path, clock)
    assert again.still_good("web-1", version)
    assert again.due() == ()
    asyncio.run(clock.advance(11 * HOUR))
    assert not again.still_good("web-1", version)
    assert again.due() == ("web-1",)
    assert version_of(again) != version


def test_after_a_restart_an_old_leaf_is_replaced(tmp_path: Path) -> None:
    clock = FakeClock()
    version = version_of(start(tmp_path, clock))
    asyncio.run(clock.advance(12 * HOUR + 1))
    assert not start(tmp_path, clock).still_good("web-1", version)


def test_a_version_is_good_only_for_its_node_identity_and_root(tmp_path: Path) -> None:
    clock = FakeClock()
    version = version_of(start(tmp_path / "a", clock))
    assert start(tmp_path / "a", clock).still_good("web-1", version)
    assert not start(tmp_path / "a", clock, identity=API).still_good("web-1", version)
    assert not start(tmp_path / "a", clock, node="web-2").still_good("web-2", version)
    assert not start(tmp_path / "b", clock).still_good("web-1", version)
    authority = start(tmp_path / "b", clock)
    roots = (tmp_path / "a" / "root-cert.pem", tmp_path / "b" / "root-cert.pem")
    roots[0].write_text(roots[0].read_text() + roots[1].read_text())
    assert authority is not None
    assert not start(tmp_path / "a", clock).still_good("web-1", version)


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Wallet, str]:
    folder = tmp_path_factory.mktemp("ca")
    clock = FakeClock()
    version = version_of(start(folder, clock))
    return start(folder, clock), version


@given(data=st.data())
def test_a_version_cannot_be_made_up(restarted: tuple[Wallet, str], data: st.DataObject) -> None:
    wallet, version = restarted
    at = data.draw(st.integers(0, len(version) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != version[at]))
    assert wallet.still_good("web-1", version)
    assert not wallet.still_good("web-1", version[:at] + other + version[at + 1 :])


@given(text=st.text(max_size=100))
def test_any_version_can_be_read(restarted: tuple[Wallet, str], text: str) -> None:
    assert not restarted[0].still_good("web-1", text)
