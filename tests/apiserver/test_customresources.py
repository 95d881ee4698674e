"""A user's CustomResourceDefinition makes a working resource at once."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from lateen.api.kinds import register
from lateen.apiserver.app import make_app
from lateen.base.clock import SystemClock
from lateen.base.origin import ObjectKey
from lateen.cluster.controlling import Controllers
from lateen.cluster.deletion import delete_object
from lateen.store.memory import MemoryStore
from tests.apiserver.definitions import SCHEMA, crontab, definition
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import deps_for, store_with

pytestmark = pytest.mark.anyio
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATH = "/apis/example.com/v1/namespaces/default/crontabs"
MERGE = {"Content-Type": "application/merge-patch+json"}
Tree = dict[str, Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _nothing_stays_defined() -> Iterator[None]:
    yield
    register(())


@asynccontextmanager
async def api(store: MemoryStore) -> AsyncIterator[Client]:
    def delete(key: ObjectKey, *, grace: int | None, propagation: str) -> Any:
        delete_object(store, key, SystemClock(), grace)
        return store.get(key)

    deps = replace(deps_for(store), delete=delete)
    async with client_of(make_app(store, deps, token=TOKEN)) as client:
        yield client


@asynccontextmanager
async def defined(**changes: Any) -> AsyncIterator[Client]:
    async with api(store_with()) as client:
        status, body = await asked(client, "POST", DEFINITIONS, json=definition(**changes))
        assert status == 201, body
        yield client


async def test_it_is_there_at_once_in_discovery_and_schemas() -> None:
    async with defined() as client:
        _, resources = await asked(client, "GET", "/apis/example.com/v1")
        assert {r["name"] for r in resources["resources"]} == {
            "crontabs",
            "crontabs/status",
            "crontabs/scale",
        }
        assert resources["resources"][0]["shortNames"] == ["ct"]
        assert resources["resources"][0]["singularName"] == "crontab"
        _, document = await asked(client, "GET", "/openapi/v3/apis/example.com/v1")
        schema = document["components"]["schemas"]["com.example.v1.CronTab"]
        assert schema["properties"]["spec"]["required"] == ["schedule"]
        assert "metadata" in schema["properties"]
        status, made = await asked(client, "POST", PATH, json=crontab())
        assert (status, made["spec"]["replicas"]) == (201, 1)
        _, found = await asked(client, "GET", PATH)
        assert (found["kind"], len(found["items"])) == ("CronTabList", 1)


async def test_its_versions_are_one_object() -> None:
    async with defined() as client:
        older = PATH.replace("/v1/", "/v1beta1/")
        async with client.post(older, json=crontab(version="v1beta1")) as answer:
            assert answer.status == 201
            assert "is deprecated" in answer.headers["Warning"]
        for path, version in ((PATH, "v1"), (older, "v1beta1")):
            _, found = await asked(client, "GET", f"{path}/nightly")
            assert found["apiVersion"] == f"example.com/{version}"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"replicas": "three"}, 'spec.replicas in body must be of type integer: "string"'),
        ({"replicas": 11}, "spec.replicas in body should be less than or equal to 10"),
        ({"replicas": -1}, "spec.replicas in body should be greater than or equal to 0"),
        ({"schedule": "daily"}, "spec.schedule in body should match"),
        (
            {"mode": "warp"},
            'spec.mode: Unsupported value: "warp": supported values: "fast", "slow"',
        ),
        ({"port": []}, 'must be of type integer,string: "array"'),
        ({"tags": ["a", "b", "a"]}, 'spec.tags[2]: Duplicate value: "a"'),
        ({"weights": {"a": "heavy"}}, "spec.weights.a in body must be of type integer"),
        ({"minReplicas": 5}, 'spec: Invalid value: "object": too few replicas'),
    ],
)
async def test_what_does_not_fit_is_refused_in_kubernetes_words(spec: Tree, words: str) -> None:
    async with defined() as client:
        status, body = await asked(client, "POST", PATH, json=crontab(**spec))
        assert status == 422
        assert words in body["message"]
        assert body["message"].startswith('CronTab.example.com "nightly" is invalid: ')


async def test_what_is_required_and_what_is_unknown() -> None:
    async with defined() as client:
        bare = crontab()
        del bare["spec"]["schedule"]
        _, body = await asked(client, "POST", PATH, json=bare)
        assert "spec.schedule: Required value" in body["message"]
        odd = crontab(replicsa=3, free={"any": {"thing": 1}}, port="http")
        path = f"{PATH}?fieldValidation=Strict"
        status, body = await asked(client, "POST", path, json=odd)
        assert (status, "spec.replicsa" in body["message"]) == (400, True)
        status, body = await asked(client, "POST", PATH, json=odd)
        assert status == 201
        assert body["spec"] == {
            "schedule": "0 3 * * *",
            "free": {"any": {"thing": 1}},
            "port": "http",
            "replicas": 1,
            "minReplicas": 0,
        }


async def test_a_rule_of_change_holds_for_changes_only() -> None:
    async with defined() as client:
        assert (await asked(client, "POST", PATH, json=crontab()))[0] == 201
        one = f"{PATH}/nightly"
        patch: Tree = {"spec": {"schedule": "0 4 * * *"}}
        status, body = await asked(client, "PATCH", one, json=patch, headers=MERGE)
        assert (status, "schedule is immutable" in body["message"]) == (422, True)
        patch = {"spec": {"replicas": 4}}
        assert (await asked(client, "PATCH", one, json=patch, headers=MERGE))[0] == 200


async def test_status_and_scale_are_written_apart() -> None:
    async with defined() as client:
        tree = crontab() | {"status": {"replicas": 9}}
        _, made = await asked(client, "POST", PATH, json=tree)
        assert "status" not in made
        one = f"{PATH}/nightly"
        patch: Tree = {"status": {"replicas": 3, "selector": "app=x"}, "spec": {"replicas": 8}}
        _, found = await asked(client, "PATCH", f"{one}/status", json=patch, headers=MERGE)
        assert (found["status"]["replicas"], found["spec"]["replicas"]) == (3, 1)
        patch = {"status": {"replicas": "many"}}
        status, body = await asked(client, "PATCH", f"{one}/status", json=patch, headers=MERGE)
        assert (status, "status.replicas in body must be" in body["message"]) == (422, True)
        _, scale = await asked(client, "GET", f"{one}/scale")
        assert scale["spec"] == {"replicas": 1}
        assert scale["status"] == {"replicas": 3, "selector": "app=x"}
        patch = {"spec": {"replicas": 5}}
        _, scale = await asked(client, "PATCH", f"{one}/scale", json=patch, headers=MERGE)
        _, found = await asked(client, "GET", one)
        assert (scale["spec"]["replicas"], found["spec"]["replicas"]) == (5, 5)
        assert found["metadata"]["generation"] == 2
        patch = {"spec": {"replicas": 11}}
        status, body = await asked(client, "PATCH", f"{one}/scale", json=patch, headers=MERGE)
        assert (status, "less than or equal to 10" in body["message"]) == (422, True)


async def test_its_columns_are_printed() -> None:
    async with defined() as client:
        await asked(client, "POST", PATH, json=crontab())
        status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await asked(client, "PATCH", f"{PATH}/nightly/status", json=status, headers=MERGE)
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        _, table = await asked(client, "GET", PATH, headers=accept)
        names = [column["name"] for column in table["columnDefinitions"]]
        assert names == ["Name", "Schedule", "Replicas", "Ready", "Age"]
        assert table["rows"][0]["cells"][:4] == ["nightly", "0 3 * * *", 1, "True"]


async def test_apply_is_known_strategic_merge_is_not() -> None:
    async with defined() as client:
        headers = {"Content-Type": "application/apply-patch+yaml"}
        url = f"{PATH}/nightly?fieldManager=me"
        status, made = await asked(client, "PATCH", url, json=crontab(replicas=2), headers=headers)
        assert (status, made["spec"]["replicas"]) == (201, 2)
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        assert (await asked(client, "PATCH", f"{PATH}/nightly", json={}, headers=headers))[0] == 415


async def test_deleting_the_definition_deletes_its_objects() -> None:
    store = store_with(definition(), crontab())
    async with api(store) as client:
        assert (await asked(client, "GET", f"{PATH}/nightly"))[0] == 200
        assert (await asked(client, "DELETE", f"{DEFINITIONS}/crontabs.example.com"))[0] == 200
        assert store.list(group="example.com") == ()
        assert (await asked(client, "GET", PATH))[0] == 404
        assert (await asked(client, "GET", "/apis/example.com/v1"))[0] == 404


async def test_a_definition_waits_for_objects_that_are_held() -> None:
    held = crontab()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    store = store_with(definition(), held)
    controllers = Controllers(store=store, clock=SystemClock())
    async with api(store) as client:
        one = f"{DEFINITIONS}/crontabs.example.com"
        await asked(client, "DELETE", one)
        controllers.settle()
        _, ending = await asked(client, "GET", one)
        assert ending["metadata"]["deletionTimestamp"]
        patch: Tree = {"metadata": {"finalizers": []}}
        await asked(client, "PATCH", f"{PATH}/nightly", json=patch, headers=MERGE)
        controllers.settle()
        assert (await asked(client, "GET", one))[0] == 404


async def test_its_status_says_whether_it_is_served() -> None:
    other = definition(names={"plural": "others", "kind": "CronTab"})
    other["metadata"]["name"] = "others.example.com"
    store = store_with(definition(), other)
    Controllers(store=store, clock=SystemClock()).settle()
    said = {
        obj.key.name: {c["type"]: c["status"] for c in obj.raw["status"]["conditions"]}
        for obj in store.list(kind="CustomResourceDefinition")
    }
    assert said == {
        "crontabs.example.com": {"NamesAccepted": "True", "Established": "True"},
        "others.example.com": {"NamesAccepted": "False", "Established": "False"},
    }
    revision = store.revision
    Controllers(store=store, clock=SystemClock()).settle()
    assert store.revision == revision


def with_schema(schema: Tree) -> Tree:
    version = {"name": "v1", "served": True, "storage": True}
    return definition(versions=[version | {"schema": {"openAPIV3Schema": schema}}])


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (definition(group="example"), "metadata.name: Invalid value"),
        (definition(scope="Galaxy"), 'spec.scope: Unsupported value: "Galaxy"'),
        (definition(versions=[]), "must have at least one version"),
        (with_schema({"type": "array", "items": {"type": "string"}}), "must be object at the root"),
        (
            with_schema({"type": "object", "properties": {"spec": {}}}),
            "properties.spec.type: Required value",
        ),
        (
            with_schema(SCHEMA | {"x-kubernetes-validations": [{"rule": "self.("}]}),
            "compilation failed",
        ),
        (
            with_schema(
                {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}
            ),
            "must be a valid regular expression",
        ),
    ],
)
async def test_a_definition_that_cannot_be_is_refused(tree: Tree, words: str) -> None:
    async with api(store_with()) as client:
        status, body = await asked(client, "POST", DEFINITIONS, json=tree)
        assert status == 422
        assert words in body["message"]


async def test_an_object_of_the_mesh_that_lateen_does_not_heed_is_told() -> None:
    names = {"plural": "crontabs", "kind": "CronTab"}
    tree = definition(group="extensions.istio.io", names=names)
    tree["metadata"]["name"] = "crontabs.extensions.istio.io"
    async with api(store_with(tree)) as client:
        path = "/apis/extensions.istio.io/v1/namespaces/default/crontabs"
        body = crontab() | {"apiVersion": "extensions.istio.io/v1"}
        async with client.post(path, json=body) as answer:
            assert answer.status == 201
            assert "not yet honoured" in answer.headers["Warning"]


async def test_istios_definitions_are_taken_quietly() -> None:
    names = {"plural": "virtualservices", "kind": "VirtualService"}
    tree = definition(group="networking.istio.io", names=names)
    tree["metadata"]["name"] = "virtualservices.networking.istio.io"
    async with api(store_with()) as client:
        assert (await asked(client, "POST", DEFINITIONS, json=tree))[0] == 201
        path = "/apis/networking.istio.io/v1/namespaces/default/virtualservices"
        assert (await asked(client, "GET", path))[0] == 200
        one = f"{DEFINITIONS}/virtualservices.networking.istio.io"
        assert (await asked(client, "DELETE", one))[0] == 200
        assert (await asked(client, "GET", path))[0] == 200


APPLY = {"Content-Type": "application/apply-patch+yaml"}
PORTS: Tree = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["port", "protocol"],
    "items": {
        "type": "object",
        "required": ["port"],
        "properties": {
            "port": {"type": "integer"},
            "protocol": {"type": "string", "default": "TCP"},
            "name": {"type": "string"},
        },
    },
}
WHOLE: Tree = {
    "type": "object",
    "x-kubernetes-map-type": "atomic",
    "additionalProperties": {"type": "string"},
}


def with_fields(**properties: Tree) -> list[Tree]:
    """The versions of the definition, whose spec has these fields more."""
    (stored, *_) = definition()["spec"]["versions"]
    tree: Tree = copy.deepcopy(stored)
    tree["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] |= properties
    return [tree]


async def test_lists_and_maps_merge_as_their_schema_says() -> None:
    async with defined(versions=with_fields(ports=PORTS, whole=WHOLE)) as client:
        path = f"{PATH}/nightly"

        async def applied(manager: str, **spec: Any) -> tuple[int, Any]:
            tree = crontab(**spec)
            query = f"{path}?fieldManager={manager}"
            return await asked(client, "PATCH", query, json=tree, headers=APPLY)

        mine = {"ports": [{"port": 80, "name": "web"}], "tags": ["a"], "whole": {"x": "1"}}
        assert (await applied("me", **mine))[0] == 201
        status, body = await applied("you", ports=[{"port": 53, "protocol": "UDP"}], tags=["b"])
        assert status == 200, body
        assert body["spec"]["ports"] == [
            {"port": 80, "name": "web", "protocol": "TCP"},
            {"port": 53, "protocol": "UDP"},
        ]
        assert body["spec"]["tags"] == ["a", "b"]
        status, body = await applied("you", ports=[{"port": 80, "name": "other"}])
        assert status == 409
        assert '.spec.ports[port=80,protocol="TCP"].name' in body["message"]
        status, body = await applied("you", whole={"y": "2"})
        assert (status, ".spec.whole" in body["message"]) == (409, True)
        status, body = await applied("you")
        assert [p["port"] for p in body["spec"]["ports"]] == [80]
        assert body["spec"]["tags"] == ["a"]


async def test_a_version_shows_the_fields_it_has() -> None:
    (newer,) = with_fields(extra={"type": "string"}, born={"type": "string", "default": "new"})
    older = copy.deepcopy(definition()["spec"]["versions"][1])
    older["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["gone"] = {
        "type": "string"
    }
    async with defined(versions=[newer, older]) as client:
        before = PATH.replace("/v1/", "/v1beta1/")
        assert (await asked(client, "POST", PATH, json=crontab(extra="x")))[0] == 201
        _, found = await asked(client, "GET", f"{before}/nightly")
        assert found["spec"] == {"schedule": "0 3 * * *", "replicas": 1, "minReplicas": 0}
        _, found = await asked(client, "GET", f"{PATH}/nightly")
        assert (found["spec"]["extra"], found["spec"]["born"]) == ("x", "new")
        _, listed = await asked(client, "GET", before)
        assert [item["apiVersion"] for item in listed["items"]] == ["example.com/v1beta1"]
        assert "extra" not in listed["items"][0]["spec"]
        tree = crontab("older", version="v1beta1", gone="y")
        assert (await asked(client, "POST", before, json=tree))[0] == 201
        _, found = await asked(client, "GET", f"{PATH}/older")
        assert ("gone" in found["spec"], found["spec"]["born"]) == (False, "new")


async def test_old_clients_find_its_schema() -> None:
    versions = with_fields(maybe={"type": "string", "nullable": True})
    async with defined(versions=versions) as client:
        _, document = await asked(client, "GET", "/openapi/v2")
        schema = document["definitions"]["com.example.v1.CronTab"]
        spec = schema["properties"]["spec"]
        assert spec["properties"]["replicas"]["type"] == "integer"
        assert "type" not in spec["properties"]["port"]
        assert "type" not in spec["properties"]["free"]
        assert "type" not in spec["properties"]["maybe"]
        assert schema["properties"]["metadata"] == {"$ref": "#/definitions/ObjectMeta"}
        path = "/apis/example.com/v1/namespaces/{namespace}/crontabs/{name}"
        assert document["paths"][path]["patch"]["x-kubernetes-group-version-kind"] == {
            "group": "example.com",
            "version": "v1",
            "kind": "CronTab",
        }
