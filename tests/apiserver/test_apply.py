"""Server-side apply: who owns which field, who objects, what goes when nobody wants it any more."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from lateen.apiserver.app import make_app
from lateen.base.clock import SystemClock
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import config_map, deployment, deps_for, store_with, virtual_service

pytestmark = pytest.mark.anyio
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/apis/networking.istio.io/v1/namespaces/default/virtualservices"
LAST = "kubectl.kubernetes.io/last-applied-configuration"


class SteppingClock(SystemClock):
    """Each look is a second later."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> datetime:
        self.seconds += 1
        return datetime(2026, 1, 1, 0, 0, self.seconds % 60, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def app_of(store: MemoryStore) -> Any:
    return make_app(store, deps_for(store), token=TOKEN, clock=SteppingClock())


async def apply(
    client: Client, path: str, tree: Any, manager: str, query: str = ""
) -> tuple[int, Any]:
    return await asked(
        client,
        "PATCH",
        f"{path}?fieldManager={manager}{query}",
        data=yaml.safe_dump(tree),
        headers={"Content-Type": "application/apply-patch+yaml"},
    )


def owned(tree: Any) -> dict[str, Any]:
    return {
        f"{e['manager']}/{e['operation']}": e["fieldsV1"] for e in tree["metadata"]["managedFields"]
    }


async def test_what_is_applied_is_made_and_owned() -> None:
    async with client_of(app_of(store_with())) as client:
        status, made = await apply(client, f"{MAPS}/one", config_map("one", a="1"), "me")
        assert status == 201
        (entry,) = made["metadata"]["managedFields"]
        assert entry["time"].startswith("2026-01-01T00:00:")
        assert {k: v for k, v in entry.items() if k != "time"} == {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }
        status, same = await apply(client, f"{MAPS}/one", config_map("one", a="1"), "me")
        assert (status, same) == (200, made)


async def test_a_field_no_longer_applied_goes_unless_another_wants_it() -> None:
    async with client_of(app_of(store_with())) as client:
        path = f"{MAPS}/one"
        await apply(client, path, config_map("one", a="1", b="2", c="3"), "me")
        await apply(client, path, config_map("one", b="2"), "you")
        _, after = await apply(client, path, config_map("one", a="1"), "me")
    assert after["data"] == {"a": "1", "b": "2"}
    assert owned(after) == {
        "me/Apply": {"f:data": {"f:a": {}}},
        "you/Apply": {"f:data": {"f:b": {}}},
    }


async def test_the_last_label_can_go() -> None:
    first = config_map("one", a="1")
    first["metadata"]["labels"] = {"tier": "front"}
    async with client_of(app_of(store_with())) as client:
        await apply(client, f"{MAPS}/one", first, "me")
        status, after = await apply(client, f"{MAPS}/one", config_map("one", a="1"), "me")
    assert (status, after["metadata"]["name"]) == (200, "one")
    assert "labels" not in after["metadata"]


async def test_two_managers_that_disagree_are_told_and_one_may_insist() -> None:
    async with client_of(app_of(store_with())) as client:
        path = f"{DEPLOYMENTS}/web"
        await apply(client, path, deployment("web", replicas=1), "me")
        wanted = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"replicas": 3},
        }
        status, answer = await apply(client, path, wanted, "you")
        assert (status, answer["reason"]) == (409, "Conflict")
        assert answer["message"] == (
            'Apply failed with 1 conflict: conflict with "me": .spec.replicas'
        )
        assert answer["details"]["causes"] == [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "me"',
                "field": ".spec.replicas",
            }
        ]
        status, after = await apply(client, path, wanted, "you", "&force=true")
        assert (status, after["spec"]["replicas"]) == (200, 3)
        assert owned(after)["you/Apply"] == {"f:spec": {"f:replicas": {}}}
        assert "f:replicas" not in owned(after)["me/Apply"]["f:spec"]


async def test_several_conflicts_are_listed_by_manager() -> None:
    container = {"name": "app", "image": "other"}
    wanted = deployment("web", replicas=9)
    wanted["spec"]["template"]["spec"]["containers"] = [container]
    async with client_of(app_of(store_with())) as client:
        path = f"{DEPLOYMENTS}/web"
        await asked(client, "POST", f"{DEPLOYMENTS}?fieldManager=maker", json=deployment("web"))
        _, answer = await apply(client, path, wanted, "you")
    assert answer["message"] == (
        'Apply failed with 2 conflicts: conflicts with "maker" using apps/v1:\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="app"].image'
    )


