"""Objects: what the store fills in, what counts as a change, what it refuses."""

from __future__ import annotations

import pytest

from lateen.api.config import ConfigMap
from lateen.api.objects import FieldPlaces
from lateen.base.clock import FakeClock
from lateen.base.errors import Conflict, NotFound, StoreError
from lateen.base.origin import ObjectKey
from lateen.store.core import ObjectStore
from tests.store.trees import config_map, service

COLOURS = ObjectKey(group="", kind="ConfigMap", namespace="shop", name="colours")


def test_a_new_object_gets_identity_age_and_revision(store: ObjectStore) -> None:
    made = store.put(service("web", 80))
    assert made.revision == store.revision == 1
    assert made.raw["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "uid": "uid-1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "resourceVersion": "1",
        "generation": 1,
    }


def test_it_comes_back_typed(store: ObjectStore) -> None:
    store.put(config_map("colours", sky="blue"))
    found = store.get(COLOURS)
    assert found is not None
    assert isinstance(found.typed, ConfigMap)
    assert found.typed.data == {"sky": "blue"}


def test_changing_the_given_tree_afterwards_changes_nothing(store: ObjectStore) -> None:
    tree = config_map("colours", sky="blue")
    made = store.put(tree)
    tree["data"]["sky"] = "grey"
    assert made.raw["data"] == {"sky": "blue"}


def test_storing_an_equal_object_changes_nothing(store: ObjectStore) -> None:
    made = store.put(config_map("colours", sky="blue"))
    again = store.put(config_map("colours", sky="blue"))
    assert again is made
    assert store.revision == 1


@pytest.mark.anyio
async def test_identity_and_age_stay_whatever_the_writer_says(
    store: ObjectStore, clock: FakeClock
) -> None:
    made = store.put(config_map("colours", sky="blue"))
    await clock.advance(60)
    tree = config_map("colours", sky="grey")
    tree["metadata"] |= {"uid": "mine", "creationTimestamp": "never", "resourceVersion": "99"}
    changed = store.put(tree)
    assert changed.meta.uid == made.meta.uid
    assert changed.meta.creation_timestamp == made.meta.creation_timestamp
    assert changed.meta.resource_version == "2"


def test_generation_counts_changes_of_the_spec_only(store: ObjectStore) -> None:
    store.put(service("web", 80))
    labelled = service("web", 80)
    labelled["metadata"]["labels"] = {"app": "web"}
    assert store.put(labelled).meta.generation == 1
    assert store.put(service("web", 81)).meta.generation == 2
    assert store.put_status(store.list()[0].key, {"loadBalancer": {}}).meta.generation == 2


def test_a_status_stays_until_another_is_given(store: ObjectStore) -> None:
    key = store.put(service("web", 80)).key
    store.put_status(key, {"loadBalancer": {"ingress": []}})
    assert store.put(service("web", 81)).raw["status"] == {"loadBalancer": {"ingress": []}}
    assert store.put(service("web", 81) | {"status": {}}).raw["status"] == {}


def test_an_equal_status_changes_nothing(store: ObjectStore) -> None:
    key = store.put(service("web", 80)).key
    store.put_status(key, {"loadBalancer": {}})
    store.put_status(key, {"loadBalancer": {}})
    assert store.revision == 2


def test_a_status_needs_its_object(store: ObjectStore) -> None:
    with pytest.raises(NotFound):
        store.put_status(COLOURS, {})


def test_a_writer_who_has_not_seen_the_newest_is_refused(store: ObjectStore) -> None:
    first = store.put(config_map("colours", sky="blue"), expect=0)
    store.put(config_map("colours", sky="grey"), expect=first.revision)
    with pytest.raises(Conflict):
        store.put(config_map("colours", sky="red"), expect=first.revision)
    with pytest.raises(Conflict):
        store.put(config_map("colours", sky="red"), expect=0)
    with pytest.raises(Conflict):
        store.delete(COLOURS, expect=first.revision)


def test_a_deleted_object_is_gone_and_its_successor_is_another(store: ObjectStore) -> None:
    first = store.put(config_map("colours"))
    assert store.delete(COLOURS) == first
    assert store.get(COLOURS) is None
    assert store.list() == ()
    with pytest.raises(NotFound):
        store.delete(COLOURS)
    assert store.put(config_map("colours")).meta.uid != first.meta.uid
    assert store.revision == 3


def test_lists_are_sorted_and_narrowed(store: ObjectStore) -> None:
    for name, namespace in (("b", "two"), ("a", "two"), ("c", "one")):
        store.put(config_map(name, namespace))
    store.put(service("a", 80, "two"))
    assert [str(o.key) for o in store.list(kind="ConfigMap")] == [
        "ConfigMap one/c",
        "ConfigMap two/a",
        "ConfigMap two/b",
    ]
    assert [o.key.kind for o in store.list(namespace="two")] == ["ConfigMap"] * 2 + ["Service"]
    assert [o.key.name for o in store.list(group="", kind="ConfigMap", namespace="two")] == [
        "a",
        "b",
    ]
    assert store.list(group="apps") == ()


def test_a_list_shows_every_write_at_once(store: ObjectStore) -> None:
    store.put(config_map("a"))
    assert len(store.list(group="", kind="ConfigMap")) == 1
    store.put(config_map("b"))
    assert len(store.list(group="", kind="ConfigMap")) == 2
    assert len(store.list(group="", kind="ConfigMap", namespace="shop")) == 2


def test_the_owner_stays_until_another_is_given(store: ObjectStore) -> None:
    store.put(config_map("colours", sky="blue"), source="files")
    store.put(config_map("colours", sky="grey"))
    assert store.source_of(COLOURS) == "files"
    store.put(config_map("colours", sky="grey"), source="api")
    assert store.source_of(COLOURS) == "api"
    store.delete(COLOURS)
    assert store.source_of(COLOURS) == ""


def test_moved_lines_are_known_without_a_new_revision(store: ObjectStore) -> None:
    store.put(config_map("colours"), places=FieldPlaces(file="a.yaml", places={"": (3, 1)}))
    store.put(config_map("colours"), places=FieldPlaces(file="a.yaml", places={"": (9, 1)}))
    assert store.revision == 1
    assert str(store.list()[0].origin().place) == "a.yaml:9"
    store.put(config_map("colours", sky="blue"))
    assert str(store.list()[0].origin().place) == "a.yaml:9"


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}},
        {"apiVersion": "v1", "kind": "Unheard", "metadata": {"name": "of"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": 5},
    ],
)
def test_what_is_no_object_is_refused(store: ObjectStore, tree: dict[str, object]) -> None:
    with pytest.raises(StoreError):
        store.put(tree)
    assert store.revision == 0


def test_notes_are_kept_beside_the_objects(store: ObjectStore) -> None:
    assert store.read_note("last") is None
    store.write_note("last", b"\x00good")
    assert store.read_note("last") == b"\x00good"
    store.write_note("last", None)
    assert store.read_note("last") is None
    assert store.revision == 0
