"""A small shop for the stages: its objects, and rounds of planning over them."""

from __future__ import annotations

from pathlib import Path

from tests.translate.cases import objects_in

from lateen.api.decode import decode_tree
from lateen.api.objects import Obj
from lateen.envoy.resources import Resources
from lateen.stages.planning import Planned, Planning

RUN = Path("/run/mesh")
SHOP = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: pool, namespace: shop}
spec:
  host: web
  trafficPolicy:
    connectionPool: {tcp: {maxConnections: 7}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
    - route: [{destination: {host: web}}]
      timeout: 3s
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bank, namespace: shop}
spec:
  hosts: [bank.example.com]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: DNS
---
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  type: LoadBalancer
  selector: {istio: ingressgateway}
  ports: [{name: http, port: 80, targetPort: 80}]
---
pods:
  shop:
    web-0: {ip: 198.18.0.20, labels: {app: web}}
    plain-0: {ip: 198.18.0.21, annotations: {sidecar.istio.io/inject: "false"}}
  istio-system:
    edge-0: {ip: 198.18.0.22, image: auto, labels: {istio: ingressgateway}}
"""


def shop(text: str = SHOP) -> tuple[Obj, ...]:
    """The objects; a pod's uid is its name."""
    return tuple(_named(obj) if obj.key.kind == "Pod" else obj for obj in objects_in(text))


def _named(pod: Obj) -> Obj:
    metadata = {**pod.raw["metadata"], "uid": pod.key.name}
    return decode_tree({**pod.raw, "metadata": metadata}, places=None).objects[0]


class Round:
    """Planning, and what it hands over."""

    def __init__(self) -> None:
        self.given: dict[str, Resources] = {}
        self.puts: list[str] = []
        self.dropped: list[str] = []
        self.planning = Planning(
            run_dir=RUN, put=self.put, drop=self.dropped.append, system_roots="/roots.pem"
        )

    def put(self, node: str, resources: Resources) -> None:
        self.given[node] = resources
        self.puts.append(node)

    def step(self, text: str = SHOP, *out: str) -> Planned:
        self.puts.clear()
        objects = shop(text)
        return self.planning.step(objects, frozenset(o.key for o in objects if o.key.name in out))


def pod(name: str) -> Obj:
    return next(obj for obj in shop() if (obj.key.kind, obj.key.name) == ("Pod", name))


def names(planned: Planned) -> dict[str, str]:
    """Node ids by the pod's name."""
    return {plan.proxy.pod: node for node, plan in planned.plans.items()}
