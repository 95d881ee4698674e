"""Events: what happened is told, told again is counted, and old ones are forgotten."""

from __future__ import annotations

import pytest

from lateen.cluster.actions import DeleteObject, LookAgain, Tell
from lateen.cluster.events import MOST, forget_events
from lateen.cluster.performing import perform
from tests.cluster.simulated import Cluster

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\n"


def tell(cluster: Cluster, message: str = "it is done", *, warning: bool = False) -> None:
    about = cluster.get("ConfigMap", "settings")
    said = Tell(
        about=about, reason="Done", message=message, component="tester", warning=warning,
        field_path="data{x}",
    )  # fmt: skip
    perform(cluster.store, [said], cluster.clock)


@pytest.mark.anyio
async def test_the_same_again_is_counted_not_repeated(cluster: Cluster) -> None:
    cluster.apply(MAP)
    tell(cluster)
    await cluster.clock.advance(90)
    tell(cluster)
    tell(cluster, "something else", warning=True)
    again, other = sorted(cluster.events(), key=lambda e: e.raw["message"])
    assert again.raw["count"] == 2
    assert again.raw["firstTimestamp"] == "2026-01-01T00:00:00Z"
    assert again.raw["lastTimestamp"] == "2026-01-01T00:01:30Z"
    assert again.raw["type"] == "Normal"
    assert again.raw["source"] == {"component": "tester"}
    about = cluster.get("ConfigMap", "settings")
    assert again.raw["involvedObject"] == {
        "kind": "ConfigMap",
        "namespace": "shop",
        "name": "settings",
        "uid": about.meta.uid,
        "apiVersion": "v1",
        "resourceVersion": str(about.revision),
        "fieldPath": "data{x}",
    }
    assert (other.raw["count"], other.raw["type"]) == (1, "Warning")


@pytest.mark.anyio
async def test_an_event_is_forgotten_an_hour_after_it_was_last_told(cluster: Cluster) -> None:
    cluster.apply(MAP)
    tell(cluster)
    assert cluster.settle() == 3600
    await cluster.clock.advance(1800)
    tell(cluster)
    await cluster.clock.advance(3599)
    assert cluster.settle() == 60, "it need not be to the second"
    assert len(cluster.events()) == 1
    await cluster.clock.advance(1)
    assert cluster.settle() is None
    assert cluster.events() == ()


def test_of_too_many_the_oldest_go(cluster: Cluster) -> None:
    cluster.apply(MAP)
    tell(cluster)
    (event,) = cluster.events()
    wanted = forget_events([event] * (MOST + 3), cluster.clock.now())
    assert sum(isinstance(action, DeleteObject) for action in wanted) == 3
    assert isinstance(wanted[-1], LookAgain)


def test_nothing_is_told_in_a_namespace_on_its_way_out(cluster: Cluster) -> None:
    cluster.apply(MAP)
    about = cluster.get("ConfigMap", "settings")
    cluster.delete("Namespace", "shop", namespace="")
    said = Tell(about=about, reason="Late", message="too late", component="tester")
    perform(cluster.store, [said], cluster.clock)
    assert cluster.events() == ()
