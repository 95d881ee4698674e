"""Rules that route go by the short way, and what comes of it is what a whole plan would have made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.translate.cases import objects_in

from lateen.api.decode import decode_tree
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.envoy.resources import Resources, ResourceType
from lateen.stages.moving import Moves
from lateen.stages.planning import Planned, Planning
from lateen.stages.rerouting import MOST, Rerouting
from lateen.store.interface import Event, EventType

MESH = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: http-admin, port: 9000}]
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  selector: {app: cart}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: any, port: 7000}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec:
  selector: {app: db}
  ports: [{name: tcp, port: 5432}, {name: http-admin, port: 9000}]
---
apiVersion: v1
kind: Service
metadata: {name: old, namespace: shop}
spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  subsets: [{name: new, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [front]
  http: [{route: [{destination: {host: web, subset: new}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  ports: [{name: http, port: 80, targetPort: 80}]
---
pods:
  shop:
    web-1: {ip: 198.18.0.20, labels: {app: web, version: v1}}
    web-2: {ip: 198.18.0.21, labels: {app: web, version: v2}}
    cart-1: {ip: 198.18.0.22, labels: {app: cart}}
  bank:
    till-1: {ip: 198.18.0.25, labels: {app: till}}
  istio-system:
    edge-0: {ip: 198.18.0.24, image: auto, labels: {istio: ingressgateway}}
"""
NEW = {"destination": {"host": "web", "subset": "new"}}
OLD = {"destination": {"host": "web"}}
CANARY = {"hosts": ["web"], "http": [{"route": [{**OLD, "weight": 90}, {**NEW, "weight": 10}]}]}


class Mesh:
    """A plan of the mesh, the short way beside it, and what proxies were given."""

    def __init__(self, more: str = "") -> None:
        self.objects = {obj.key: obj for obj in objects_in(MESH + more)}
        self.planning = self.planned_anew()
        self.given: dict[str, Resources] = {}
        self.planning.put = self.given.__setitem__
        self.rerouting = Rerouting(planning=self.planning)

    def planned_anew(self) -> Planning:
        """Planning that has made one whole plan of what there is now."""
        planning = Planning(run_dir=Path("/run/mesh"), put=lambda *_: None, drop=lambda _: None)
        planning.step(tuple(self.objects.values()), frozenset())
        return planning

    def write(self, spec: dict[str, Any] | None, name: str = "web", namespace: str = "shop") -> Obj:
        """Store a VirtualService, or delete it."""
        tree = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec or {"hosts": ["web"]},
        }
        (obj,) = decode_tree(tree, places=None).objects
        if spec is None:
            return self.objects.pop(obj.key)
        self.objects[obj.key] = obj
        return obj

    def step(self, *set_aside: ObjectKey) -> Planned | None:
        """Take the short way."""
        return self.rerouting.step(tuple(self.objects.values()), frozenset(set_aside))

    def agrees(self) -> None:
        """What there is now is what a whole plan makes of it."""
        latest, anew = self.planning.latest, self.planned_anew().latest
        assert latest
        assert anew
        assert latest.plans == anew.plans
        assert latest.resources == anew.resources
        assert set(latest.problems) == set(anew.problems)
        assert latest.world.virtual_services == anew.world.virtual_services


@pytest.mark.parametrize(
    "spec",
    [
        CANARY,
        {**CANARY, "exportTo": ["."]},
        {**CANARY, "gateways": ["front"]},
        {**CANARY, "gateways": ["mesh", "front"]},
        {"hosts": ["web"], "http": [{"match": [{"uri": {"prefix": "/a"}}], "route": [NEW]}]},
        {"hosts": ["web"], "http": [{"match": [{"port": 9000}], "route": [NEW]}]},
        {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "nowhere"}}]}]},
        {"hosts": ["cart"], "http": [{"route": [OLD], "timeout": "3s"}]},
        {"hosts": ["web", "cart"], "http": [{"match": [{"port": 80}], "route": [NEW]}]},
        None,
    ],
)
def test_what_rules_route_is_known_to_all_proxies_as_if_all_was_planned_anew(
    spec: dict[str, Any] | None,
) -> None:
    mesh = Mesh()
    mesh.write(spec)
    if spec and len(spec["hosts"]) > 1:
        assert mesh.step() is None, "cart has port 7000 alone, web 9000: hosts no service has there"
        return
    assert mesh.step()
    mesh.agrees()


