"""What is said of an object changes no traffic; what it asks for does."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.api.objects import Obj
from lateen.base.clock import FakeClock
from lateen.stages.editions import Traffic, edition_of, editions_of
from lateen.store.interface import Event, EventType
from lateen.store.memory import MemoryStore


def rule(timeout: str = "1s") -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "hosts": ["web"],
            "http": [{"route": [{"destination": {"host": "web"}}], "timeout": timeout}],
        },
    }


def event(obj: Obj, type_: EventType = EventType.MODIFIED) -> Event:
    return Event(type=type_, obj=obj, revision=1)


def test_a_status_is_no_new_edition_and_another_spec_is() -> None:
    store = MemoryStore(clock=FakeClock())
    first = store.put(rule())
    said = store.put_status(first.key, {"conditions": []})
    assert edition_of(said) == edition_of(first)
    edited = store.put(rule("2s"))
    assert edition_of(edited) != edition_of(first)
    store.delete(first.key)
    assert edition_of(store.put(rule("2s"))) != edition_of(edited), "a new object of that name"


def test_a_settings_status_changes_no_traffic() -> None:
    store, traffic = MemoryStore(clock=FakeClock()), Traffic()
    first = store.put(rule())
    assert traffic.changes(event(first, EventType.ADDED))
    assert not traffic.changes(event(store.put_status(first.key, {"conditions": []})))
    edited = store.put(rule("2s"))
    assert traffic.changes(event(edited))
    assert traffic.changes(event(edited, EventType.DELETED))
    assert traffic.changes(event(edited, EventType.ADDED)), "it was forgotten with the deletion"


@pytest.mark.parametrize(
    ("version", "kind", "changes"),
    [
        ("v1", "Pod", True),
        ("v1", "Service", True),
        ("v1", "Namespace", True),
        ("v1", "ConfigMap", False),
        ("apps/v1", "ReplicaSet", False),
    ],
)
def test_a_pods_status_can_and_what_no_proxy_reads_cannot(
    version: str, kind: str, changes: bool
) -> None:
    spec: dict[str, Any] = {
        "Pod": {"containers": [{"name": "a", "image": "a"}]},
        "Service": {"ports": [{"port": 80}]},
        "ReplicaSet": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "a", "image": "a"}]},
            },
        },
    }
    store = MemoryStore(clock=FakeClock())
    metadata = {"name": "a"} if kind == "Namespace" else {"name": "a", "namespace": "shop"}
    tree = {"apiVersion": version, "kind": kind, "metadata": metadata}
    obj = store.put(tree | ({"spec": spec[kind]} if kind in spec else {}))
    assert Traffic().changes(event(obj)) is changes


def test_only_settings_have_editions() -> None:
    store = MemoryStore(clock=FakeClock())
    obj = store.put(rule())
    store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    assert editions_of(store.list()) == {obj.key: edition_of(obj)}
