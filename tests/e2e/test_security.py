"""mTLS between pods, identities, and who may call whom."""

from __future__ import annotations

import json

from tests.e2e.harness import Mesh


def pod_ip(mesh: Mesh, start: str) -> str:
    ip: str = mesh.pods(start)[0]["ip"]
    return ip


def test_the_right_caller_is_let_in_and_the_wrong_one_gets_403(mesh: Mesh) -> None:
    assert mesh.call("http://api/v1/x").status == 200
    refused = mesh.call("http://api/v1/x", via="/other")
    assert (refused.status, refused.text) == (403, "RBAC: access denied")


def test_the_right_caller_may_do_only_what_the_policy_names(mesh: Mesh) -> None:
    assert mesh.call("http://api/v2/x").status == 403
    assert mesh.call("http://api/v1/../v2/x").status == 403
    post = "import urllib.request as u\ntry: u.urlopen('http://api/v1/x', data=b'1')\nexcept Exception as e: print(e.code)"
    assert mesh.inside(post) == "403"


def test_a_deny_policy_refuses_what_it_names_and_nothing_else(mesh: Mesh) -> None:
    assert mesh.get("/other/admin").status == 403
    assert mesh.get("/other/adm").status == 200


def test_the_gateway_is_a_caller_like_any_other(mesh: Mesh) -> None:
    assert mesh.get("/api/v1/x").status == 403


def test_the_peer_is_named_by_its_certificate(mesh: Mesh) -> None:
    answer = mesh.call("http://other/")
    said = answer.json["headers"]["x-forwarded-client-cert"]
    assert "URI=spiffe://cluster.local/ns/shop/sa/web" in said
    assert "By=spiffe://cluster.local/ns/shop/sa/other" in said


def test_an_app_cannot_forge_the_peer_header(mesh: Mesh) -> None:
    forged = {"x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/shop/sa/admin"}
    said = mesh.call("http://other/", headers=forged).json["headers"]["x-forwarded-client-cert"]
    assert "sa/web" in said
    assert (
        mesh.get("/", headers=forged).json["headers"]["x-forwarded-client-cert"].count("admin") == 0
    )


def test_plaintext_from_a_pod_without_proxy_is_refused_under_strict(mesh: Mesh) -> None:
    assert mesh.call("http://web/", via="/plain").status == 0
    assert mesh.call(f"http://{pod_ip(mesh, 'web')}:8080/", via="/plain").status == 0


def test_a_pod_without_proxy_can_be_called_and_can_be_seen_to_have_none(mesh: Mesh) -> None:
    assert mesh.call("http://plain/").status == 200
    assert mesh.pods("plain")[0]["ready"] == "1/1"
    assert mesh.pods("web")[0]["ready"] == "2/2"


def test_the_proxy_shows_its_certificate_but_never_its_key(mesh: Mesh) -> None:
    shown = mesh.lateen("proxy", "config", "web", "secrets", "-o", "json").stdout
    assert "BEGIN" not in shown or "PRIVATE" not in shown
    names = [s["name"] for c in json.loads(shown)["configs"] for s in c["dynamic_active_secrets"]]
    assert sorted(names) == ["ROOTCA", "default"]
    certs = json.loads(mesh.admin("web", "/certs"))["certificates"]
    uris = {
        san["uri"] for c in certs for chain in c["cert_chain"] for san in chain["subject_alt_names"]
    }
    assert "spiffe://cluster.local/ns/shop/sa/web" in uris
