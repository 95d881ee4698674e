"""Who may do what, over HTTP, as a client of the API meets it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lateen.api.rbac import RBAC
from lateen.apiserver.accounttokens import AccountKey
from lateen.apiserver.app import make_app
from lateen.base.origin import ObjectKey
from lateen.cluster.roles import provide_roles
from lateen.store.memory import MemoryStore
from tests.apiserver.roles import account, binding, of_account, of_user, role, token_for
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import config_map, deployment, deps_for, namespace, pod, store_with

pytestmark = pytest.mark.anyio
KEY = AccountKey.make()
READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
PODS = "/api/v1/namespaces/default/pods"
RBAC_PATH = f"/apis/{RBAC}/v1"
ACCESS = "/apis/authorization.k8s.io/v1"
Tree = dict[str, Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def world(*trees: Tree) -> MemoryStore:
    store = store_with(
        account("reader"),
        pod("web-1"),
        config_map("one", a="1"),
        deployment("web"),
        role("pod-reader", READ_PODS),
        binding("read-pods", "pod-reader", of_account("reader")),
        namespace("kube-system"),
        *trees,
    )
    provide_roles(store)
    return store


@asynccontextmanager
async def client_as(store: MemoryStore, name: str) -> AsyncIterator[Client]:
    """A client of the service account's."""
    app = make_app(store, deps_for(store), token=TOKEN, key=KEY)
    async with client_of(app, token=token_for(store, KEY, name)) as client:
        yield client


@asynccontextmanager
async def client_for(store: MemoryStore, user: str) -> AsyncIterator[Client]:
    """The admin's client, speaking as the user."""
    async with client_of(make_app(store, deps_for(store), token=TOKEN, key=KEY)) as client:
        client.session.headers["Impersonate-User"] = user
        yield client


# What a reader of pods in one namespace may not do: 40 ways to try.
ATTEMPTS = [
    ("POST", PODS),
    ("DELETE", PODS),
    ("PUT", f"{PODS}/web-1"),
    ("PATCH", f"{PODS}/web-1"),
    ("DELETE", f"{PODS}/web-1"),
    ("GET", f"{PODS}/web-1/log"),
    ("POST", f"{PODS}/web-1/exec"),
    ("GET", f"{PODS}/web-1/exec"),
    ("POST", f"{PODS}/web-1/attach"),
    ("POST", f"{PODS}/web-1/portforward"),
    ("POST", f"{PODS}/web-1/eviction"),
    ("GET", f"{PODS}/web-1/status"),
    ("PATCH", f"{PODS}/web-1/status"),
    ("PATCH", f"{PODS}/web-1/ephemeralcontainers"),
    ("GET", "/api/v1/pods"),
    ("GET", "/api/v1/pods?watch=1"),
    ("GET", "/api/v1/namespaces/kube-system/pods"),
    ("GET", "/api/v1/namespaces/kube-system/pods/web-1"),
    ("GET", "/api/v1/namespaces/nowhere/pods"),
    ("GET", "/api/v1/namespaces"),
    ("GET", "/api/v1/namespaces/default"),
    ("DELETE", "/api/v1/namespaces/default"),
    ("GET", "/api/v1/namespaces/default/secrets"),
    ("GET", "/api/v1/namespaces/default/secrets/x"),
    ("GET", "/api/v1/namespaces/default/configmaps"),
    ("POST", "/api/v1/namespaces/default/configmaps"),
    ("GET", "/api/v1/namespaces/default/services"),
    ("GET", "/api/v1/namespaces/default/serviceaccounts/reader"),
    ("POST", "/api/v1/namespaces/default/serviceaccounts/reader/token"),
    ("GET", "/apis/apps/v1/namespaces/default/deployments"),
    ("PATCH", "/apis/apps/v1/namespaces/default/deployments/web/scale"),
    ("GET", "/apis/networking.istio.io/v1/namespaces/default/virtualservices"),
    ("GET", f"{RBAC_PATH}/clusterroles"),
    ("POST", f"{RBAC_PATH}/namespaces/default/rolebindings"),
    ("PATCH", f"{RBAC_PATH}/namespaces/default/roles/pod-reader"),
    ("POST", f"{RBAC_PATH}/clusterrolebindings"),
    ("POST", f"{ACCESS}/subjectaccessreviews"),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews"),
    ("GET", "/apis/example.com/v1/namespaces/default/unheard"),
    ("GET", "/lateen/v1/status"),
    ("POST", "/lateen/v1/shutdown"),
    ("GET", "/lateen/v1/metrics"),
]


