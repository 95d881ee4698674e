"""How the mesh is: what keeps it from being at rest, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lateen.app.certifying import Certifying
from lateen.app.news import News
from lateen.app.reporting import Reporting
from lateen.app.settings import Settings
from lateen.base.clock import FakeClock
from lateen.base.errors import NotFound
from lateen.base.origin import ObjectKey
from lateen.envoy.resources import Resource, ResourceType
from lateen.stages.building import Building
from lateen.stages.editions import Edition, editions_of
from lateen.stages.quarantining import Quarantine
from lateen.stages.securing import Securing
from lateen.stages.sourcing import Sourcing
from lateen.store.memory import MemoryStore
from lateen.xds.events import Acked, Connected, Event, Nacked, Programmed
from lateen.xds.ledger import Ledger
from tests.stages.shop import Round, names, shop

WORDS = "Envoy's words"
CLUSTERS = ResourceType.CLUSTER


class Mesh:
    """The shop, with proxies that answer as told."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        for obj in shop():
            self.store.put(obj.raw, source="files")
        self.round = Round()
        self.ledger = Ledger(self.clock)
        self.quarantine = Quarantine(changed=lambda: None, editions=self.editions)
        self.ledger.listen(self.quarantine.hear, Quarantine.HEARS)
        sourcing = Sourcing(store=self.store, clock=self.clock, look_in=lambda *_: None)
        sourcing.applied = True
        self.certifying = Certifying(
            securing=Securing.open(folder / "ca", self.clock),
            plans=tuple,
            held=self.ledger,
            store=self.store,
            clock=self.clock,
            tell=News().tell,
        )
        self.reporting = Reporting(
            settings=lambda: Settings(run=str(folder), state="s", cache="c"),
            clock=self.clock,
            store=self.store,
            ledger=self.ledger,
            building=Building(cache=folder, changed=lambda: None),
            planning=self.round.planning,
            quarantine=self.quarantine,
            sourcing=sourcing,
            news=News(),
            certifying=self.certifying,
        )
        for obj in self.store.list(kind="Pod"):
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            self.store.put_status(obj.key, {**obj.raw["status"], **ready})

    def editions(self) -> Mapping[ObjectKey, Edition]:
        return editions_of(self.store.list())

    def plan(self) -> None:
        planned = self.round.step()
        self.nodes = names(planned)
        self.quarantine.made(planned.resources)
        for node, resources in planned.resources.items():
            self.ledger.want(node, resources)

    def note(self, *events: Event) -> None:
        for event in events:
            self.ledger.note(event)

    def connect(self) -> None:
        self.note(*(Connected(proxy=node) for node in self.nodes.values()))

    def take_all(self) -> None:
        """Every proxy takes all it should have."""
        for node in self.nodes.values():
            wanted = self.round.given[node]
            for type_, some in wanted.items():
                some_resources = tuple(some.values())
                self.note(Acked(proxy=node, type=type_, resources=some_resources, removed=()))
            self.note(Programmed(proxy=node, snapshot=wanted))

    def cluster(self, host: str) -> Resource:
        return self.round.given[self.nodes["web-0"]][CLUSTERS][f"outbound|80||{host}"]

    def refuse(self, resource: Resource) -> None:
        node = self.nodes["web-0"]
        self.note(Nacked(proxy=node, type=CLUSTERS, resources=(resource,), message=WORDS))

    def phase(self) -> str:
        return str(self.reporting.status()["phase"])


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    return Mesh(tmp_path)


def test_a_mesh_is_ready_when_every_connected_proxy_has_what_it_should_have(mesh: Mesh) -> None:
    assert mesh.phase() == "starting", "nothing is planned yet"
    mesh.plan()
    mesh.connect()
    assert mesh.phase() == "starting"
    mesh.take_all()
    assert mesh.phase() == "ready"
    words = {row["pod"]: row["state"] for row in mesh.reporting.proxies()["proxies"]}
    assert words == {"web-0": "programmed", "edge-0": "programmed"}


def test_the_size_of_each_proxy_is_told_by_type(mesh: Mesh) -> None:
    mesh.plan()
    for row in mesh.reporting.proxies()["proxies"]:
        made = mesh.round.given[row["id"]]
        told = {kind: (size["resources"], size["bytes"]) for kind, size in row["size"].items()}
        assert told == {
            type_.short: (len(some), sum(len(r.body) for r in some.values()))
            for type_, some in made.items()
        }
        assert sum(size for _, size in told.values()) == row["bytes"] > 0


def test_while_a_culprit_is_looked_for_the_mesh_is_starting(mesh: Mesh) -> None:
    mesh.plan()
    mesh.connect()
    mesh.refuse(mesh.cluster("web.shop.svc.cluster.local"))
    assert mesh.quarantine.undecided
    assert mesh.phase() == "starting"
    assert mesh.reporting.status()["refused"] == ["DestinationRule shop/pool"]


def test_a_refusal_that_no_setting_explains_is_degraded_and_named(mesh: Mesh) -> None:
    mesh.plan()
    mesh.connect()
    mesh.refuse(mesh.cluster("istio-ingressgateway.istio-system.svc.cluster.local"))
    assert mesh.phase() == "starting", "the gateway has not answered yet"
    edge = mesh.nodes["edge-0"]
    mesh.note(Programmed(proxy=edge, snapshot=mesh.round.given[edge]))
    assert mesh.phase() == "degraded"
    (problem,) = mesh.reporting.problems()["problems"]
    assert problem["code"] == "LAT0100"
    assert (problem["kind"], problem["name"]) == ("Service", "istio-ingressgateway")
    assert WORDS in problem["message"]


def test_a_bug_of_ours_is_said_with_where_to_look(mesh: Mesh) -> None:
    mesh.reporting.fault = "KeyError: 'subset'"
    assert mesh.phase() == "degraded"
    (problem,) = mesh.reporting.problems()["problems"]
    assert problem["code"] == "LAT9999"
    assert "control.log" in problem["message"]


def test_addresses_are_those_of_gateways_that_some_pod_serves(mesh: Mesh) -> None:
    assert mesh.reporting.status()["urls"] == []
    mesh.plan()
    (url,) = mesh.reporting.status()["urls"]
    assert url == {"url": "http://127.0.0.1:8080", "hosts": ["*"]}


async def dump(mesh: Mesh, pod: str) -> object:
    return await mesh.reporting.config_dump("shop", pod)


@pytest.mark.parametrize("pod", ["web-0", "plain-0", "none"])
def test_a_pod_without_an_envoy_has_no_configuration(pod: str, mesh: Mesh) -> None:
    with pytest.raises(NotFound, match=f"no proxy of pod shop/{pod}"):
        dump(mesh, pod).send(None)
