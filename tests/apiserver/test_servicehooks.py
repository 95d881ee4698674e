"""Webhooks behind a Service are asked in one of its pods, by the way of port-forward."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from lateen.apiserver.app import make_app
from lateen.apiserver.deps import ForwardRequest, PodStream
from tests.apiserver.certificates import self_signed
from tests.apiserver.pretended import CLOSE, STDIN, STDOUT, Asked, PretendedStream
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import config_map, deps_for, namespace, store_with

pytestmark = pytest.mark.anyio
Tree = dict[str, Any]
PATH = "/api/v1/namespaces/default/configmaps"
CERTIFICATE, KEY = self_signed("hooks", "checker.hooks.svc")
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Forwarder:
    """The node's side of a forwarded port: a connection to a server of the test."""

    port: int
    asked: list[ForwardRequest] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self, asked: Asked) -> PodStream:
        assert isinstance(asked, ForwardRequest)
        self.asked.append(asked)
        stream = PretendedStream()
        task = asyncio.create_task(self._carry(stream))
        self.tasks.add(task)
        return stream

    async def _carry(self, stream: PretendedStream) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            stream.end(error="failed to connect to localhost:8443 inside the pod")
            return
        up = asyncio.create_task(self._up(stream, writer))
        try:
            while data := await reader.read(9999):
                stream.say(STDOUT, data)
            stream.end()
        finally:
            up.cancel()
            writer.close()

    async def _up(self, stream: PretendedStream, writer: asyncio.StreamWriter) -> None:
        while True:
            channel, data = await stream.given.get()
            if channel == STDIN:
                writer.write(data)
            elif channel == CLOSE:
                writer.close()

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def hook(folder: Path, *, silent: bool = False) -> AsyncIterator[int]:
    """A webhook that lets in what says so, or that answers nothing for as long as it runs; its port."""
    over = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        if silent:
            await over.wait()
        review = await request.json()
        good = review["request"]["object"]["data"].get("good") == "yes"
        response = {"uid": review["request"]["uid"], "allowed": good}
        return web.json_response({**review, "response": response})

    app = web.Application()
    app.router.add_post("/check", handle)
    both = folder / "both.pem"
    both.write_text(f"{CERTIFICATE}\n{KEY}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=context)
    try:
        yield server.port or 0
    finally:
        over.set()
        await server.close()


def configuration(**service: Any) -> Tree:
    rule = {
        "operations": ["CREATE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["configmaps"],
    }
    where = {"namespace": "hooks", "name": "checker", "path": "/check"} | service
    bundle = base64.b64encode(CERTIFICATE.encode()).decode()
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "hooks"},
        "webhooks": [
            {
                "name": "check.example.com",
                "clientConfig": {"service": where, "caBundle": bundle},
                "rules": [rule],
                "timeoutSeconds": 2,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "checker", "namespace": "hooks"},
    "spec": {"ports": [{"name": "https", "port": 443, "targetPort": 8443}]},
}


def behind(*, ready: bool = True) -> Tree:
    target = {"kind": "Pod", "name": "checker-0", "namespace": "hooks", "uid": "uid-0"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "checker-1",
            "namespace": "hooks",
            "labels": {"kubernetes.io/service-name": "checker"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": 8443, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": ["198.18.0.20"],
                "conditions": {"ready": ready},
                "targetRef": target,
            }
        ],
    }


@asynccontextmanager
async def api(port: int, *trees: Tree) -> AsyncIterator[tuple[Client, Forwarder]]:
    store = store_with(namespace("hooks"), *trees)
    forwarder = Forwarder(port)
    deps = replace(deps_for(store), open_stream=forwarder.open)
    async with client_of(make_app(store, deps, token=TOKEN)) as client:
        yield client, forwarder
    await forwarder.end()


async def test_a_pod_behind_the_service_is_asked(tmp_path: Path) -> None:
    async with (
        hook(tmp_path) as port,
        api(port, configuration(), SERVICE, behind()) as (client, forwarder),
    ):
        status, body = await asked(client, "POST", PATH, json=config_map("one"))
        assert (status, "denied the request" in body["message"]) == (403, True)
        status, _ = await asked(client, "POST", PATH, json=config_map("two", good="yes"))
        assert status == 201
    assert forwarder.asked == [ForwardRequest(uid="uid-0", port=8443)] * 2


@pytest.mark.parametrize(
    ("trees", "words"),
    [
        ((configuration(),), 'service "checker" not found'),
        ((configuration(), SERVICE), 'no endpoints available for service "checker"'),
        ((configuration(), SERVICE, behind(ready=False)), "no endpoints available"),
        ((configuration(port=80), SERVICE, behind()), "no service port 80 found"),
        ((configuration(), SERVICE, behind()), "failed to connect to localhost:8443"),
    ],
)
async def test_what_keeps_it_from_being_asked_is_said(trees: tuple[Tree, ...], words: str) -> None:
    async with api(1, *trees) as (client, _):
        status, body = await asked(client, "POST", PATH, json=config_map("one"))
        assert status == 500
        assert 'failed calling webhook "check.example.com"' in body["message"]
        assert words in body["message"]


async def test_one_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    given = configuration()
    given["webhooks"][0]["timeoutSeconds"] = 1
    async with (
        hook(tmp_path, silent=True) as port,
        api(port, given, SERVICE, behind()) as (client, _),
    ):
        status, body = await asked(client, "POST", PATH, json=config_map("one"))
        assert (status, "no answer within 1 seconds" in body["message"]) == (500, True)


async def test_another_servers_certificate_is_not_believed(tmp_path: Path) -> None:
    stranger = configuration(name="stranger")
    service = json.loads(json.dumps(SERVICE).replace("checker", "stranger"))
    slice_ = json.loads(json.dumps(behind()).replace("checker", "stranger"))
    async with hook(tmp_path) as port, api(port, stranger, service, slice_) as (client, _):
        status, body = await asked(client, "POST", PATH, json=config_map("one", good="yes"))
        assert (status, "Hostname mismatch" in body["message"]) == (500, True)


@pytest.mark.parametrize(
    ("client_config", "words"),
    [
        ({}, "exactly one of url or service is required"),
        ({"url": "https://127.0.0.1/", "service": {"namespace": "a", "name": "b"}}, "exactly one"),
        ({"service": {"namespace": "a", "name": "b", "path": "x"}}, "must start with a '/'"),
        ({"service": {"namespace": "a", "name": "b", "port": 0}}, "must be between 1 and 65535"),
    ],
)
async def test_a_configuration_that_cannot_be_followed_is_refused(
    client_config: Tree, words: str
) -> None:
    given = configuration()
    given["webhooks"][0]["clientConfig"] = client_config
    async with api(1) as (client, _):
        status, body = await asked(client, "POST", HOOKS, json=given)
        assert (status, words in body["message"]) == (422, True), body
