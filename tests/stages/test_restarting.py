"""What runs an older build of an image is rolled out anew, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.stages.restarting import RESTARTED_AT, restart
from lateen.store.interface import Store
from lateen.store.memory import MemoryStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEB = {"containers": [{"name": "c", "image": "web:1"}]}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(clock: FakeClock) -> Store:
    return MemoryStore(clock=clock)


def put(store: Store, kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> ObjectKey:
    group = "v1" if kind == "Pod" else "apps/v1"
    meta = {"name": name, "namespace": "shop", **metadata}
    tree = {"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec}
    return store.put(tree, source="files").key


def deployment(template: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    labels = {"labels": {"app": "x"}, **metadata}
    selector = {"matchLabels": {"app": "x"}}
    return {"selector": selector, "template": {"metadata": labels, "spec": dict(template)}}


def annotations_of(store: Store, key: ObjectKey) -> Mapping[str, str]:
    obj = store.get(key)
    assert obj is not None
    found: Mapping[str, str] = obj.raw["spec"]["template"]["metadata"].get("annotations", {})
    return found


def test_a_deployment_is_rolled_out_as_kubectl_rollout_restart_does(
    store: Store, clock: FakeClock
) -> None:
    key = put(store, "Deployment", "web", deployment(WEB, annotations={"mine": "1"}))
    assert restart(store, clock, "web:1") == ()
    assert annotations_of(store, key) == {
        "mine": "1",
        RESTARTED_AT: "2026-01-01T12:00:00.000+00:00",
    }
    assert store.source_of(key) == "files"


def test_an_init_container_counts(store: Store, clock: FakeClock) -> None:
    init = {"containers": [], "initContainers": [{"name": "i", "image": "web:1"}]}
    key = put(store, "Deployment", "web", deployment(init))
    restart(store, clock, "web:1")
    assert RESTARTED_AT in annotations_of(store, key)


def test_another_image_and_another_tag_are_left_alone(store: Store, clock: FakeClock) -> None:
    other = {"containers": [{"name": "c", "image": "web:2"}]}
    key = put(store, "Deployment", "web", deployment(other))
    restart(store, clock, "web:1")
    assert annotations_of(store, key) == {}


def test_a_pod_of_its_own_ends_and_one_of_a_workload_is_left_to_it(
    store: Store, clock: FakeClock
) -> None:
    alone = put(store, "Pod", "alone", WEB)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u"}
    owned = put(store, "Pod", "owned", WEB, ownerReferences=[owner | {"controller": True}])
    assert restart(store, clock, "web:1") == (alone,)
    left = store.get(owned)
    assert left is not None
    assert left.meta.deletion_timestamp is None
