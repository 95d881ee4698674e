"""lateen's own routes: the overview, and Envoy's configuration without its secrets."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lateen.api.objects import FieldPlaces
from lateen.apiserver.app import make_app
from lateen.apiserver.overview import overview
from tests.apiserver.serve import TOKEN, asked, client_of
from tests.apiserver.world import config_map, deps_for, pod, store_with, virtual_service

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_config_dump_leaves_keys_and_tokens_out() -> None:
    store = store_with()
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        for where in ("default%2Fweb-1", "default/web-1", "web-1"):
            status, dump = await asked(client, "GET", f"/lateen/v1/proxies/{where}/config")
            assert (status, len(dump["configs"])) == (200, 3)
            text = json.dumps(dump)
            assert "xds-token" not in text
            assert "c2VjcmV0LWtleQ" not in text
        _, dump = await asked(
            client, "GET", "/lateen/v1/proxies/default%2Fweb-1/config?kind=listeners"
        )
        assert [c["@type"].rpartition(".")[2] for c in dump["configs"]] == ["ListenersConfigDump"]
        bad = "/lateen/v1/proxies/default%2Fweb-1/config?kind=nonsense"
        assert (await asked(client, "GET", bad))[0] == 400
        assert (await asked(client, "GET", "/lateen/v1/proxies/default%2Fx/config"))[0] == 404


async def test_events_tell_that_something_changed() -> None:
    store = store_with()
    async with (
        client_of(make_app(store, deps_for(store), token=TOKEN)) as client,
        client.get("/lateen/v1/events") as answer,
    ):
        assert await answer.content.readline() == b"event: changed\n"
        assert await answer.content.readline() == b'data: {"revision":1}\n'
        store.put(config_map("one"))
        await answer.content.readline()
        assert await answer.content.readline() == b"event: changed\n"
        assert await answer.content.readline() == b'data: {"revision":2}\n'


def test_the_overview_joins_services_routes_and_weights() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]},
    }
    ready = {"addresses": ["198.18.0.7"], "conditions": {"ready": True}}
    late = {"addresses": ["198.18.0.8"], "conditions": {"ready": False}}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web-1",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "endpoints": [ready, late],
    }
    store = store_with(
        pod("web-1"), service, endpoints, virtual_service("api", ("web", 90), ("other", 10))
    )
    seen = overview(store.list(), now=datetime.now(UTC), revision=store.revision)
    (web,) = seen["services"]
    assert (web["ready"], web["endpoints"], web["routes"]) == (1, 2, [0])
    (route,) = seen["routes"]
    assert route["match"] == ["uri prefix /api"]
    assert [(to["host"], to["weight"]) for to in route["to"]] == [
        ("web.default.svc.cluster.local", 90),
        ("other.default.svc.cluster.local", 10),
    ]
    assert route["extra"] == ["timeout 30s", "3 retries"]
    assert [(p["name"], p["ready"], p["total"]) for p in seen["pods"]] == [("web-1", 2, 2)]


async def test_decisions_are_asked_for_by_request() -> None:
    store = store_with()
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        assert await asked(client, "GET", "/lateen/v1/decisions?id=a%2Fb") == (
            200,
            {"hops": [{"id": "a/b"}]},
        )
        assert (await asked(client, "GET", "/lateen/v1/decisions"))[1] == {"hops": [{"id": ""}]}
        assert (await asked(client, "GET", "/lateen/v1/decisions?id=%3F"))[0] == 400


async def test_places_tell_where_each_field_stands() -> None:
    store = store_with()
    store.put(virtual_service("web"), places=FieldPlaces(file="a.yaml", places={"spec": (3, 1)}))
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        status, said = await asked(client, "GET", "/lateen/v1/places")
    assert status == 200
    (row,) = said["places"]
    assert (row["kind"], row["name"], row["file"]) == ("VirtualService", "web", "a.yaml")
    assert row["fields"] == {"spec": [3, 1]}