async def test_agreeing_shares_a_field_and_giving_it_up_leaves_it() -> None:
    async with client_of(app_of(store_with())) as client:
        path = f"{MAPS}/one"
        await apply(client, path, config_map("one", a="1"), "me")
        status, both = await apply(client, path, config_map("one", a="1"), "you")
        assert status == 200
        assert set(owned(both)) == {"me/Apply", "you/Apply"}
        _, after = await apply(client, path, config_map("one", b="1"), "you")
    assert after["data"] == {"a": "1", "b": "1"}


async def test_items_of_lists_have_managers_of_their_own() -> None:
    proxy = deployment("web")
    proxy["spec"]["template"]["spec"]["containers"] = [{"name": "proxy", "image": "envoy"}]
    del proxy["spec"]["replicas"]
    async with client_of(app_of(store_with())) as client:
        path = f"{DEPLOYMENTS}/web"
        await apply(client, path, deployment("web"), "me")
        _, both = await apply(client, path, proxy, "you")
        containers = both["spec"]["template"]["spec"]["containers"]
        assert [c["name"] for c in containers] == ["app", "proxy"]
        proxy["spec"]["template"]["spec"]["containers"] = [{"name": "other", "image": "x"}]
        _, after = await apply(client, path, proxy, "you")
        containers = after["spec"]["template"]["spec"]["containers"]
        assert [c["name"] for c in containers] == ["app", "other"]


async def test_a_plain_write_owns_what_it_changes() -> None:
    async with client_of(app_of(store_with())) as client:
        path = f"{MAPS}/one"
        await apply(client, path, config_map("one", a="1", b="1"), "me")
        _, after = await asked(
            client,
            "PATCH",
            path,
            json={"data": {"a": "2"}, "metadata": {"labels": {"x": "y"}}},
            headers={
                "Content-Type": "application/merge-patch+json",
                "User-Agent": "curious/1.0 (linux)",
            },
        )
        assert owned(after) == {
            "me/Apply": {"f:data": {"f:b": {}}},
            "curious/Update": {
                "f:data": {"f:a": {}},
                "f:metadata": {"f:labels": {".": {}, "f:x": {}}},
            },
        }
        _, answer = await apply(client, path, config_map("one", a="1"), "me")
        assert 'conflict with "curious" using v1: .data.a' in answer["message"]