async def test_a_reader_of_pods_reads_pods() -> None:
    store = world()
    async with client_as(store, "reader") as client:
        assert (await asked(client, "GET", PODS))[0] == 200
        assert (await asked(client, "GET", f"{PODS}/web-1"))[0] == 200
        async with client.get(f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion=0") as answer:
            assert answer.status == 200


async def test_and_nothing_else() -> None:
    assert len(ATTEMPTS) >= 40
    store = world()
    before = store.revision
    async with client_as(store, "reader") as client:
        for method, path in ATTEMPTS:
            status, body = await asked(client, method, path, json={})
            assert (status, body["reason"]) == (403, "Forbidden"), (method, path)
    assert store.revision == before


async def test_the_refusal_is_in_kubernetes_words() -> None:
    async with client_as(world(), "reader") as client:

        async def words(method: str, path: str) -> str:
            return str((await asked(client, method, path))[1]["message"])

        who = 'User "system:serviceaccount:default:reader"'
        assert await words("GET", "/api/v1/namespaces/kube-system/pods") == (
            f'pods is forbidden: {who} cannot list resource "pods" in API group "" '
            'in the namespace "kube-system"'
        )
        assert await words("GET", "/apis/apps/v1/deployments") == (
            f'deployments.apps is forbidden: {who} cannot list resource "deployments" in API group '
            '"apps" at the cluster scope'
        )
        assert await words("GET", f"{PODS}/web-1/log") == (
            f'pods "web-1" is forbidden: {who} cannot get resource "pods/log" in API group "" '
            'in the namespace "default"'
        )
        assert await words("GET", "/lateen/v1/status") == (
            f'forbidden: {who} cannot get path "/lateen/v1/status"'
        )


async def test_a_rule_for_one_name_covers_only_that() -> None:
    one = {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["one"],
        "verbs": ["get", "list", "delete"],
    }
    store = world(config_map("two", b="2"), role("one", one), binding("one", "one", of_user("ann")))
    path = "/api/v1/namespaces/default/configmaps"
    async with client_for(store, "ann") as client:
        assert (await asked(client, "GET", f"{path}/one"))[0] == 200
        assert (await asked(client, "GET", f"{path}/two"))[0] == 403
        assert (await asked(client, "GET", path))[0] == 403
        assert (await asked(client, "GET", f"{path}?fieldSelector=metadata.name=one"))[0] == 200
        assert (await asked(client, "DELETE", f"{path}/two"))[0] == 403
        assert (await asked(client, "DELETE", f"{path}/one"))[0] == 200


async def test_view_edit_and_admin_mean_what_they_mean_in_kubernetes() -> None:
    subjects = {"view": "vera", "edit": "ed", "admin": "adam"}
    store = world(*(binding(r, r, of_user(u), cluster_role=True) for r, u in subjects.items()))
    asks = {
        f"GET {PODS}": ("vera", "ed", "adam"),
        "GET /api/v1/namespaces/default/secrets": ("ed", "adam"),
        "DELETE /api/v1/namespaces/default/configmaps/none": ("ed", "adam"),
        f"GET {RBAC_PATH}/namespaces/default/roles": ("adam",),
        "GET /api/v1/namespaces/kube-system/pods": (),
        "GET /api/v1/nodes": (),
    }
    for user in subjects.values():
        async with client_for(store, user) as client:
            for ask, allowed in asks.items():
                method, path = ask.split(" ")
                status, _ = await asked(client, method, path)
                assert (status != 403) == (user in allowed), (user, ask)


async def test_a_labelled_role_becomes_part_of_view() -> None:
    rules = {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}
    added = role("things", rules, namespace="")
    added["metadata"]["labels"] = {f"{RBAC}/aggregate-to-view": "true"}
    store = world(added)
    for name in ("view", "edit", "admin"):
        key = ObjectKey(group=RBAC, kind="ClusterRole", namespace="", name=name)
        found = store.get(key)
        assert found is not None
        assert any(rule["apiGroups"] == ["example.com"] for rule in found.raw["rules"])


async def test_what_is_built_in_is_mended_and_what_was_added_stays() -> None:
    store = world()
    key = ObjectKey(group=RBAC, kind="ClusterRole", namespace="", name="system:discovery")
    found = store.get(key)
    assert found is not None
    own = {"verbs": ["get"], "nonResourceURLs": ["/own"]}
    store.put({**found.raw, "rules": [own]})
    provide_roles(store)
    mended = store.get(key)
    assert mended is not None
    assert mended.raw["rules"] == [own, *found.raw["rules"]]
    revision = store.revision
    provide_roles(store)
    assert store.revision == revision


async def test_nobody_gives_away_more_than_they_hold() -> None:
    store = world(binding("admins", "admin", of_user("adam"), cluster_role=True))
    roles, bindings = (f"{RBAC_PATH}/namespaces/default/{p}" for p in ("roles", "rolebindings"))
    async with client_for(store, "adam") as client:

        async def made(path: str, tree: Tree) -> tuple[int, str]:
            status, body = await asked(client, "POST", path, json=tree)
            return status, str(body.get("message", ""))

        assert (await made(roles, role("mine", READ_PODS)))[0] == 201
        nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}
        status, words = await made(roles, role("more", READ_PODS, nodes))
        assert status == 403
        assert words == (
            'roles.rbac.authorization.k8s.io "more" is forbidden: user "adam" '
            '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently '
            'held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}'
        )
        everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
        assert (await made(roles, role("all", everything)))[0] == 403
        assert (await made(bindings, binding("own", "mine", of_user("eve"))))[0] == 201
        given = binding("up", "cluster-admin", of_user("adam"), cluster_role=True)
        assert (await made(bindings, given))[0] == 403
        nothing = binding("none", "no-such-role", of_user("adam"))
        assert (await made(bindings, nothing))[0] == 404
        patch = {"rules": [everything]}
        headers = {"Content-Type": "application/merge-patch+json"}
        status, _ = await asked(client, "PATCH", f"{roles}/mine", json=patch, headers=headers)
        assert status == 403
        moved = binding("own", "pod-reader", of_user("eve"))
        status, body = await asked(client, "PUT", f"{bindings}/own", json=moved)
        assert (status, "cannot change roleRef" in body["message"]) == (422, True)


