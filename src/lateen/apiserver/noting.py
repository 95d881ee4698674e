"""Note in managedFields who set which field, when it was not a user by the API.

In: an object before and after a controller's, the node's or a file's write.    Out: its managedFields.
Before: apiserver/managing.py        After: app/control, which hands it to the store

A controller's write is an update under the name it has in Kubernetes; what a file says is applied by `lateen`. So
server-side apply meets their fields as it would in a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lateen.api.kinds import group_of, kind_of
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.fieldwalks import difference
from lateen.apiserver.managers import Managers, entries_of, managers_from, updater
from lateen.apiserver.managing import applier, claimed, rules_for, taken
from lateen.store.interface import Writer


def note_managers(
    before: Mapping[str, Any] | None, after: Mapping[str, Any], writer: Writer, now: str
) -> list[dict[str, Any]]:
    """The entries of the object after the write; `before` is None for a new one."""
    version = str(after["apiVersion"])
    group = group_of(version)
    kind = kind_of(group, str(after["kind"]))
    managers = _known(before or after)
    if kind is None:
        return entries_of(managers)
    rules = rules_for(kind, version.rpartition("/")[2])
    changed = difference(dict(before or {}), dict(after), rules)
    if writer.applied is not None:
        who = applier(writer.name, "")
        managers = claimed(
            dict(writer.applied), changed, who=who, version=version, now=now,
            managers=managers, rules=rules,
        )  # fmt: skip
    else:
        for subresource in (writer.subresource, "status"):
            who = updater(writer.name, version, subresource)
            managers = taken(changed, who=who, version=version, now=now, managers=managers)
    return entries_of(managers)


def _known(tree: Mapping[str, Any]) -> Managers:
    try:
        return managers_from(tree["metadata"].get("managedFields"))
    except ApiFault:
        return {}