async def test_status_and_scale_are_written_by_managers_of_their_own() -> None:
    async with client_of(app_of(store_with())) as client:
        path = f"{DEPLOYMENTS}/web"
        await apply(client, path, deployment("web"), "me")
        status = {"metadata": {"name": "web"}, "status": {"replicas": 2}}
        await asked(client, "PUT", f"{path}/status?fieldManager=looker", json=status)
        scale = {"metadata": {"name": "web"}, "spec": {"replicas": 5}}
        await asked(client, "PUT", f"{path}/scale?fieldManager=scaler", json=scale)
        _, after = await asked(client, "GET", path)
        entries = {e["manager"]: e for e in after["metadata"]["managedFields"]}
        assert entries["looker"]["subresource"] == "status"
        assert entries["looker"]["fieldsV1"] == {"f:status": {"f:replicas": {}}}
        assert entries["scaler"]["subresource"] == "scale"
        assert entries["scaler"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
        wanted = deployment("web") | {"status": {"readyReplicas": 1}}
        code, applied = await apply(client, f"{path}/status", wanted, "judge")
        assert (code, applied["status"]) == (200, {"replicas": 2, "readyReplicas": 1})
        entries = {e["manager"]: e for e in applied["metadata"]["managedFields"]}
        assert entries["judge"]["fieldsV1"] == {"f:status": {"f:readyReplicas": {}}}


async def test_an_object_from_before_belongs_to_a_manager_of_that_name() -> None:
    store = store_with(config_map("one", a="1"))
    async with client_of(app_of(store)) as client:
        _, answer = await apply(client, f"{MAPS}/one", config_map("one", a="2"), "me")
        assert 'conflict with "before-first-apply" using v1: .data.a' in answer["message"]


async def test_kubectl_may_go_over_from_its_client_side_apply() -> None:
    first = config_map("one", a="1")
    first["metadata"]["annotations"] = {LAST: json.dumps(config_map("one", a="1"))}
    async with client_of(app_of(store_with())) as client:
        maker = "kubectl-client-side-apply"
        await asked(client, "POST", f"{MAPS}?fieldManager={maker}", json=first)
        status, _ = await apply(client, f"{MAPS}/one", config_map("one", a="2"), "other")
        assert status == 409
        status, after = await apply(client, f"{MAPS}/one", config_map("one", a="2"), "kubectl")
    assert (status, after["data"]) == (200, {"a": "2"})


async def test_lists_of_custom_kinds_are_one_value() -> None:
    async with client_of(app_of(store_with())) as client:
        path = f"{SERVICES}/api"
        await apply(client, path, virtual_service("api", ("web", 100)), "me")
        _, answer = await apply(client, path, virtual_service("api", ("other", 100)), "you")
        assert answer["message"].endswith('conflict with "me": .spec.http')


async def test_managed_fields_can_be_edited_and_dropped() -> None:
    async with client_of(app_of(store_with())) as client:
        path = f"{MAPS}/one"
        _, made = await apply(client, path, config_map("one", a="1"), "me")
        made["metadata"]["managedFields"][0]["manager"] = "renamed"
        _, after = await asked(client, "PUT", f"{path}?fieldManager=x", json=made)
        assert set(owned(after)) == {"renamed/Apply"}
        after["metadata"]["managedFields"] = []
        _, after = await asked(client, "PUT", f"{path}?fieldManager=x", json=after)
        assert set(owned(after)) == {"renamed/Apply"}
        after["metadata"]["managedFields"] = [{}]
        _, after = await asked(client, "PUT", f"{path}?fieldManager=x", json=after)
        assert "managedFields" not in after["metadata"]


@pytest.mark.parametrize(
    ("query", "change", "code", "said"),
    [
        ("", {}, 422, "fieldManager: Required value"),
        ("fieldManager=" + "x" * 200, {}, 422, "fieldManager: Invalid value"),
        ("fieldManager=me", {"kind": "Secret"}, 400, "does not match"),
        ("fieldManager=me", {"kind": None}, 400, "needs kind"),
        ("fieldManager=me", {"metadata": {"name": "two"}}, 400, "does not match the name"),
        ("fieldManager=me", {"metadata": None}, 400, "needs metadata"),
        (
            "fieldManager=me",
            {"metadata": {"name": "one", "managedFields": [{"manager": "me"}]}},
            400,
            "must be nil",
        ),
        (
            "fieldManager=me",
            {"metadata": {"name": "one", "resourceVersion": "1"}},
            404,
            "not found",
        ),
        ("fieldManager=me&fieldValidation=Strict", {"dat": {}}, 400, 'unknown field "dat"'),
    ],
)
async def test_what_cannot_be_applied_is_refused(
    query: str, change: Any, code: int, said: str
) -> None:
    async with client_of(app_of(store_with())) as client:
        status, answer = await asked(
            client,
            "PATCH",
            f"{MAPS}/one?{query}",
            data=yaml.safe_dump(config_map("one", a="1") | change),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
    assert status == code
    assert said in answer["message"]


async def test_an_apply_on_an_older_revision_is_refused() -> None:
    async with client_of(app_of(store_with())) as client:
        _, made = await apply(client, f"{MAPS}/one", config_map("one", a="1"), "me")
        await apply(client, f"{MAPS}/one", config_map("one", a="2"), "me")
        again = config_map("one", a="3")
        again["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        status, answer = await apply(client, f"{MAPS}/one", again, "me")
    assert (status, answer["reason"]) == (409, "Conflict")


async def test_a_dry_run_of_an_apply_stores_nothing() -> None:
    store = store_with()
    async with client_of(app_of(store)) as client:
        path = f"{MAPS}/one"
        before = store.revision
        status, _ = await apply(client, path, config_map("one", a="1"), "me", "&dryRun=All")
        assert (status, store.revision, len(store.list(kind="ConfigMap"))) == (201, before, 0)


async def test_many_plain_writers_become_one() -> None:
    async with client_of(app_of(store_with())) as client:
        await asked(client, "POST", f"{MAPS}?fieldManager=maker", json=config_map("one"))
        for number in range(12):
            await asked(
                client,
                "PATCH",
                f"{MAPS}/one?fieldManager=writer-{number}",
                json={"data": {f"k{number}": "1"}},
                headers={"Content-Type": "application/merge-patch+json"},
            )
        _, after = await asked(client, "GET", f"{MAPS}/one")
    assert len(after["metadata"]["managedFields"]) == 10
    assert "ancient-changes/Update" in owned(after)
