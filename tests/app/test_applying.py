"""Apply says who had to acknowledge, how long each took, and does not say more than it knows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from lateen.app.applying import Acknowledging, Heard, joined
from lateen.base.clock import SystemClock
from lateen.envoy.names import BORDER_NODE
from lateen.envoy.resources import Resource, ResourceType
from lateen.ir.plan import Proxy, Role
from lateen.stages.quarantining import Quarantine
from lateen.xds.events import Acked, Connected, Nacked, Programmed, Pushed
from lateen.xds.ledger import Ledger

ROUTES = ResourceType.ROUTES
TABLE = Resource(name="80", version="2", body=b"")


def proxy(pod: str) -> Proxy:
    return Proxy(
        id=pod,
        role=Role.SIDECAR,
        namespace="shop",
        pod=pod,
        address="198.18.0.2",
        identity="",
        workload=pod,
    )


@dataclass
class Rig:
    """A ledger of two proxies, and a change that is made of events."""

    clock: SystemClock = field(default_factory=SystemClock)
    wanted: dict[str, dict[ResourceType, dict[str, Resource]]] = field(default_factory=dict)
    quarantine: Quarantine = field(
        default_factory=lambda: Quarantine(changed=lambda: None, editions=dict)
    )

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.clock)
        for node in ("web", "api"):
            self.ledger.note(Connected(proxy=node))
            self.want(node)
            self.programmed(node)
        self.acknowledging = Acknowledging(
            clock=self.clock,
            ledger=self.ledger,
            quarantine=self.quarantine,
            due=lambda: False,
            proxies=lambda: {"web": proxy("web"), "api": proxy("api")},
        )

    def want(self, node: str) -> None:
        self.wanted[node] = {ROUTES: {"80": TABLE}}
        self.ledger.want(node, self.wanted[node])

    def pushed(self, node: str) -> None:
        self.want(node)
        self.ledger.note(Pushed(proxy=node, type=ROUTES, nonce="1", resources=(TABLE,), removed=()))

    def programmed(self, node: str) -> None:
        self.ledger.note(Acked(proxy=node, type=ROUTES, resources=(TABLE,), removed=()))
        self.ledger.note(Programmed(proxy=node, snapshot=self.wanted[node]))


def test_it_waits_for_those_that_were_sent_something_and_names_no_others() -> None:
    rig = Rig()

    async def scenario() -> None:
        def change() -> None:
            rig.pushed("web")
            asyncio.get_running_loop().call_later(0.12, rig.programmed, "web")

        told = await rig.acknowledging.change(change, 5)
        assert told["complete"]
        (row,) = told["proxies"]
        assert (row["namespace"], row["pod"], row["refused"]) == ("shop", "web", False)
        assert 0.1 < row["seconds"] <= told["seconds"] < 1

    asyncio.run(scenario())


def test_a_proxy_that_does_not_answer_is_named_when_the_time_is_over() -> None:
    rig = Rig()

    async def scenario() -> None:
        def change() -> None:
            rig.pushed("web")
            rig.pushed("api")
            rig.programmed("api")

        told = await rig.acknowledging.change(change, 0.2)
        assert not told["complete"]
        took = {row["pod"]: row["seconds"] for row in told["proxies"]}
        assert took["web"] is None
        assert took["api"] is not None

    asyncio.run(scenario())


def test_a_refusal_is_told_of_also_when_the_rest_is_acknowledged_later() -> None:
    heard = Heard(clock=SystemClock(), began=0)
    heard.hear(Pushed(proxy="web", type=ROUTES, nonce="1", resources=(TABLE,), removed=()))
    heard.hear(Nacked(proxy="web", type=ROUTES, resources=(TABLE,), message="no"))
    heard.hear(Pushed(proxy="web", type=ROUTES, nonce="2", resources=(TABLE,), removed=()))
    heard.hear(Programmed(proxy="web", snapshot={}))
    heard.hear(Pushed(proxy=BORDER_NODE, type=ROUTES, nonce="1", resources=(TABLE,), removed=()))
    border, web = heard.rows({"web": proxy("web")})
    assert web["refused"]
    assert web["seconds"] is not None
    assert (border["pod"], border["seconds"]) == ("border", None)


@pytest.mark.parametrize(
    ("before", "more", "after"),
    [
        (("/m/k8s",), ("/m/k8s/web.yaml",), ("/m/k8s",)),
        (("/m/k8s",), ("/m/k8s-more.yaml",), ("/m/k8s", "/m/k8s-more.yaml")),
        (("/m",), (), ("/m",)),
        (("-",), ("/m", "-"), ("-", "/m")),
    ],
)
def test_further_files_stand_beside_those_that_run(
    before: tuple[str, ...], more: tuple[str, ...], after: tuple[str, ...]
) -> None:
    assert joined(before, more) == after
