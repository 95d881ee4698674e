"""managedFields tell of files and controllers, so that conflicts of server-side apply are true."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lateen.api.decode import decode_documents
from lateen.api.objects import Obj
from lateen.apiserver.app import make_app
from lateen.apiserver.noting import note_managers
from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import PutObject
from lateen.cluster.applying import Applied, apply_files
from lateen.cluster.controlling import Controllers
from lateen.cluster.performing import perform
from lateen.store.memory import MemoryStore
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import deps_for

pytestmark = pytest.mark.anyio
Tree = dict[str, Any]
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}
FILE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {team: red}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "app:1", ports: [{containerPort: 80}]}]}
"""
KEY = ObjectKey(group="apps", kind="Deployment", namespace="shop", name="web")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Mesh:
    """A store that notes managers, with files and controllers over it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock, note=note_managers)
        self.controllers = Controllers(store=self.store, clock=self.clock)

    def apply(self, text: str = FILE) -> Applied:
        """What the files say from now on."""
        applied = apply_files(self.store, decode_documents(text, "web.yaml").objects, self.clock)
        self.controllers.settle()
        return applied

    def get(self) -> Obj:
        """The Deployment."""
        found = self.store.get(KEY)
        assert found is not None
        return found

    def scale(self, replicas: int) -> None:
        """As the autoscaler does."""
        raw = {**self.get().raw, "spec": {**self.get().raw["spec"], "replicas": replicas}}
        perform(self.store, [PutObject(raw=raw, subresource="scale")], self.clock)
        self.controllers.settle()

    def managers(self, obj: Obj | None = None) -> dict[tuple[str, str, str], Tree]:
        """FieldsV1 by manager, operation and subresource."""
        entries = (obj or self.get()).raw["metadata"].get("managedFields") or ()
        return {
            (e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in entries
        }


@asynccontextmanager
async def api(mesh: Mesh) -> AsyncIterator[Client]:
    async with client_of(make_app(mesh.store, deps_for(mesh.store), token=TOKEN)) as client:
        yield client


async def applied(client: Client, **spec: Any) -> tuple[int, Any]:
    tree = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": spec,
    }
    return await asked(client, "PATCH", f"{PATH}?fieldManager=me", json=tree, headers=APPLY)


def test_a_file_owns_what_it_says_and_no_default() -> None:
    mesh = Mesh()
    mesh.apply()
    mine = mesh.managers()["lateen", "Apply", ""]
    assert mine["f:metadata"] == {"f:labels": {"f:team": {}}}
    assert set(mine["f:spec"]) == {"f:selector", "f:template"}
    container = mine["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"app"}']
    assert set(container) == {".", "f:image", "f:name", "f:ports"}


def test_controllers_are_named_as_in_kubernetes() -> None:
    mesh = Mesh()
    mesh.apply()
    (replica_set,) = mesh.store.list(group="apps", kind="ReplicaSet")
    assert ("kube-controller-manager", "Update", "") in mesh.managers(replica_set)
    found = mesh.managers()
    revision: Tree = {"f:deployment.kubernetes.io/revision": {}}
    by_controller = found["kube-controller-manager", "Update", ""]
    assert revision.items() <= by_controller["f:metadata"]["f:annotations"].items()
    assert set(found["kube-controller-manager", "Update", "status"]) == {"f:status"}
    (pod,) = mesh.store.list(group="", kind="Pod")
    assert "f:nodeName" in mesh.managers(pod)["kube-scheduler", "Update", ""]["f:spec"]


async def test_the_same_again_later_changes_nothing() -> None:
    mesh = Mesh()
    mesh.apply()
    before = mesh.store.revision
    await mesh.clock.advance(60)
    assert mesh.apply().unchanged == (KEY,)
    assert mesh.store.revision == before


async def test_who_applies_meets_the_file_and_the_autoscaler() -> None:
    mesh = Mesh()
    mesh.apply()
    mesh.scale(4)
    async with api(mesh) as client:
        status, body = await applied(client, replicas=2)
        assert status == 409
        assert body["message"] == (
            'Apply failed with 1 conflict: conflict with "kube-controller-manager" with subresource '
            '"scale" using apps/v1: .spec.replicas'
        )
        image = {"containers": [{"name": "app", "image": "app:2"}]}
        status, body = await applied(client, template={"spec": image})
        assert status == 409
        assert (
            'conflict with "lateen": .spec.template.spec.containers[name="app"].image'
            in (body["message"])
        )
        status, _ = await applied(client, template={"spec": {"terminationGracePeriodSeconds": 5}})
        assert status == 200


async def test_a_file_takes_back_what_it_says() -> None:
    mesh = Mesh()
    mesh.apply()
    async with api(mesh) as client:
        patch = {"metadata": {"labels": {"team": "blue"}}}
        path = f"{PATH}?fieldManager=me"
        assert (await asked(client, "PATCH", path, json=patch, headers=MERGE))[0] == 200
    assert "me" in {name for name, _, _ in mesh.managers()}
    assert "f:metadata" not in mesh.managers()["lateen", "Apply", ""]
    mesh.apply(FILE.replace("app:1", "app:2"))
    assert mesh.get().meta.labels == {"team": "red"}
    assert "me" not in {name for name, _, _ in mesh.managers()}


def test_an_edited_file_leaves_the_autoscaler_its_replicas() -> None:
    mesh = Mesh()
    mesh.apply()
    mesh.scale(4)
    mesh.apply(FILE.replace("app:1", "app:2"))
    assert mesh.get().raw["spec"]["replicas"] == 4
    mesh.apply(FILE.replace("spec:\n  selector", "spec:\n  replicas: 2\n  selector"))
    assert mesh.get().raw["spec"]["replicas"] == 2
    mesh.apply(FILE)
    assert mesh.get().raw["spec"]["replicas"] == 1