def test_one_rule_after_another() -> None:
    mesh = Mesh()
    for name, spec in (
        ("web", CANARY),
        ("cart", {"hosts": ["cart"], "http": [{"route": [NEW]}]}),
        ("second", {"hosts": ["web"], "http": [{"route": [NEW]}]}),
        ("web", None),
        ("front", {"hosts": ["a.b"], "gateways": ["front"], "http": [{"route": [OLD]}]}),
        ("web", CANARY),
    ):
        mesh.write(spec, name=name)
        assert mesh.step(), name
        mesh.agrees()


def test_only_tables_are_given_and_only_to_whom_it_concerns() -> None:
    mesh = Mesh()
    before = mesh.planning.latest
    mesh.write({**CANARY, "exportTo": ["."]})
    assert mesh.step()
    assert before
    bank = next(node for node in before.plans if "till-1.bank" in node)
    gateway = next(node for node in before.plans if node.startswith("router"))
    assert gateway not in mesh.given
    assert bank in mesh.given, "it does not see the rule any more"
    for node, resources in mesh.given.items():
        for type_, same in before.resources[node].items():
            assert (resources[type_] is same) == (type_ is not ResourceType.ROUTES)
    mesh.given.clear()
    mesh.write({**CANARY, "exportTo": ["."], "http": [{"route": [NEW]}]})
    assert mesh.step()
    assert bank not in mesh.given
    assert len(mesh.given) == 3
    mesh.agrees()


def test_a_rule_set_aside_routes_nothing() -> None:
    mesh = Mesh()
    obj = mesh.write(CANARY)
    assert mesh.step(obj.key)
    del mesh.objects[obj.key]
    mesh.agrees()


@pytest.mark.parametrize(
    "spec",
    [
        {"http": [{"route": [OLD]}]},
        {"hosts": ["*.cluster.local"], "http": [{"route": [OLD]}]},
        {"hosts": ["elsewhere.example"], "http": [{"route": [OLD]}]},
        {"hosts": ["db"], "http": [{"route": [OLD]}]},
        {"hosts": ["old"], "http": [{"route": [OLD]}]},
        {"hosts": ["web"], "tcp": [{"route": [OLD]}]},
        {"hosts": ["web"], "http": [{"match": [{"sourceLabels": {"a": "b"}}], "route": [OLD]}]},
        {"hosts": ["web"], "http": [{"match": [{"sourceNamespace": "bank"}], "route": [OLD]}]},
        {"hosts": ["web"], "http": [{"delegate": {"name": "front"}}]},
    ],
)
def test_rules_that_may_do_more_are_planned_anew(spec: dict[str, Any]) -> None:
    mesh = Mesh()
    mesh.write(spec)
    assert mesh.step() is None
    mesh.planning.step(tuple(mesh.objects.values()), frozenset())
    mesh.write(CANARY)
    assert mesh.step() is None, "and what such rules were changed to"


@pytest.mark.parametrize(
    "more",
    [
        """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {egress: [{hosts: ["./web.shop.svc.cluster.local"]}]}
""",
        """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
""",
    ],
)
def test_where_a_sidecar_narrows_what_is_seen_all_is_planned_anew(more: str) -> None:
    mesh = Mesh(f"---{more}")
    mesh.write(CANARY)
    assert mesh.step() is None


def test_what_is_kept_for_it_is_let_go_now_and_then() -> None:
    mesh = Mesh()
    taken = 0
    while mesh.step():
        taken += 1
    assert taken == MOST
    mesh.planning.step(tuple(mesh.objects.values()), frozenset())
    assert mesh.step()


def test_rules_alone_are_heard_as_such() -> None:
    mesh, moves = Mesh(), Moves()
    latest = mesh.planning.latest
    assert latest
    moves.take(None)
    obj = mesh.write(CANARY)
    moves.note(Event(type=EventType.MODIFIED, obj=obj, revision=2, before=obj))
    assert moves.rules
    assert moves.take(latest.world) == frozenset()
    assert not moves.rules
