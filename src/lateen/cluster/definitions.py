"""Say of each CustomResourceDefinition whether its names are taken up and its kind is served.

In: CustomResourceDefinitions.    Out: their statuses.
Before: api/customkinds.py        After: cluster/controllers.py

Source: `apiextensions-apiserver/pkg/controller/status`, "naming_controller.go".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lateen.api.customkinds import is_built_in
from lateen.api.definition import CustomResourceDefinition
from lateen.api.encode import plain
from lateen.api.objects import Obj
from lateen.cluster.actions import PutObject, PutStatus
from lateen.cluster.deletion import CLEANUP
from lateen.cluster.statuses import timestamp


def reconcile_definitions(definitions: Sequence[Obj], now: datetime) -> tuple[PutStatus, ...]:
    """The statuses that are not yet as they should be. The first by name gets a name two want."""
    holders: dict[tuple[str, str], str] = {}
    made: list[PutStatus] = []
    for obj in sorted(definitions, key=lambda o: o.key.name):
        typed = obj.typed
        if not isinstance(typed, CustomResourceDefinition):
            continue
        names = typed.spec.names
        first = holders.setdefault((typed.spec.group, names.kind), obj.key.name)
        taken = "" if first == obj.key.name else f'"{names.kind}" is already in use'
        status = _status(typed, taken, timestamp(now))
        if status != typed.status:
            made.append(PutStatus(key=obj.key, status=status))
    return tuple(made)


def release_definitions(
    definitions: Sequence[Obj], everything: Sequence[Obj]
) -> tuple[PutObject, ...]:
    """Let go of the definitions on their way out that have no objects any more."""
    used = {(obj.key.group, obj.key.kind) for obj in everything}
    made: list[PutObject] = []
    for obj in definitions:
        typed = obj.typed
        if CLEANUP not in obj.meta.finalizers or not obj.meta.deletion_timestamp:
            continue
        if not isinstance(typed, CustomResourceDefinition):
            continue
        if (typed.spec.group, typed.spec.names.kind) not in used:
            kept = [name for name in obj.meta.finalizers if name != CLEANUP]
            metadata = {**obj.raw["metadata"], "finalizers": kept}
            made.append(PutObject(raw={**obj.raw, "metadata": metadata}))
    return tuple(made)


def _status(typed: CustomResourceDefinition, taken: str, now: str) -> dict[str, Any]:
    names = plain(typed.spec.names)
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    if taken:
        accepted = ("False", "KindConflict", taken)
        established = ("False", "NotAccepted", "not all names are accepted")
    else:
        accepted = ("True", "NoConflicts", "no conflicts found")
        own = "lateen has this kind built in"
        usual = "the initial names have been accepted"
        established = ("True", "InitialNamesAccepted", own if is_built_in(typed) else usual)
    conditions = [
        _condition(typed, "NamesAccepted", *accepted, now),
        _condition(typed, "Established", *established, now),
    ]
    stored = [version.name for version in typed.spec.versions if version.storage]
    known = typed.status.get("storedVersions") or []
    return {
        "acceptedNames": {} if taken else names,
        "conditions": conditions,
        "storedVersions": [*known, *(name for name in stored if name not in known)],
    }


def _condition(
    typed: CustomResourceDefinition, kind: str, status: str, reason: str, message: str, now: str
) -> dict[str, Any]:
    known: list[dict[str, Any]] = typed.status.get("conditions") or []
    before = next((c for c in known if c.get("type") == kind), {})
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since or now,
    }
