"""A folder goes only with the volume it was made for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.simulated import read

from lateen.api.objects import Obj
from lateen.stages.reclaiming import reclaimed
from lateen.store.interface import Event, EventType

KEPT = Path("/state/volumes")


def volume(path: str, *, name: str = "pvc-1", policy: str = "Delete") -> Obj:
    (obj,) = read(
        f"""
        apiVersion: v1
        kind: PersistentVolume
        metadata: {{name: {name}}}
        spec:
          persistentVolumeReclaimPolicy: {policy}
          local: {{path: {path}}}
        """
    )
    return obj


def test_a_deleted_volumes_folder_goes() -> None:
    event = Event(type=EventType.DELETED, obj=volume("/state/volumes/pvc-1"), revision=1)
    assert reclaimed(event, KEPT) == KEPT / "pvc-1"


@pytest.mark.parametrize(
    "event",
    [
        Event(type=EventType.MODIFIED, obj=volume("/state/volumes/pvc-1"), revision=1),
        Event(type=EventType.DELETED, obj=volume("/home/me/data"), revision=1),
        Event(type=EventType.DELETED, obj=volume("/state/volumes/pvc-2"), revision=1),
        Event(type=EventType.DELETED, obj=volume("/state/volumes/x", name="x"), revision=1),
        Event(
            type=EventType.DELETED, obj=volume("/state/volumes/pvc-1", policy="Retain"), revision=1
        ),
    ],
)
def test_any_other_folder_stays(event: Event) -> None:
    assert reclaimed(event, KEPT) is None
