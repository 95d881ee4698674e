"""Certificates are shown, told of before they end, and a clock that was set is noticed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lateen.app.certifying import Certifying
from lateen.base.clock import FakeClock
from lateen.base.errors import NotPossible
from lateen.base.problem import Level
from lateen.ir.plan import ProxyPlan, TlsSecret
from lateen.stages.securing import Securing
from lateen.store.memory import MemoryStore
from lateen.xds.ledger import Ledger
from tests.ca.verifying import verify
from tests.stages.test_rotating import plan

DAY = 86400.0


class SetClock(FakeClock):
    """A clock that can be set, as by a hand."""

    by = timedelta()

    def now(self) -> datetime:
        """The pretended wall clock, as it was set."""
        return super().now() + self.by


class Mesh:
    """One gateway `shop/edge` that shows the certificate of Secret `shop/front`."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self.store = MemoryStore(clock=self.clock)
        self.store.put(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, source="files"
        )
        self.told: list[str] = []
        self.securing = Securing.open(folder / "ca", self.clock)
        shown = Securing.open(folder / "theirs", self.clock).authority.material
        secret = TlsSecret(
            name="kubernetes://front", certificate=shown.chain_pem.encode(), key=b"not read"
        )
        self.plans = [ProxyPlan(proxy=plan("edge").proxy, secrets=(secret,))]
        self.store.put(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "front", "namespace": "shop"},
            },
            source="files",
        )
        self.securing.put(self.plans, {})
        self.securing.wallet.held("edge")
        self.certifying = Certifying(
            securing=self.securing,
            plans=lambda: self.plans,
            held=Ledger(self.clock),
            store=self.store,
            clock=self.clock,
            tell=self.told.append,
        )

    def forward(self, seconds: float) -> None:
        """Time passes; proxies are given what is due, as they are in life."""
        asyncio.run(self.clock.advance(seconds))
        self.securing.wallet.held("edge")
        self.certifying.look()

    def states(self) -> dict[str, str]:
        rows = self.certifying.shown()["certificates"]
        return {f"{row['kind']} {row['name']}": row["state"] for row in rows}

    def events(self) -> list[tuple[str, str]]:
        found = self.store.list(group="", kind="Event")
        return [(e.raw["involvedObject"]["name"], e.raw["reason"]) for e in found]


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    return Mesh(tmp_path)


def test_every_certificate_is_shown(mesh: Mesh) -> None:
    assert mesh.states() == {
        "root lateen root": "ok",
        "signing lateen intermediate": "ok",
        "proxy edge": "ok",
        "credential front": "ok",
    }
    rows = {row["kind"]: row for row in mesh.certifying.shown()["certificates"]}
    assert rows["proxy"]["about"] == "spiffe://cluster.local/ns/shop/sa/edge"
    assert rows["proxy"]["secondsLeft"] == DAY
    assert rows["credential"]["notAfter"].startswith("2027-01-01")
    assert mesh.certifying.problems() == ()
    assert mesh.certifying.seconds()["credential", "shop", "front"] == pytest.approx(365 * DAY, 1)


def test_a_fifth_before_its_end_a_certificate_is_told_of_once(mesh: Mesh) -> None:
    mesh.forward(291 * DAY)
    assert mesh.told == []
    for _ in range(3):
        mesh.forward(2 * DAY)
    words = "the credential certificate of shop/front ends at 2027-01-01 00:00:00 UTC"
    assert mesh.told == [words]
    assert mesh.events() == [("front", "CertificateExpiring")]
    (problem,) = mesh.certifying.problems()
    assert (problem.level, problem.message) == (Level.WARNING, words)
    assert str(problem.origin.key) == "Secret shop/front"
    assert mesh.states()["credential front"] == "ends soon"
    assert mesh.states()["signing lateen intermediate"] == "ok", "lateen's own was renewed"


def test_an_end_is_an_error(mesh: Mesh) -> None:
    mesh.forward(366 * DAY)
    (problem,) = mesh.certifying.problems()
    assert problem.level is Level.ERROR
    assert "ended at 2027-01-01 00:00:00 UTC" in problem.message
    assert mesh.events() == [("front", "CertificateExpired")]


@pytest.mark.parametrize(("hours", "words"), [(-3, "back by 10800 s"), (30, "forward by 108000 s")])
def test_a_clock_that_was_set_is_told_and_every_proxy_gets_what_is_valid_now(
    mesh: Mesh, hours: int, words: str
) -> None:
    mesh.forward(60)
    assert mesh.told == []
    mesh.clock.by = timedelta(hours=hours)
    mesh.forward(60)
    assert [w for w in mesh.told if "clock" in w] == [f"this machine's clock was set {words}"]
    assert "LAT0017" in {problem.code for problem in mesh.certifying.problems()}
    leaf = mesh.securing.wallet.held("edge")
    assert leaf is not None
    verify(leaf.leaf.chain_pem, mesh.securing.authority.bundle_pem, mesh.clock.now())
    mesh.forward(3600)
    mesh.forward(60)
    assert "LAT0017" not in {problem.code for problem in mesh.certifying.problems()}


def test_before_its_time_a_certificate_is_not_valid(mesh: Mesh) -> None:
    mesh.clock.by = timedelta(days=-2)
    assert mesh.states()["root lateen root"] == "not yet valid"
    assert Level.ERROR in {problem.level for problem in mesh.certifying.problems()}


def test_a_new_root_is_begun_once(mesh: Mesh) -> None:
    shown = mesh.certifying.rotate()
    assert shown["rotation"] == "new roots go out beside the old"
    assert shown["waitingFor"] == ["shop/edge"]
    with pytest.raises(NotPossible, match="is under way"):
        mesh.certifying.rotate()
