"""Services are reached from the host by ports of the node, and by their own when a LoadBalancer has them."""

from __future__ import annotations

import http.client
import json
from typing import Any

from tests.e2e.harness import Mesh, eventually, free_port

SERVICES = "/api/v1/namespaces/shop/services"
PEERS = "/apis/security.istio.io/v1/namespaces/shop/peerauthentications"


def service(name: str, selector: str, **spec: Any) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": 8080, **spec.pop("port", {})}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": selector}, "ports": [port], **spec},
    }


def ask(port: int) -> Any:
    """What an app that is asked at this port of the host says, or the error's name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v1/x")
        answer = connection.getresponse()
        return json.loads(answer.read() or b"{}") if answer.status == 200 else answer.status
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()


def name(port: int) -> Any:
    found = ask(port)
    return found["name"] if isinstance(found, dict) else found


def node_port(mesh: Mesh, service_name: str) -> int:
    found: int = mesh.api(f"{SERVICES}/{service_name}")["spec"]["ports"][0].get("nodePort", 0)
    return found


def test_a_node_port_leads_to_pods_without_a_proxy(mesh: Mesh) -> None:
    with mesh.made(SERVICES, service("plain-node", "plain", type="NodePort")):
        port = eventually(lambda: node_port(mesh, "plain-node"))
        assert 30000 <= port <= 32767
        assert eventually(lambda: name(port) == "plain")
        assert ask(port)["peer"] == "198.18.0.1", "as from the node"
    assert eventually(lambda: name(port) == "ConnectionRefusedError")


def test_a_node_port_is_plaintext_and_strict_mtls_refuses_it(mesh: Mesh) -> None:
    with mesh.made(SERVICES, service("other-node", "other", type="NodePort")):
        port = eventually(lambda: node_port(mesh, "other-node"))
        assert eventually(lambda: name(port) in ("ConnectionResetError", "RemoteDisconnected"))
        permissive = {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": "other-open"},
            "spec": {"selector": {"matchLabels": {"app": "other"}}, "mtls": {"mode": "PERMISSIVE"}},
        }
        with mesh.made(PEERS, permissive):
            assert eventually(lambda: name(port) == "other")


def test_a_load_balancer_says_where_it_is_found(mesh: Mesh) -> None:
    number = free_port()
    balanced = service("plain-lb", "plain", type="LoadBalancer", port={"port": number})
    with mesh.made(SERVICES, balanced):
        assert eventually(lambda: name(number) == "plain")
        found = eventually(lambda: mesh.api(f"{SERVICES}/plain-lb")["status"].get("loadBalancer"))
        (ingress,) = found["ingress"]
        assert (ingress["ip"], ingress["ports"]) == (
            "127.0.0.1",
            [{"port": number, "protocol": "TCP"}],
        )
        urls = [url["url"] for url in mesh.status()["urls"]]
        assert f"http://127.0.0.1:{number}" in urls
    front = mesh.api("/api/v1/namespaces/istio-system/services/istio-ingressgateway")
    ports = front["status"]["loadBalancer"]["ingress"][0]["ports"]
    assert {"port": mesh.http, "protocol": "TCP"} in ports
