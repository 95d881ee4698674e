"""A proxy is told of what its workload is said to need, unless a Sidecar says so itself."""

from __future__ import annotations

from lateen.base.origin import Origin
from lateen.translate.plan import plans
from lateen.world.build import world_of
from lateen.world.needs import Need, Needs
from tests.translate.cases import objects_in

MESH = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: details, namespace: info}
spec: {selector: {app: details}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec: {hosts: [cart], http: [{route: [{destination: {host: details.info.svc.cluster.local}}]}]}
---
pods:
  shop:
    web-0: {ip: 198.18.0.20, labels: {app: web}, owner: StatefulSet/web}
    cart-0: {ip: 198.18.0.21, labels: {app: cart}, owner: StatefulSet/cart}
  info:
    details-0: {ip: 198.18.1.1, labels: {app: details}, owner: StatefulSet/details}
---
"""
SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: shop}
spec: {workloadSelector: {labels: {app: web}}, egress: [{hosts: ["./web"]}]}
---
"""
WHERE = Origin(field="needs")


def needs(**by_workload: tuple[tuple[str, str], ...]) -> Needs:
    return {
        ("shop", workload.replace("others", "*")): Need(hosts=hosts, origin=WHERE)
        for workload, hosts in by_workload.items()
    }


def told(text: str, said: Needs) -> tuple[dict[str, list[str]], set[str]]:
    """By pod, the hosts its proxy has clusters for; and what is wrong with the needs."""
    found: dict[str, list[str]] = {}
    problems: set[str] = set()
    for made in plans(world_of(objects_in(text), needs=said)):
        hosts = {backend.id.host.partition(".")[0] for backend in made.plan.backends}
        found[made.plan.proxy.pod] = sorted(hosts)
        problems |= {problem.message for problem in made.problems if problem.origin == WHERE}
    return found, problems


def test_only_those_named_are_told_of_less() -> None:
    everything = ["cart", "details", "web"]
    found, problems = told(MESH, needs(web=(("shop", "web"),)))
    assert found == {"web-0": ["web"], "cart-0": everything, "details-0": everything}
    assert problems == set()


def test_what_a_needed_hosts_rules_lead_to_comes_along() -> None:
    found, _ = told(MESH, needs(web=(("shop", "cart"),)))
    assert found["web-0"] == ["cart", "details"]


def test_the_others_of_a_namespace_may_need_nothing() -> None:
    found, _ = told(MESH, needs(web=(("info", "*"),), others=()))
    assert (found["web-0"], found["cart-0"]) == (["details"], [])


def test_a_sidecar_goes_before_what_is_needed() -> None:
    found, _ = told(MESH + SIDECAR, needs(web=(("shop", "cart"),)))
    assert found["web-0"] == ["web"]


def test_needs_that_lead_nowhere_are_told() -> None:
    _, problems = told(MESH, needs(webb=(("shop", "karts"), ("*", "*.example.com"))))
    assert problems == {
        "a pod of workload shop/webb does not exist",
        "host karts.shop.svc.cluster.local does not exist",
        "host *.example.com does not exist",
    }
