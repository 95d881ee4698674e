"""What clients ask first: discovery, OpenAPI in both versions, health."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.apiserver.swagger import openapi_v2, openapi_v2_wire
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import deps_for, store_with

pytestmark = pytest.mark.anyio
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def app_of() -> Any:
    store = store_with()
    return make_app(store, deps_for(store), token=TOKEN)


async def text(client: Client, path: str) -> str:
    async with client.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
async def test_discovery_comes_in_one_answer_to_those_who_ask(version: str) -> None:
    accept = AGGREGATED.format(version)
    async with client_of(app_of()) as client:
        async with client.get("/apis", headers={"Accept": f"{accept},application/json"}) as answer:
            assert answer.headers["Content-Type"] == accept
            document, tag = await answer.json(), answer.headers["ETag"]
        same = {"Accept": accept, "If-None-Match": tag}
        async with client.get("/apis", headers=same) as answer:
            assert answer.status == 304
        _, core = await asked(client, "GET", "/api", headers={"Accept": accept})
    groups = {g["metadata"]["name"]: g["versions"] for g in document["items"]}
    assert [v["version"] for v in groups["networking.istio.io"]] == ["v1", "v1beta1", "v1alpha3"]
    apps = {r["resource"]: r for r in groups["apps"][0]["resources"]}
    assert apps["deployments"]["scope"] == "Namespaced"
    assert apps["deployments"]["shortNames"] == ["deploy"]
    below = {s["subresource"]: s["responseKind"] for s in apps["deployments"]["subresources"]}
    assert below["scale"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    (group,) = core["items"]
    assert "pods" in {r["resource"] for r in group["versions"][0]["resources"]}


async def test_plain_discovery_says_the_same() -> None:
    async with client_of(app_of()) as client:
        _, groups = await asked(client, "GET", "/apis", headers={"Accept": "application/json"})
        _, apps = await asked(client, "GET", "/apis/apps/v1")
    assert "apps" in {g["name"] for g in groups["groups"]}
    assert "deployments/scale" in {r["name"] for r in apps["resources"]}


async def test_health_is_told_check_by_check() -> None:
    async with client_of(app_of()) as client:
        assert await text(client, "/readyz") == "ok"
        said = await text(client, "/readyz?verbose&exclude=store")
        assert said == "[+]ping ok\n[+]store excluded: ok\nreadyz check passed\n"
        assert await text(client, "/livez/ping") == "ok"
        assert (await asked(client, "GET", "/livez/nonsense"))[0] == 404


async def test_every_schema_that_is_named_is_there() -> None:
    async with client_of(app_of()) as client:
        _, index = await asked(client, "GET", "/openapi/v3")
        for path in index["paths"]:
            _, document = await asked(client, "GET", f"/openapi/v3/{path}")
            known = document["components"]["schemas"]
            named = {r.removeprefix("#/components/schemas/") for r in references(document)}
            assert named <= set(known)
    swagger = openapi_v2()
    named = {r.removeprefix("#/definitions/") for r in references(swagger)}
    assert named <= set(swagger["definitions"])


async def test_every_part_of_a_path_is_declared() -> None:
    async with client_of(app_of()) as client:
        _, index = await asked(client, "GET", "/openapi/v3")
        for place in index["paths"].values():
            _, document = await asked(client, "GET", place["serverRelativeURL"])
            for path, item in document["paths"].items():
                declared = {p["name"] for p in item["parameters"] if p["in"] == "path"}
                assert declared == set(re.findall(r"{(\w+)}", path)), path


def references(tree: Any) -> set[str]:
    if isinstance(tree, dict):
        here = {tree["$ref"]} if isinstance(tree.get("$ref"), str) else set()
        return here.union(*(references(value) for value in tree.values()))
    if isinstance(tree, list):
        return set().union(*(references(item) for item in tree))
    return set()


def test_lists_say_how_they_merge() -> None:
    definitions = openapi_v2()["definitions"]
    containers = definitions["PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    ports = definitions["Container"]["properties"]["ports"]
    assert ports["x-kubernetes-patch-merge-key"] == "containerPort"
    ports = definitions["ServiceSpec"]["properties"]["ports"]
    assert ports["x-kubernetes-list-map-keys"] == ["port", "protocol"]
    arguments = definitions["Container"]["properties"]["args"]
    assert arguments["x-kubernetes-list-type"] == "atomic"
    volumes = definitions["PodSpec"]["properties"]["volumes"]
    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    hosts = definitions["VirtualServiceSpec"]["properties"]["hosts"]
    assert "x-kubernetes-list-type" not in hosts


def test_the_old_form_is_read_back_field_by_field() -> None:
    fields = parsed(openapi_v2_wire())
    assert fields[0] == (1, b"2.0")
    definitions = [dict(parsed(pair)) for _, pair in parsed(dict(fields)[9])]
    names = {definition[1].decode() for definition in definitions}
    assert names == set(openapi_v2()["definitions"])


def parsed(message: bytes) -> list[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message."""
    found, at = [], 0
    while at < len(message):
        key, at = varint(message, at)
        assert key & 7 == 2
        size, at = varint(message, at)
        found.append((key >> 3, message[at : at + size]))
        at += size
    assert at == len(message)
    return found


def varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
