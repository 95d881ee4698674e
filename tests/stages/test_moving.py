"""Pods come and go by the short way, and what comes of it is what a whole plan would have made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.translate.cases import objects_in

from lateen.api.decode import decode_tree
from lateen.api.objects import Obj
from lateen.envoy.resources import Resources, ResourceType
from lateen.stages.moving import Moves, Moving, moved_directory
from lateen.stages.planning import Planning, directory_of
from lateen.store.interface import Event, EventType

MESH = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  selector: {app: cart}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: pods, namespace: shop}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: tcp, port: 5432}]
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
    db-1: {ip: 198.18.0.23, labels: {app: db}}
  istio-system:
    edge-0: {ip: 198.18.0.24, image: auto, labels: {istio: ingressgateway}}
"""


class Mesh:
    """A plan of the mesh, the short way beside it, and what proxies were given."""

    def __init__(self) -> None:
        self.objects = {obj.key: obj for obj in objects_in(MESH)}
        self.given: dict[str, Resources] = {}
        self.planning = self.planned_anew()
        self.planning.put = self.given.__setitem__
        self.moving = Moving(planning=self.planning)
        self.moves = Moves()
        self.moves.take(None)  # the first of all is planned anew

    def planned_anew(self) -> Planning:
        """Planning that has made one whole plan of what there is now."""
        planning = Planning(run_dir=Path("/run/mesh"), put=lambda *_: None, drop=lambda _: None)
        planning.step(tuple(self.objects.values()), frozenset())
        return planning

    def slice_of(self, service: str) -> Obj:
        return next(
            obj
            for obj in self.objects.values()
            if obj.key.kind == "EndpointSlice"
            and obj.meta.labels["kubernetes.io/service-name"] == service
        )

    def change(self, before: Obj, raw: dict[str, Any]) -> None:
        """Another version of an object is stored."""
        (obj,) = decode_tree(raw, places=None).objects
        self.objects[obj.key] = obj
        self.moves.note(Event(type=EventType.MODIFIED, obj=obj, revision=2, before=before))

    def make_ready(self, service: str, address: str, ready: bool) -> None:
        piece = self.slice_of(service)
        endpoints = [
            {**each, "conditions": {"ready": ready}} if address in each["addresses"] else each
            for each in piece.raw["endpoints"]
        ]
        self.change(piece, {**piece.raw, "endpoints": endpoints})

    def moved(self) -> bool:
        """Take the short way, if it is one; whether it was."""
        latest = self.planning.latest
        assert latest
        services = self.moves.take(latest.world)
        if services is None:
            return False
        slices = [o for o in self.objects.values() if o.key.kind == "EndpointSlice"]
        return self.moving.step(services, lambda _: slices) is not None


def test_a_pod_that_is_not_ready_any_more_is_known_to_all_proxies_as_if_all_was_planned_anew() -> (
    None
):
    mesh = Mesh()
    before = mesh.planning.latest
    mesh.make_ready("web", "198.18.0.21", False)
    assert mesh.moved()
    latest, anew = mesh.planning.latest, mesh.planned_anew().latest
    assert before
    assert latest
    assert anew
    assert latest.resources == anew.resources
    assert latest.plans == anew.plans
    assert latest.world.instances == anew.world.instances
    assert mesh.given.keys() == latest.plans.keys(), "the gateway sees a subset of it"
    for node, resources in mesh.given.items():
        for type_, same in before.resources[node].items():
            assert (resources[type_] is same) == (type_ is not ResourceType.ENDPOINTS)
    known = directory_of(before.world)
    directory, others = moved_directory(known, latest.world, frozenset({("shop", "web")}))
    assert directory == directory_of(anew.world)
    assert others == tuple(s for s in directory.services if s not in known.services)
    assert [len(each.endpoints) for each in others] == [1]
    assert moved_directory(directory, latest.world, frozenset({("shop", "web")})) == (directory, ())


def test_it_comes_back_and_everything_is_as_before() -> None:
    mesh = Mesh()
    before = mesh.planning.latest
    for ready in (False, True):
        mesh.make_ready("web", "198.18.0.21", ready)
        assert mesh.moved()
    assert before
    assert mesh.planning.latest
    assert mesh.planning.latest.resources == before.resources


def test_the_same_endpoints_again_are_given_to_nobody() -> None:
    mesh = Mesh()
    mesh.make_ready("web", "198.18.0.21", True)
    assert mesh.moved()
    assert mesh.given == {}


def test_a_service_whose_name_leads_to_each_pod_is_planned_anew() -> None:
    mesh = Mesh()
    mesh.make_ready("pods", "198.18.0.23", False)
    assert not mesh.moved()


def test_a_new_identity_behind_a_service_is_planned_anew() -> None:
    mesh = Mesh()
    cart, web = mesh.slice_of("cart"), mesh.slice_of("web")
    mesh.change(cart, {**cart.raw, "endpoints": []})
    assert not mesh.moved(), "without a pod no identity can be expected of it"
    assert web.raw["endpoints"]


def test_a_pods_own_change_matters_only_if_it_is_another_pod_for_some_rule() -> None:
    mesh = Mesh()
    (pod,) = (o for o in mesh.objects.values() if (o.key.kind, o.key.name) == ("Pod", "web-1"))
    unready = {**pod.raw["status"], "conditions": [{"type": "Ready", "status": "False"}]}
    mesh.change(pod, {**pod.raw, "status": unready})
    assert mesh.moved()
    labels = {"app": "web", "version": "v2"}
    mesh.change(pod, {**pod.raw, "metadata": {**pod.raw["metadata"], "labels": labels}})
    assert not mesh.moved()


def test_whatever_else_changes_is_planned_anew() -> None:
    mesh = Mesh()
    rule = next(o for o in mesh.objects.values() if o.key.kind == "DestinationRule")
    mesh.moves.note(Event(type=EventType.DELETED, obj=rule, revision=2, before=rule))
    mesh.make_ready("web", "198.18.0.21", False)
    assert not mesh.moved()
    mesh.make_ready("web", "198.18.0.21", True)
    assert mesh.moved(), "what came after that is on its own"


def test_endpoints_that_are_no_pods_are_planned_anew_as_the_border_has_to_let_to_them() -> None:
    mesh = Mesh()
    web = mesh.slice_of("web")
    (first, *others) = web.raw["endpoints"]
    outside = {"addresses": ["192.0.2.40"], "conditions": first.get("conditions", {})}
    mesh.change(web, {**web.raw, "endpoints": [first, *others, outside]})
    assert not mesh.moved()
