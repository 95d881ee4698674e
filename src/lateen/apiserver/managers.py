"""The entries of metadata.managedFields.

In: entries as objects carry them.    Out: Managers, and back.
Before: apiserver/fieldsets.py        After: apiserver/managing.py, apiserver/writing.py

Source: k8s.io/apimachinery util/managedfields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from lateen.apiserver.faults import ApiFault
from lateen.apiserver.fieldsets import FieldSet, fields_from, fields_tree

APPLY = "Apply"
UPDATE = "Update"
MOST_UPDATERS = 10
ANCIENT = "ancient-changes"
LONGEST_NAME = 128


class Manager(Struct, frozen=True, kw_only=True):
    """Who writes: an applier is the same in every version, an updater is not (`version`)."""

    name: str
    operation: str
    subresource: str = ""
    version: str = ""


class Managed(Struct, frozen=True, kw_only=True):
    """What a manager has set, in which version, and when last (RFC 3339, "" unknown)."""

    fields: FieldSet
    version: str
    time: str = ""


Managers = Mapping[Manager, Managed]


def managers_from(entries: Any) -> Managers:
    """The managers of an object; raises ApiFault 422 for entries that cannot be read."""
    if entries is None:
        return {}
    if not isinstance(entries, list):
        raise _unreadable(0, "a list of entries")
    return dict(_manager_from(index, entry) for index, entry in enumerate(entries) if entry != {})


def entries_of(managers: Managers) -> list[dict[str, Any]]:
    """managedFields as stored: appliers first, then by time and name."""
    order = sorted(
        managers.items(),
        key=lambda item: (
            item[0].operation,
            item[1].time,
            item[0].name,
            item[1].version,
            item[0].subresource,
        ),
    )
    return [_entry_of(manager, held) for manager, held in order]


def updater(name: str, version: str, subresource: str = "") -> Manager:
    """The manager of a plain write in that version."""
    return Manager(name=name, operation=UPDATE, version=version, subresource=subresource)


def manager_name(asked: str, user_agent: str) -> str:
    """The `fieldManager` asked for, or else what the client calls itself, up to its first `/`."""
    if len(asked) > LONGEST_NAME or not asked.isprintable():
        raise ApiFault(
            422,
            f"fieldManager: Invalid value: {asked[:40]!r}: printable text of up to {LONGEST_NAME} "
            "bytes is wanted",
        )
    agent = "".join(c for c in user_agent.partition("/")[0] if c.isprintable())
    return asked or agent[:LONGEST_NAME] or "unknown"


def without_empty(managers: Managers) -> Managers:
    """Without the managers that hold nothing any more."""
    return {manager: held for manager, held in managers.items() if held.fields}


def capped(managers: Managers) -> Managers:
    """At most MOST_UPDATERS plain writers; the oldest beyond that become one."""
    updaters = [m for m in managers if m.operation == UPDATE]
    if len(updaters) <= MOST_UPDATERS:
        return managers
    oldest = sorted(updaters, key=lambda m: (managers[m].time, m.name))
    kept = dict(managers)
    for manager in oldest[: len(updaters) - MOST_UPDATERS + 1]:
        held = kept.pop(manager)
        bucket = updater(ANCIENT, held.version)
        before = kept.get(bucket)
        fields = held.fields | (before.fields if before else frozenset())
        kept[bucket] = Managed(fields=fields, version=held.version, time=held.time)
    return kept


def _manager_from(index: int, entry: Any) -> tuple[Manager, Managed]:
    if not isinstance(entry, Mapping):
        raise _unreadable(index, "a mapping")
    words = {name: entry.get(name) or "" for name in ("manager", "operation", "apiVersion")}
    words |= {name: entry.get(name) or "" for name in ("time", "subresource")}
    if not all(isinstance(word, str) for word in words.values()):
        raise _unreadable(index, "manager, operation, apiVersion, time and subresource as text")
    if words["operation"] not in (APPLY, UPDATE):
        raise _unreadable(index, "operation Apply or Update")
    if entry.get("fieldsType", "FieldsV1") != "FieldsV1":
        raise _unreadable(index, "fieldsType FieldsV1")
    try:
        fields = fields_from(entry.get("fieldsV1") or {})
    except ValueError as fault:
        raise _unreadable(index, f"fieldsV1 ({fault})") from None
    manager = Manager(
        name=words["manager"],
        operation=words["operation"],
        subresource=words["subresource"],
        version=words["apiVersion"] if words["operation"] == UPDATE else "",
    )
    return manager, Managed(fields=fields, version=words["apiVersion"], time=words["time"])


def _unreadable(index: int, wanted: str) -> ApiFault:
    return ApiFault(422, f"metadata.managedFields[{index}]: Invalid value: wanted {wanted}")


def _entry_of(manager: Manager, held: Managed) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": held.version,
    }
    if held.time:
        entry["time"] = held.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": fields_tree(held.fields)}
    return entry | {"subresource": manager.subresource} if manager.subresource else entry
