"""Objects for the console to look at: a row for each, and one as a whole, without anything secret.

In: the store's objects.    Out: plain JSON-able data.
Before: apiserver/configdumps.py        After: apiserver/lookingroutes.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.api.objects import Obj
from lateen.apiserver.columns import at
from lateen.apiserver.configdumps import REDACTED, redacted

MOST_ROWS = 5000
MOST_EVENTS = 300
_APPLIED = (
    "kubectl.kubernetes.io/last-applied-configuration"  # the object once more, values and all
)
# What controllers write by the dozen and nobody reads.
_NOISE = frozenset({"Event", "Lease", "EndpointSlice", "ControllerRevision", "ReplicaSet"})


def object_rows(objects: Iterable[Obj]) -> dict[str, Any]:
    """What there is, one row each; those that only controllers care about are left out."""
    rows = [_row(obj) for obj in objects if obj.key.kind not in _NOISE]
    return {"objects": rows[:MOST_ROWS], "left": max(0, len(rows) - MOST_ROWS)}


def _row(obj: Obj) -> dict[str, Any]:
    said = _programmed(obj.raw)
    place = obj.origin().place
    return {
        "group": obj.key.group,
        "kind": obj.key.kind,
        "namespace": obj.key.namespace,
        "name": obj.key.name,
        "created": at(obj.raw, "metadata", "creationTimestamp"),
        "place": str(place) if place else "",
        "programmed": {
            "status": said.get("status", ""),
            "reason": said.get("reason", ""),
            "message": said.get("message", ""),
            "since": said.get("lastTransitionTime"),
        }
        if said
        else None,
    }


def _programmed(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    for condition in at(raw, "status", "conditions") or ():
        if isinstance(condition, Mapping) and condition.get("type") == "Programmed":
            return condition
    return {}


def object_whole(obj: Obj) -> dict[str, Any]:
    """The object as its author knows it, and where in a file each of its parts stands."""
    return {"object": _shown(obj), "row": _row(obj), "places": _places(obj)}


def _shown(obj: Obj) -> dict[str, Any]:
    tree = redacted(dict(obj.raw))
    meta = {k: v for k, v in (tree.get("metadata") or {}).items() if k != "managedFields"}
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k != _APPLIED}
    tree["metadata"] = {**meta, "annotations": notes} if notes else _without(meta, "annotations")
    if (obj.key.group, obj.key.kind) == ("", "Secret"):
        for part in ("data", "stringData"):
            if isinstance(tree.get(part), Mapping):
                tree[part] = dict.fromkeys(tree[part], REDACTED)
    return dict(tree)


def _without(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if key != name}


def _places(obj: Obj) -> dict[str, Any]:
    if obj.places is None:
        return {"file": "", "lines": {}}
    lines = {path: line for path, (line, _) in obj.places.places.items()}
    return {"file": obj.places.file, "lines": lines}


def event_rows(events: Iterable[Obj], kind: str, start: str) -> dict[str, Any]:
    """Events about objects whose kind is `kind` ("" for any) and whose name begins so, newest first."""
    rows = [
        {
            "kind": at(event.raw, "involvedObject", "kind") or "",
            "name": str(at(event.raw, "involvedObject", "name") or ""),
            "type": event.raw.get("type") or "Normal",
            "reason": event.raw.get("reason") or "",
            "message": event.raw.get("message") or "",
            "count": event.raw.get("count") or 1,
            "last": event.raw.get("lastTimestamp")
            or event.raw.get("eventTime")
            or at(event.raw, "metadata", "creationTimestamp"),
        }
        for event in events
    ]
    wanted = [
        row for row in rows if (not kind or row["kind"] == kind) and row["name"].startswith(start)
    ]
    return {"events": sorted(wanted, key=lambda row: str(row["last"]), reverse=True)[:MOST_EVENTS]}
