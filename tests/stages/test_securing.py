"""A proxy gets its own certificate and no other's, and a new one in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from tests.stages.shop import Round, names

from lateen.base.clock import FakeClock
from lateen.envoy.names import SECRET_OWN, SECRET_ROOT
from lateen.envoy.resources import Resource, ResourceType
from lateen.stages.securing import LOOK_EVERY, Securing
from lateen.xds.ledger import ProxyState


class Mesh:
    """The CA with the proxies of a round."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.securing = Securing.open(folder / "ca", self.clock)
        self.planned = Round().step()
        self.securing.put(self.planned.plans.values(), self.planned.resources)
        self.confirmed: dict[tuple[str, str], Resource] = {}
        self.web, self.edge = (names(self.planned)[name] for name in ("web-0", "edge-0"))

    def last_good(self, proxy: str, type_: ResourceType, name: str) -> Resource | None:
        """What a proxy has confirmed."""
        assert type_ is ResourceType.SECRET
        return self.confirmed.get((proxy, name))

    def state(self, proxy: str) -> ProxyState | None:
        """Nobody has come."""
        return None


def test_each_proxy_is_given_its_own_certificate_and_the_common_root(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path)
    own, other = (mesh.securing.secret(node, SECRET_OWN) for node in (mesh.web, mesh.edge))
    assert own is not None
    assert other is not None
    assert b"spiffe" not in own.body, "the name is in the certificate, not beside it"
    assert own.body != other.body
    root = mesh.securing.secret(mesh.web, SECRET_ROOT)
    assert root is not None
    assert root == mesh.securing.secret(mesh.edge, SECRET_ROOT)
    assert mesh.securing.secret(mesh.web, "kubernetes://a-gateways") is None
    assert mesh.securing.secret("a stranger", SECRET_OWN) is None


def test_a_certificate_that_is_held_and_good_need_not_be_sent(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path)
    own = mesh.securing.secret(mesh.web, SECRET_OWN)
    assert own is not None
    assert mesh.securing.still_good(mesh.web, SECRET_OWN, own.version)
    assert not mesh.securing.still_good(mesh.edge, SECRET_OWN, own.version)
    assert not mesh.securing.still_good(mesh.web, SECRET_ROOT, "another")


def test_a_pod_that_is_gone_has_no_certificate_any_more(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path)
    assert mesh.securing.secret(mesh.web, SECRET_OWN) is not None
    assert mesh.securing.seconds_left(mesh.web) > 3600
    mesh.securing.put((), {})
    assert mesh.securing.secret(mesh.web, SECRET_OWN) is None
    assert mesh.securing.seconds_left(mesh.web) == 0.0


def test_certificates_are_renewed_long_before_they_end(tmp_path: Path) -> None:
    async def renewed() -> tuple[list[str], float]:
        mesh = Mesh(tmp_path)
        mesh.securing.secret(mesh.web, SECRET_OWN)
        life = mesh.securing.seconds_left(mesh.web)
        asked: list[str] = []

        def refresh(node: str, secrets: Iterable[str]) -> None:
            asked.append(f"{node} {' '.join(secrets)}")
            mesh.securing.secret(node, SECRET_OWN)

        for passed in (0, 0.7 * life):
            await mesh.clock.advance(passed)
            task = asyncio.create_task(mesh.securing.renewing(refresh, mesh))
            await asyncio.sleep(0)  # it looks
            await mesh.clock.advance(LOOK_EVERY)
            task.cancel()
            if not passed:
                assert asked == []
        return asked, mesh.securing.seconds_left(mesh.web) / life

    asked, left = asyncio.run(renewed())
    assert len(asked) == 1
    assert asked[0].endswith(f" {SECRET_OWN}")
    assert left > 0.9
