"""Remove the folder of a claim's volume that was deleted with its reclaim policy Delete.

In: events of the store.    Out: the folder to remove.
Before: cluster/claims.py        After: app/control.py
"""

from __future__ import annotations

from pathlib import Path

from lateen.api.storage import PersistentVolume
from lateen.store.interface import Event, EventType


def reclaimed(event: Event, kept: Path) -> Path | None:
    """The folder nobody needs any more; never one that lateen did not make itself, below `kept`."""
    volume = event.obj.typed
    if event.type is not EventType.DELETED or not isinstance(volume, PersistentVolume):
        return None
    spec = volume.spec
    if spec.persistent_volume_reclaim_policy != "Delete" or spec.local is None:
        return None
    path = Path(spec.local.path)
    own = path == kept / event.obj.key.name and ".." not in path.parts
    return path if own and event.obj.key.name.startswith("pvc-") else None