async def test_a_patch_that_makes_an_object_needs_leave_to_create() -> None:
    rules = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}
    store = world(role("patcher", rules), binding("patch", "patcher", of_user("pat")))
    headers = {"Content-Type": "application/apply-patch+yaml"}
    path = "/api/v1/namespaces/default/configmaps"
    async with client_for(store, "pat") as client:
        for name, wanted in (("new", 403), ("one", 200)):
            body = config_map(name, b="2")
            url = f"{path}/{name}?fieldManager=pat&force=true"
            assert (await asked(client, "PATCH", url, json=body, headers=headers))[0] == wanted


async def test_speaking_as_another_needs_leave() -> None:
    store = world()
    async with client_as(store, "reader") as client:
        headers = {"Impersonate-User": "kubernetes-admin", "Impersonate-Group": "system:masters"}
        status, body = await asked(client, "GET", PODS, headers=headers)
        assert status == 403
        assert 'cannot impersonate resource "users"' in body["message"]
        status, _ = await asked(client, "GET", PODS, headers={"Impersonate-Group": "x"})
        assert status == 400


async def test_can_i() -> None:
    store = world()
    async with client_as(store, "reader") as client:

        async def can(**attributes: str) -> bool:
            body = {"spec": {"resourceAttributes": attributes}}
            path = f"{ACCESS}/selfsubjectaccessreviews"
            _, answer = await asked(client, "POST", path, json=body)
            return bool(answer["status"]["allowed"])

        assert await can(verb="list", resource="pods", namespace="default")
        assert not await can(verb="list", resource="pods")
        assert not await can(verb="delete", resource="pods", namespace="default")
        path = f"{ACCESS}/selfsubjectrulesreviews"
        body = {"spec": {"namespace": "default"}}
        _, answer = await asked(client, "POST", path, json=body)
        assert READ_PODS | {"resources": ["pods"]} in answer["status"]["resourceRules"]
        assert answer["status"]["incomplete"] is False


async def test_can_they() -> None:
    store = world()
    async with client_of(make_app(store, deps_for(store), token=TOKEN, key=KEY)) as client:
        user = "system:serviceaccount:default:reader"
        attributes = {"verb": "get", "resource": "pods", "namespace": "default"}
        body: Tree = {"spec": {"user": user, "resourceAttributes": attributes}}
        _, answer = await asked(client, "POST", f"{ACCESS}/subjectaccessreviews", json=body)
        assert answer["status"] == {
            "allowed": True,
            "reason": 'RBAC: allowed by RoleBinding "read-pods/default" of Role "pod-reader" to '
            'ServiceAccount "reader/default"',
        }
        local = f"{ACCESS}/namespaces/{{}}/localsubjectaccessreviews"
        _, answer = await asked(client, "POST", local.format("default"), json=body)
        assert answer["status"]["allowed"]
        assert (await asked(client, "POST", local.format("other"), json=body))[0] == 400
        path = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
        body = {"spec": {"user": "x", **path}}
        _, answer = await asked(client, "POST", f"{ACCESS}/subjectaccessreviews", json=body)
        assert answer["status"]["allowed"] is False
        assert (await asked(client, "POST", f"{ACCESS}/subjectaccessreviews", json={}))[0] == 422


async def test_a_binding_to_a_role_that_is_not_there_is_told() -> None:
    store = world(binding("lost", "no-such-role", of_account("reader")))
    async with client_as(store, "reader") as client:
        _, body = await asked(client, "GET", "/api/v1/namespaces/default/secrets")
    assert 'RBAC: role.rbac.authorization.k8s.io "no-such-role" not found' in body["message"]
