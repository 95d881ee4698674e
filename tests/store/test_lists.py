"""Sorted lists: kept while nothing changes, and brought up to date when something does."""

from __future__ import annotations

import random

from lateen.store.memory import MemoryStore
from tests.store.trees import config_map


def names(store: MemoryStore, namespace: str | None) -> list[tuple[str, str]]:
    found = store.list(group="", kind="ConfigMap", namespace=namespace)
    return [(obj.key.namespace, obj.key.name) for obj in found]


def test_a_list_is_the_same_tuple_until_something_changes() -> None:
    store = MemoryStore()
    store.put(config_map("a"))
    listed = store.list(group="", kind="ConfigMap", namespace="shop")
    assert store.list(group="", kind="ConfigMap", namespace="shop") is listed
    store.put(config_map("elsewhere", namespace="other"))
    assert store.list(group="", kind="ConfigMap", namespace="shop") is listed
    store.put(config_map("a", sky="blue"))
    assert store.list(group="", kind="ConfigMap", namespace="shop")[0].raw["data"] == {
        "sky": "blue"
    }


def test_whatever_changes_between_two_lists_the_second_is_sorted_and_whole() -> None:
    store, chance = MemoryStore(), random.Random(1)  # noqa: S311 - repeatable, not secret
    there: dict[tuple[str, str], int] = {}
    for number in range(300):
        place = (chance.choice(("a", "b")), f"n{number:03}")
        store.put(config_map(place[1], namespace=place[0], turn="0"))
        there[place] = 0
    for turn in range(1, 200):
        for _ in range(chance.choice((1, 3, 60))):
            place = (chance.choice(("a", "b", "c")), f"n{chance.randrange(400):03}")
            if place in there and chance.random() < 0.4:
                found = store.list(group="", kind="ConfigMap", namespace=place[0])
                store.delete(next(o.key for o in found if o.key.name == place[1]))
                del there[place]
            else:
                store.put(config_map(place[1], namespace=place[0], turn=str(turn)))
                there[place] = turn
        assert names(store, None) == sorted(there)
        assert names(store, "b") == sorted(place for place in there if place[0] == "b")
        listed = store.list(group="", kind="ConfigMap")
        assert [o.raw["data"]["turn"] for o in listed] == [str(there[p]) for p in sorted(there)]
