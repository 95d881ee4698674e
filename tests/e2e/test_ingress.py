"""Ingresses are served by the ingress gateway and say where."""

from __future__ import annotations

from typing import Any

from tests.e2e.harness import Mesh, eventually

INGRESSES = "/apis/networking.k8s.io/v1/namespaces/shop/ingresses"


def test_an_ingress_leads_to_its_services_and_goes_again(mesh: Mesh) -> None:
    def path(text: str, kind: str, service: str) -> dict[str, Any]:
        backend = {"service": {"name": service, "port": {"name": "http"}}}
        return {"path": text, "pathType": kind, "backend": backend}

    rules = [path("/", "Prefix", "other"), path("/v1", "Prefix", "canary")]
    tree = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "by-ingress"},
        "spec": {"rules": [{"host": "by-ingress.example.com", "http": {"paths": rules}}]},
    }
    host = {"Host": "by-ingress.example.com"}

    def name(path: str) -> Any:
        answer = mesh.get(path, headers=host)
        return answer.json["name"] if answer.status == 200 else answer.status

    before = name("/v1/x")
    with mesh.made(INGRESSES, tree):
        assert eventually(lambda: name("/v1/x") == "canary")
        assert name("/v1x") == "other"
        found = eventually(lambda: mesh.api(f"{INGRESSES}/by-ingress").get("status"))
        (ingress,) = found["loadBalancer"]["ingress"]
        assert ingress == {"ip": "127.0.0.1", "ports": [{"port": mesh.http, "protocol": "TCP"}]}
    assert eventually(lambda: name("/v1/x") == before)
