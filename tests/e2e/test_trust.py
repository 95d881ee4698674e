"""Tokens whose keys come through the mesh, an authorizer in the mesh, and why a request was refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Answer, Mesh, eventually
from tests.envoy.tokens import claims, key_set, signer

FOLDER = Path(__file__).parent / "trust"
SIGNER, STRANGER = signer("RS256", "one"), signer("RS256", "one")
ISSUER, LOST = "https://issuer.example.com", "https://lost.example.com"


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("trust") / "mesh"
    shutil.copytree(FOLDER, folder)
    keys = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "keys", "namespace": "shop"},
        "data": {"KEYS": key_set(SIGNER)},
    }
    (folder / "k8s" / "keys.yaml").write_text(json.dumps(keys))
    running = Mesh(folder)
    try:
        running.up(check=False)  # one issuer's keys cannot be had, which is told
        # The first tokens may come before the keys.
        eventually(lambda: ask(running, "/secure", SIGNER.sign(good())).status == 200)
        yield running
    finally:
        running.end()


def good(**more: Any) -> dict[str, Any]:
    return claims(ISSUER, **{"aud": "shop", **more})


def ask(mesh: Mesh, path: str, token: str = "", **headers: str) -> Answer:
    shown = {"authorization": f"Bearer {token}"} if token else {}
    return mesh.get(path, headers={**shown, **{k.replace("_", "-"): v for k, v in headers.items()}})


def why(mesh: Mesh, path: str) -> dict[str, object]:
    """What is told of the newest refusal of a request for this path."""

    def newest() -> dict[str, object] | None:
        found = json.loads(mesh.lateen("why-denied", "-o", "json", check=False).stdout)["hops"]
        return next((hop for hop in reversed(found) if hop["path"] == path), None)

    hop: dict[str, object] = eventually(newest)
    return hop


def test_a_good_token_is_let_in_and_told_on(trusting: Mesh) -> None:
    answer = ask(trusting, "/secure", SIGNER.sign(good()))
    assert answer.status == 200
    assert answer.json["headers"]["x-subject"] == "jane"
    assert ask(trusting, "/secure").status == 403
    assert ask(trusting, "/open").status == 200


def test_bad_tokens_are_refused_everywhere(trusting: Mesh) -> None:
    for token in (
        STRANGER.sign(good()),
        SIGNER.sign(good(aud="bank")),
        SIGNER.sign(good(exp=1)),
        "xyz",
    ):
        assert ask(trusting, "/open", token).status in (401, 403)


def test_keys_that_cannot_be_had_refuse_their_issuers_tokens_only(trusting: Mesh) -> None:
    assert ask(trusting, "/open", SIGNER.sign(claims(LOST))).status == 401
    assert ask(trusting, "/open", SIGNER.sign(good())).status == 200
    (problem,) = [p for p in trusting.status()["problems"] if p["code"] == "LAT0108"]
    assert problem["field"] == "spec.jwtRules[1].jwksUri"


def test_the_gateway_routes_by_claims(trusting: Mesh) -> None:
    admin = SIGNER.sign(good(groups=["users", "admins"]))
    assert ask(trusting, "/admins", admin).status == 200
    assert ask(trusting, "/admins", SIGNER.sign(good(groups=["users"]))).status == 418
    assert ask(trusting, "/admins").status == 418


def test_an_authorizer_in_the_mesh_is_asked(trusting: Mesh) -> None:
    allowed = ask(trusting, "/asked/x", x_pass="please")
    assert (allowed.status, allowed.json["headers"]["x-user"]) == (200, "jane")
    refused = ask(trusting, "/asked/x")
    assert (refused.status, refused.text) == (403, "say please")


def test_each_refusal_is_explained_with_the_rule_and_its_place(trusting: Mesh) -> None:
    ask(trusting, "/secure/why")
    by_rule = why(trusting, "/secure/why")
    assert str(by_rule["pod"]).startswith("web-")
    assert "AuthorizationPolicy shop/secure spec.rules[0]" in str(by_rule["why"])
    assert "rules.yaml:" in str(by_rule["why"])
    ask(trusting, "/asked/why")
    assert "authorizer of AuthorizationPolicy shop/ask" in str(why(trusting, "/asked/why")["why"])
    ask(trusting, "/token/why", "xyz")
    assert "its token is not accepted" in str(why(trusting, "/token/why")["why"])


def test_an_allow_names_the_rule_that_let_it_in(trusting: Mesh) -> None:
    id = str(ask(trusting, "/open").json["headers"]["x-request-id"])
    let_in = "let in by AuthorizationPolicy shop/through-the-gateway spec.rules[0]"
    assert eventually(lambda: let_in in trusting.lateen("why-denied", id, check=False).stdout)
    assert trusting.lateen("why-denied", "nobody", check=False).returncode == 1


def test_decisions_are_counted_by_policy(trusting: Mesh) -> None:
    ask(trusting, "/secure/counted")

    def counted() -> bool:
        page = str(trusting.api("/lateen/v1/metrics"))
        return any(
            "lateen_policy_decisions_total{" in line
            and 'policy="ns[shop]-policy[secure]-rule[0]"' in line
            and 'result="denied"' in line
            for line in page.splitlines()
        )

    assert eventually(counted)


def test_a_connection_in_the_clear_is_refused_and_told(trusting: Mesh) -> None:
    assert ask(trusting, "/bare?" + trusting.pods("trust")[0]["ip"]).status == 200

    def told() -> bool:
        said = trusting.lateen("why-denied", check=False).stdout
        return "not encrypted by the mesh, and mTLS is STRICT here" in said

    assert eventually(told)
