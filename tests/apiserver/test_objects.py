"""Objects through the API: created, read, changed, refused, deleted."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import TOKEN, asked, client_of
from tests.apiserver.world import (
    Calls,
    config_map,
    deployment,
    deps_for,
    namespace,
    pod,
    store_with,
    virtual_service,
)

pytestmark = pytest.mark.anyio
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def app_of(store: MemoryStore, calls: Calls | None = None) -> Any:
    return make_app(store, deps_for(store, calls), token=TOKEN)


async def test_what_is_created_can_be_read_back() -> None:
    async with client_of(app_of(store_with())) as client:
        status, made = await asked(client, "POST", MAPS, json=config_map("one", a="1"))
        assert status == 201
        assert made["metadata"]["resourceVersion"] == "2"
        assert made["metadata"]["uid"]
        assert await asked(client, "GET", f"{MAPS}/one") == (200, made)


async def test_creating_twice_is_refused_as_already_existing() -> None:
    async with client_of(app_of(store_with(config_map("one")))) as client:
        status, answer = await asked(client, "POST", MAPS, json=config_map("one"))
    assert (status, answer["reason"]) == (409, "AlreadyExists")
    assert answer["message"] == 'configmaps "one" already exists'
    assert answer["details"] == {"name": "one", "kind": "configmaps"}


async def test_a_name_can_be_generated() -> None:
    body = {"metadata": {"generateName": "run-"}, "data": {"a": "1"}}
    async with client_of(app_of(store_with())) as client:
        _, made = await asked(client, "POST", MAPS, json=body)
    assert made["metadata"]["name"].startswith("run-")
    assert len(made["metadata"]["name"]) == 9


async def test_an_object_needs_its_namespace() -> None:
    body = config_map("one") | {"metadata": {"name": "one"}}
    async with client_of(app_of(store_with())) as client:
        status, answer = await asked(client, "POST", MAPS.replace("default", "absent"), json=body)
    assert (status, answer["message"]) == (404, 'namespaces "absent" not found')


async def test_a_wrong_field_is_an_invalid_object_with_a_cause() -> None:
    body = deployment("web")
    body["spec"]["replicas"] = "three"
    body["spec"]["replica"] = 3
    async with client_of(app_of(store_with())) as client:
        status, answer = await asked(client, "POST", DEPLOYMENTS, json=body)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert answer["message"].startswith('Deployment.apps "web" is invalid: [spec.')
    fields = {cause["field"] for cause in answer["details"]["causes"]}
    assert fields == {"spec.replicas", "spec.replica"}


async def test_a_field_without_effect_here_comes_back_as_a_warning() -> None:
    body = deployment("web")
    body["spec"]["template"]["spec"]["runtimeClassName"] = "gvisor"
    async with (
        client_of(app_of(store_with())) as client,
        client.post(DEPLOYMENTS, json=body) as answer,
    ):
        assert answer.status == 201
        assert any("runtimeClassName" in text for text in answer.headers.getall("Warning"))


@pytest.mark.parametrize(
    ("validation", "status", "warned"),
    [("", 201, True), ("Warn", 201, True), ("Ignore", 201, False)],
)
async def test_an_unknown_field_is_left_out(validation: str, status: int, warned: bool) -> None:
    body = deployment("web")
    body["spec"]["replicsa"] = 3
    path = f"{DEPLOYMENTS}?fieldValidation={validation}"
    async with (
        client_of(app_of(store_with())) as client,
        client.post(path, json=body) as answer,
    ):
        made = await answer.json()
        said = answer.headers.getall("Warning", [])
    assert answer.status == status
    assert "replicsa" not in made["spec"]
    known = [text for text in said if 'unknown field \\"spec.replicsa\\"' in text]
    assert bool(known) == warned


async def test_an_unknown_field_is_refused_by_those_who_are_strict() -> None:
    body = deployment("web")
    body["spec"]["replicsa"] = 3
    async with client_of(app_of(store_with())) as client:
        path = f"{DEPLOYMENTS}?fieldValidation=Strict"
        status, answer = await asked(client, "POST", path, json=body)
        assert (status, answer["reason"]) == (400, "BadRequest")
        assert answer["message"] == (
            'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
            'unknown field "spec.replicsa" (did you mean "replicas"?)'
        )
        path = f"{DEPLOYMENTS}?fieldValidation=Maybe"
        assert (await asked(client, "POST", path, json=body))[0] == 422


async def test_nothing_new_comes_into_a_namespace_on_its_way_out() -> None:
    leaving = namespace("old")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    store = store_with()
    store.put(leaving)
    body = {"metadata": {"name": "one"}}
    async with client_of(app_of(store)) as client:
        status, answer = await asked(client, "POST", MAPS.replace("default", "old"), json=body)
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert answer["details"]["causes"][0]["reason"] == "NamespaceTerminating"


async def test_an_update_may_insist_on_the_object_it_has_read() -> None:
    store = store_with(config_map("one"))
    body = config_map("one", a="1")
    body["metadata"]["uid"] = "of-another"
    async with client_of(app_of(store)) as client:
        status, answer = await asked(client, "PUT", f"{MAPS}/one", json=body)
        assert (status, "Precondition failed: UID" in answer["message"]) == (409, True)
        options = {"preconditions": {"uid": "of-another"}}
        status, answer = await asked(client, "DELETE", f"{MAPS}/one", json=options)
        assert (status, "UID in precondition: of-another" in answer["message"]) == (409, True)
        options = {"preconditions": {"resourceVersion": "99"}}
        assert (await asked(client, "DELETE", f"{MAPS}/one", json=options))[0] == 409
        options = {"preconditions": {"uid": store.list(kind="ConfigMap")[0].meta.uid}}
        assert (await asked(client, "DELETE", f"{MAPS}/one", json=options))[0] == 200


async def test_orphans_outlive_their_owner() -> None:
    store = store_with(config_map("owner"))
    uid = store.list(kind="ConfigMap")[0].meta.uid
    owned = config_map("owned")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned["metadata"]["ownerReferences"] = [owner]
    store.put(owned)
    async with client_of(app_of(store)) as client:
        await asked(client, "DELETE", f"{MAPS}/owner?propagationPolicy=Orphan")
        _, left = await asked(client, "GET", f"{MAPS}/owned")
    assert not left["metadata"].get("ownerReferences")


async def test_an_owner_waits_for_what_it_owns_when_asked_to() -> None:
    calls, store = Calls(), store_with(config_map("owner"))
    uid = store.list(kind="ConfigMap")[0].meta.uid
    owned = config_map("owned")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned["metadata"]["ownerReferences"] = [owner]
    store.put(owned)
    async with client_of(app_of(store, calls)) as client:
        changes = store.watch()
        await asked(client, "DELETE", f"{MAPS}/owner?propagationPolicy=Foreground")
        marked = await anext(changes)
    assert marked.obj.meta.finalizers == ("foregroundDeletion",)
    assert [call[2] for call in calls.deleted] == ["Foreground"]


async def test_a_dry_run_answers_what_would_have_been_stored() -> None:
    store = store_with()
    async with client_of(app_of(store)) as client:
        _, made = await asked(client, "POST", DEPLOYMENTS, json=deployment("web"))
        wanted = deployment("web", replicas=4)
        path = f"{DEPLOYMENTS}/web?dryRun=All"
        _, shown = await asked(client, "PUT", path, json=wanted)
        _, still = await asked(client, "GET", f"{DEPLOYMENTS}/web")
        _, scale = await asked(client, "GET", f"{DEPLOYMENTS}/web/scale")
    assert shown["metadata"]["generation"] == 2
    assert shown["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert (shown["spec"]["replicas"], scale["spec"]["replicas"]) == (4, 1)
    assert still == made


async def test_an_update_needs_the_newest_revision() -> None:
    store = store_with(config_map("one", a="1"))
    async with client_of(app_of(store)) as client:
        _, old = await asked(client, "GET", f"{MAPS}/one")
        status, _ = await asked(client, "PUT", f"{MAPS}/one", json=old | {"data": {"a": "2"}})
        assert status == 200
        status, answer = await asked(client, "PUT", f"{MAPS}/one", json=old | {"data": {"a": "3"}})
    assert (status, answer["reason"]) == (409, "Conflict")
    assert "please apply your changes to the latest version" in answer["message"]


async def test_the_url_and_the_body_must_agree() -> None:
    async with client_of(app_of(store_with(config_map("one")))) as client:
        for change in (
            {"kind": "Secret"},
            {"apiVersion": "v2"},
            {"metadata": {"name": "two"}},
            {"metadata": {"name": "one", "namespace": "other"}},
        ):
            status, answer = await asked(
                client, "PUT", f"{MAPS}/one", json=config_map("one") | change
            )
            assert (status, answer["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("form", "patch"),
    [
        ("application/merge-patch+json", {"data": {"a": None, "b": "2"}}),
        ("application/strategic-merge-patch+json", {"data": {"a": None, "b": "2"}}),
        (
            "application/json-patch+json",
            [
                {"op": "remove", "path": "/data/a"},
                {"op": "add", "path": "/data/b", "value": "2"},
            ],
        ),
    ],
)
async def test_a_patch_changes_what_it_names(form: str, patch: Any) -> None:
    async with client_of(app_of(store_with(config_map("one", a="1", c="3")))) as client:
        status, changed = await asked(
            client, "PATCH", f"{MAPS}/one", json=patch, headers={"Content-Type": form}
        )
    assert status == 200
    assert changed["data"] == {"b": "2", "c": "3"}


async def test_a_change_by_api_leaves_an_object_with_its_owner() -> None:
    store = store_with()
    store.put(config_map("one", a="1"), source="files")
    async with client_of(app_of(store)) as client:
        headers = {"Content-Type": "application/merge-patch+json"}
        patch = {"data": {"a": "2"}}
        await asked(client, "PATCH", f"{MAPS}/one", json=patch, headers=headers)
        await asked(client, "POST", MAPS, json=config_map("two"))
    sources = {obj.key.name: store.source_of(obj.key) for obj in store.list(kind="ConfigMap")}
    assert sources == {"one": "files", "two": "api"}


async def test_the_status_is_written_apart() -> None:
    store = store_with(deployment("web"))
    async with client_of(app_of(store)) as client:
        path = f"{DEPLOYMENTS}/web"
        _, made = await asked(client, "GET", path)
        made["status"] = {"replicas": 7}
        _, after = await asked(client, "PUT", path, json=made)
        assert (after.get("status") or {}).get("replicas", 0) == 0
        made["metadata"].pop("resourceVersion")
        _, after = await asked(client, "PUT", f"{path}/status", json=made)
        assert after["status"]["replicas"] == 7


async def test_the_scale_is_read_and_set() -> None:
    store = store_with(deployment("web", replicas=2))
    async with client_of(app_of(store)) as client:
        _, scale = await asked(client, "GET", f"{DEPLOYMENTS}/web/scale")
        assert scale["spec"] == {"replicas": 2}
        scale["spec"]["replicas"] = 5
        assert (await asked(client, "PUT", f"{DEPLOYMENTS}/web/scale", json=scale))[0] == 200
        _, web = await asked(client, "GET", f"{DEPLOYMENTS}/web")
        assert web["spec"]["replicas"] == 5


async def test_deleting_passes_grace_and_propagation_on() -> None:
    calls = Calls()
    store = store_with(pod("web-1"))
    path = "/api/v1/namespaces/default/pods/web-1"
    options = {"gracePeriodSeconds": 3, "propagationPolicy": "Foreground"}
    async with client_of(app_of(store, calls)) as client:
        status, answer = await asked(client, "DELETE", path, json=options)
        assert (status, answer["status"]) == (200, "Success")
        assert (await asked(client, "DELETE", path))[0] == 404
    ((key, grace, propagation),) = calls.deleted
    assert (key.name, grace, propagation) == ("web-1", 3, "Foreground")


async def test_a_dry_run_stores_nothing() -> None:
    store = store_with()
    async with client_of(app_of(store)) as client:
        status, _ = await asked(client, "POST", f"{MAPS}?dryRun=All", json=config_map("one"))
        assert status == 201
        assert (await asked(client, "GET", f"{MAPS}/one"))[0] == 404


async def test_an_older_version_shows_the_same_object() -> None:
    store = store_with(virtual_service("api", ("web", 100)))
    path = "/apis/networking.istio.io/v1beta1/namespaces/default/virtualservices"
    async with client_of(app_of(store)) as client:
        _, old = await asked(client, "GET", f"{path}/api")
        assert old["apiVersion"] == "networking.istio.io/v1beta1"
        old["spec"]["hosts"] = ["shop.example.com"]
        assert (await asked(client, "PUT", f"{path}/api", json=old))[0] == 200
        _, new = await asked(client, "GET", f"{path}/api".replace("v1beta1", "v1"))
    assert new["apiVersion"] == "networking.istio.io/v1"
    assert new["spec"]["hosts"] == ["shop.example.com"]


async def test_lists_are_selected_and_cut() -> None:
    pods = [pod("a", app="x"), pod("b", app="y"), pod("c", app="x", phase="Pending")]
    async with client_of(app_of(store_with(*pods))) as client:

        async def names(query: str) -> list[str]:
            _, found = await asked(client, "GET", f"/api/v1/pods?{query}")
            return [item["metadata"]["name"] for item in found["items"]]

        assert await names("labelSelector=app%3Dx") == ["a", "c"]
        assert await names("labelSelector=app%20in%20(y,z)") == ["b"]
        assert await names("labelSelector=!app") == []
        assert await names("fieldSelector=status.phase%3DPending") == ["c"]
        assert await names("fieldSelector=metadata.name!=a,spec.nodeName=lateen") == ["b", "c"]
        _, first = await asked(client, "GET", "/api/v1/pods?limit=2")
        token = first["metadata"]["continue"]
        assert first["metadata"]["remainingItemCount"] == 1
        assert await names(f"limit=2&continue={token}") == ["c"]


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/api/v1/nonsense", b"", 404),
        ("GET", "/apis/apps/v9/deployments", b"", 404),
        ("GET", "/nowhere", b"", 404),
        ("GET", "/api/v1/pods?labelSelector=a%3D%3D%3D", b"", 400),
        ("GET", "/api/v1/pods?fieldSelector=spec.color%3Dred", b"", 400),
        ("GET", "/api/v1/pods?continue=!!", b"", 400),
        ("GET", "/api/v1/pods?limit=-1", b"", 400),
        ("POST", MAPS, b"{", 400),
        ("POST", MAPS, b"[" * 100_000, 400),
        ("POST", MAPS, b'{"a":' * 500 + b"1" + b"}" * 500, 400),
        ("POST", MAPS, b"\xff\xfe", 400),
        ("POST", MAPS, b"null", 400),
        ("POST", MAPS, b'{"metadata": 3}', 400),
        ("POST", MAPS, b'{"metadata": {"name": ["a"]}}', 422),
        ("POST", MAPS, b" " * (4 * 1024 * 1024), 413),
        ("POST", "/api/v1/configmaps", b"{}", 405),
        ("PUT", MAPS, b"{}", 405),
        ("GET", "/api/v1/namespaces/default/pods/x/nonsense", b"", 404),
    ],
)
async def test_what_cannot_be_done_is_refused_as_kubernetes_does(
    method: str, path: str, body: bytes, code: int
) -> None:
    headers = {"Content-Type": "application/json"}
    async with client_of(app_of(store_with())) as client:
        status, answer = await asked(client, method, path, data=BytesIO(body), headers=headers)
    assert status == code
    assert (answer["kind"], answer["status"], answer["code"]) == ("Status", "Failure", code)


async def test_a_bug_is_no_broken_connection_and_tells_nothing() -> None:
    class Broken(MemoryStore):
        def list(self, **_: Any) -> Any:
            raise ZeroDivisionError("inner words")

    async with client_of(app_of(Broken())) as client:
        status, answer = await asked(client, "GET", "/api/v1/pods")
    assert status == 500
    assert "inner words" not in str(answer)


async def test_namespaces_are_not_inside_one() -> None:
    async with client_of(app_of(store_with(namespace("shop")))) as client:
        status, found = await asked(client, "GET", "/api/v1/namespaces/shop")
        assert (status, found["kind"]) == (200, "Namespace")
        _, both = await asked(client, "GET", "/api/v1/namespaces")
    assert [item["metadata"]["name"] for item in both["items"]] == ["default", "shop"]


async def test_without_a_token_only_health_is_told() -> None:
    async with client_of(app_of(store_with()), token="") as client:
        assert (await asked(client, "GET", "/api/v1/pods"))[0] == 401
        assert (await asked(client, "GET", "/lateen/v1/status"))[0] == 401
        async with client.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
    async with client_of(app_of(store_with()), token="another") as client:
        assert (await asked(client, "GET", "/api/v1/pods"))[0] == 401


async def test_a_name_that_is_not_this_machines_is_refused() -> None:
    async with client_of(app_of(store_with())) as client:
        for host in ("evil.example.com", "127.0.0.1.evil.example.com", "127.0.0.1:80@evil"):
            status, _ = await asked(client, "GET", "/api/v1/pods", headers={"Host": host})
            assert status in (400, 403)
