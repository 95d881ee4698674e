"""Gateway workloads come with the Gateways that need them, and go with them."""

from __future__ import annotations

from lateen.cluster.gateways import gateway_objects
from lateen.cluster.services import service_of
from tests.cluster.simulated import Cluster, deployment, read


def gateway(
    name: str = "main", role: str = "ingressgateway", port: int = 80, protocol: str = "HTTP"
) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{istio: {role}}}
  servers: [{{port: {{number: {port}, name: p, protocol: {protocol}}}, hosts: ["*"]}}]
"""


OWN = deployment("own").replace("{app: own}", "{app: own, istio: ingressgateway}")


def provided(cluster: Cluster) -> list[str]:
    found = cluster.store.list(namespace="istio-system")
    hidden = ("EndpointSlice", "Event")
    return [str(o.key) for o in found if "istio-" in o.key.name and o.key.kind not in hidden]


def test_without_gateways_there_is_no_workload(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    assert provided(cluster) == []


def test_an_ingress_gateway_is_provided_with_istios_names(cluster: Cluster) -> None:
    cluster.apply(gateway())
    template = cluster.get("Deployment", "istio-ingressgateway", "istio-system").raw["spec"][
        "template"
    ]
    assert template["metadata"] == {
        "labels": {
            "app": "istio-ingressgateway",
            "istio": "ingressgateway",
            "sidecar.istio.io/inject": "true",
        },
        "annotations": {"inject.istio.io/templates": "gateway"},
    }
    assert template["spec"] == {
        "serviceAccountName": "istio-ingressgateway-service-account",
        "containers": [{"name": "istio-proxy", "image": "auto"}],
    }
    assert len(cluster.pods("istio-system")) == 1


def test_its_service_has_every_port_its_gateways_serve(cluster: Cluster) -> None:
    cluster.apply(gateway(), gateway("more", port=9000, protocol="TCP"))
    key = ("Service", "istio-ingressgateway", "istio-system")
    spec = service_of(cluster.get(*key)).spec
    assert [(p.name, p.port, p.target_port) for p in spec.ports] == [
        ("status-port", 15021, 15021),
        ("http2", 80, 80),
        ("https", 443, 443),
        ("tcp-9000", 9000, 9000),
    ]
    assert spec.type == "LoadBalancer"
    address = spec.cluster_ip
    cluster.apply(gateway())
    spec = service_of(cluster.get(*key)).spec
    assert ([p.port for p in spec.ports], spec.cluster_ip) == ([15021, 80, 443], address)


def test_it_goes_when_no_gateway_needs_it(cluster: Cluster) -> None:
    cluster.apply(gateway(), deployment("web"))
    cluster.run()
    cluster.apply(deployment("web"))
    cluster.run()
    assert provided(cluster) == []
    assert cluster.pods("istio-system") == ()


def test_an_egress_gateway_likewise(cluster: Cluster) -> None:
    cluster.apply(gateway(role="egressgateway", port=443, protocol="TLS"))
    assert "Deployment istio-system/istio-egressgateway" in provided(cluster)
    assert "Deployment istio-system/istio-ingressgateway" not in provided(cluster)


def test_a_users_own_gateway_workload_is_enough(cluster: Cluster) -> None:
    assert gateway_objects(read(gateway()), read(OWN)) == ()
    cluster.apply(gateway(), OWN)
    assert provided(cluster) == []


def test_a_users_object_of_the_same_name_is_not_touched(cluster: Cluster) -> None:
    mine = """
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: only, port: 8443}]}
"""
    cluster.apply(gateway(), mine)
    service = service_of(cluster.get("Service", "istio-ingressgateway", "istio-system"))
    assert [p.name for p in service.spec.ports] == ["only"]


def test_a_selector_of_somebody_elses_workload_provides_nothing() -> None:
    assert gateway_objects(read(gateway(role="private-gateway")), ()) == ()


def test_an_ingress_brings_the_ingress_gateway_and_its_class_is_there(cluster: Cluster) -> None:
    document = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {CLASS defaultBackend: {service: {name: web, port: {number: 80}}}}
"""
    cluster.apply(document.replace("CLASS", "ingressClassName: nginx,"))
    assert cluster.find("Deployment", "istio-ingressgateway", "istio-system") is None
    cluster.apply(document.replace("CLASS", ""))
    assert cluster.find("Deployment", "istio-ingressgateway", "istio-system") is not None
    provided = cluster.get("IngressClass", "istio", "")
    assert provided.raw["spec"]["controller"] == "istio.io/ingress-controller"
    assert provided.meta.annotations["ingressclass.kubernetes.io/is-default-class"] == "true"
    cluster.apply()
    assert cluster.find("Deployment", "istio-ingressgateway", "istio-system") is None
