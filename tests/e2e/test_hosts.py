"""What a client writes as the host of a request, and what it reaches by it."""

from __future__ import annotations

from tests.e2e.harness import Mesh


def test_the_port_a_client_writes_with_the_host_does_not_matter(mesh: Mesh) -> None:
    for host in ("named.example.com:8080", f"named.example.com:{mesh.http}", "NAMED.example.com:1"):
        answer = mesh.get("/which", headers={"Host": host})
        assert (answer.status, answer.text) == (200, "named"), (host, answer)
    assert mesh.call("http://canary:80/").json["name"] == "canary"
