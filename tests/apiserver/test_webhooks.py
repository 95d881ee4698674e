"""Webhooks see what users write, may change it, and may say no."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lateen.apiserver.app import make_app
from tests.apiserver.certificates import self_signed
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import config_map, deps_for, store_with

pytestmark = pytest.mark.anyio
Tree = dict[str, Any]
PATH = "/api/v1/namespaces/default/configmaps"
CERTIFICATE, KEY = self_signed()
Answer = Callable[[Tree], Tree]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def hook(answer: Answer, folder: Path) -> AsyncIterator[tuple[str, list[Tree]]]:
    """A webhook on loopback over TLS: its address, and what it was asked."""
    seen: list[Tree] = []

    async def handle(request: web.Request) -> web.Response:
        review = await request.json()
        seen.append(review["request"])
        response = {"uid": review["request"]["uid"], "allowed": True} | answer(review["request"])
        return web.json_response({**review, "response": response})

    app = web.Application()
    app.router.add_post("/", handle)
    both = folder / "both.pem"
    both.write_text(f"{CERTIFICATE}\n{KEY}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=context)
    try:
        yield f"https://127.0.0.1:{server.port}/", seen
    finally:
        await server.close()


def configuration(url: str, kind: str = "Validating", **webhook: Any) -> Tree:
    rule = {
        "operations": ["CREATE", "UPDATE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["configmaps"],
    }
    bundle = base64.b64encode(CERTIFICATE.encode()).decode()
    hook: Tree = {
        "name": "check.example.com",
        "clientConfig": {"url": url, "caBundle": bundle},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "hooks"},
        "webhooks": [hook | webhook],
    }


@asynccontextmanager
async def api(*trees: Tree) -> AsyncIterator[Client]:
    store = store_with(*trees)
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        yield client


async def test_it_is_asked_and_may_refuse(tmp_path: Path) -> None:
    def only_even(request: Tree) -> Tree:
        allowed = request["object"]["data"]["n"] == "2"
        return {"allowed": allowed, "status": {"message": "odd numbers stay outside"}}

    async with hook(only_even, tmp_path) as (url, seen), api(configuration(url)) as client:
        status, body = await asked(client, "POST", PATH, json=config_map("one", n="1"))
        assert status == 403
        assert body["message"] == (
            'admission webhook "check.example.com" denied the request: odd numbers stay outside'
        )
        assert (await asked(client, "POST", PATH, json=config_map("two", n="2")))[0] == 201
        status, _ = await asked(client, "PUT", f"{PATH}/two", json=config_map("two", n="3"))
        assert status == 403
    assert [request["operation"] for request in seen] == ["CREATE", "CREATE", "UPDATE"]
    assert seen[2]["oldObject"]["data"] == {"n": "2"}
    assert seen[0]["userInfo"]["username"] == "kubernetes-admin"
    assert seen[0]["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}


async def test_it_may_keep_an_object(tmp_path: Path) -> None:
    rule = {
        "operations": ["DELETE"],
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "resources": ["*"],
    }

    def keep(request: Tree) -> Tree:
        return {"allowed": request["name"] != "kept"}

    async with (
        hook(keep, tmp_path) as (url, seen),
        api(configuration(url, rules=[rule]), config_map("kept"), config_map("other")) as client,
    ):
        status, body = await asked(client, "DELETE", f"{PATH}/kept")
        assert (status, "denied the request without explanation" in body["message"]) == (403, True)
        assert (await asked(client, "DELETE", f"{PATH}/other"))[0] == 200
        assert (await asked(client, "DELETE", PATH))[0] == 403
    assert seen[0]["object"] is None
    assert seen[0]["oldObject"]["metadata"]["name"] == "kept"


async def test_it_may_change_and_warn(tmp_path: Path) -> None:
    def label(request: Tree) -> Tree:
        patch = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]
        encoded = base64.b64encode(json.dumps(patch).encode()).decode()
        return {"patchType": "JSONPatch", "patch": encoded, "warnings": ["labelled"]}

    async with (
        hook(label, tmp_path) as (url, _),
        api(configuration(url, "Mutating")) as client,
        client.post(PATH, json=config_map("one")) as answer,
    ):
        body = await answer.json()
        assert body["metadata"]["labels"] == {"seen": "yes"}
        assert answer.headers["Warning"] == '299 - "labelled"'


async def test_what_it_makes_must_be_sound(tmp_path: Path) -> None:
    def spoil(request: Tree) -> Tree:
        patch = [{"op": "replace", "path": "/data", "value": {"a": 1}}]
        return {
            "patchType": "JSONPatch",
            "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
        }

    async with hook(spoil, tmp_path) as (url, _), api(configuration(url, "Mutating")) as client:
        status, body = await asked(client, "POST", PATH, json=config_map("one", a="1"))
        assert (status, "data.a" in body["message"]) == (422, True)


async def test_it_sees_only_what_it_wants(tmp_path: Path) -> None:
    selector = {"matchLabels": {"watched": "yes"}}
    async with (
        hook(lambda _: {}, tmp_path) as (url, seen),
        api(configuration(url, objectSelector=selector)) as client,
    ):
        await asked(client, "POST", PATH, json=config_map("one"))
        watched = config_map("two")
        watched["metadata"]["labels"] = {"watched": "yes"}
        await asked(client, "POST", PATH, json=watched)
        await asked(client, "POST", "/api/v1/namespaces", json={"metadata": {"name": "x"}})
    assert [request["name"] for request in seen] == ["two"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://127.0.0.1:1/", "failed calling webhook"),
        ("https://example.com/", "is not https on 127.0.0.1 or localhost"),
        ("http://127.0.0.1:1/", "is not https on 127.0.0.1 or localhost"),
    ],
)
async def test_one_that_cannot_be_asked_refuses_unless_it_may_be_passed_over(
    url: str, words: str
) -> None:
    async with api(configuration(url)) as client:
        status, body = await asked(client, "POST", PATH, json=config_map("one"))
        assert (status, words in body["message"]) == (500, True)
    async with api(configuration(url, failurePolicy="Ignore")) as client:
        assert (await asked(client, "POST", PATH, json=config_map("one")))[0] == 201


async def test_an_answer_to_another_question_is_none(tmp_path: Path) -> None:
    async with (
        hook(lambda _: {"uid": "another"}, tmp_path) as (url, _),
        api(configuration(url)) as client,
    ):
        status, body = await asked(client, "POST", PATH, json=config_map("one"))
        assert (status, "expected response.uid" in body["message"]) == (500, True)


async def test_it_sees_only_what_meets_its_conditions(tmp_path: Path) -> None:
    conditions = [
        {"name": "not-mine", "expression": "object.metadata.name != 'mine'"},
        {"name": "no-system", "expression": "!request.userInfo.username.startsWith('system:')"},
    ]
    async with (
        hook(lambda _: {}, tmp_path) as (url, seen),
        api(configuration(url, matchConditions=conditions)) as client,
    ):
        assert (await asked(client, "POST", PATH, json=config_map("mine")))[0] == 201
        assert (await asked(client, "POST", PATH, json=config_map("other")))[0] == 201
        wrong = configuration(url, matchConditions=[{"name": "x", "expression": "object.x +"}])
        wrong["metadata"]["name"] = "wrong"
        group = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        status, body = await asked(client, "POST", group, json=wrong)
        assert status == 422
        assert "webhooks[0].matchConditions[0].expression: Invalid value" in body["message"]
    assert [request["name"] for request in seen] == ["other"]


@pytest.mark.parametrize(("policy", "wanted"), [("Fail", 500), ("Ignore", 201)])
async def test_a_condition_that_fails_is_a_webhook_that_fails(
    tmp_path: Path, policy: str, wanted: int
) -> None:
    conditions = [{"name": "broken", "expression": "object.nothing.there == 1"}]
    async with (
        hook(lambda _: {}, tmp_path) as (url, seen),
        api(configuration(url, matchConditions=conditions, failurePolicy=policy)) as client,
    ):
        assert (await asked(client, "POST", PATH, json=config_map("one")))[0] == wanted
    assert seen == []
