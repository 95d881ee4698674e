"""Who set which field: metadata.managedFields, and server-side apply.

In: an object before, what is wanted of it, and who asks.    Out: the object after, its managers.
Before: apiserver/fieldwalks.py, apiserver/managers.py        After: apiserver/writing.py

Source: Kubernetes "Server-Side Apply"; sigs.k8s.io/structured-merge-diff merge/update.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.api.kinds import Kind
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.fieldsets import FieldSet, Path, shown, with_parents
from lateen.apiserver.fieldwalks import Difference, Tree, difference, fields_of, merged, without
from lateen.apiserver.listtypes import Merging, SchemaMerging
from lateen.apiserver.managers import (
    APPLY,
    UPDATE,
    Managed,
    Manager,
    Managers,
    capped,
    without_empty,
)

BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"
_BUILT_IN = frozenset({"", "apps", "batch", "autoscaling", "policy"})
_NOBODYS = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    }
)


def rules_for(kind: Kind, version: str) -> Merging:
    """How objects of the kind merge: Kubernetes' own kinds by its marks, defined ones by their schema."""
    if kind.custom is not None:
        found = kind.custom.versions.get(version)
        return SchemaMerging(schema=found.schema) if found else Merging(marked=False)
    return Merging(marked=kind.group in _BUILT_IN or kind.group.endswith(".k8s.io"))


def updated(
    before: Tree,
    after: Tree,
    *,
    who: Manager,
    version: str,
    now: str,
    managers: Managers,
    rules: Merging,
) -> Managers:
    """The managers after a plain write: what it changed is the writer's, and no one else's.

    `managers` are those before; `before` is empty for a creation.
    """
    changed = difference(before, after, rules)
    return taken(changed, who=who, version=version, now=now, managers=managers)


def taken(
    changed: Difference, *, who: Manager, version: str, now: str, managers: Managers
) -> Managers:
    """The managers after `who` has changed that."""
    theirs = {m: _less(held, changed.removed) for m, held in managers.items()}
    set_now = _owned(changed.added | changed.modified, who)
    if not set_now:
        return without_empty(theirs)
    others = {m: _less(held, set_now) for m, held in theirs.items()}
    mine = theirs[who].fields if who in theirs else frozenset()
    others[who] = Managed(fields=mine | set_now, version=version, time=now)
    return capped(without_empty(others))


def applied(
    live: Tree,
    wanted: Tree,
    *,
    who: Manager,
    version: str,
    now: str,
    managers: Managers,
    force: bool,
    rules: Merging,
) -> tuple[Tree, Managers]:
    """Server-side apply: the object with all of `wanted`, without what `who` wants no more.

    Raises ApiFault 409 where the fields of others would change, unless forced.
    """
    managers = managers or _first_managers(live, version, rules)
    mine = _owned(fields_of(wanted, rules), who)
    last = managers[who].fields if who in managers else frozenset()
    others = {m: held for m, held in managers.items() if m != who}
    made: Tree = merged(live, wanted, rules)
    kept = with_parents(path for fields in (mine, _NOBODYS, *_sets(others)) for path in fields)
    made = without(made, frozenset(with_parents(last) - kept), rules)
    changed = difference(live, made, rules)
    theirs = _settled(live, others, changed.added | changed.modified, who, force, rules)
    theirs = {m: _less(held, changed.removed) for m, held in theirs.items()}
    before = managers.get(who)
    unchanged = before is not None and made == live and before.fields == mine
    time = before.time if unchanged and before else now
    theirs[who] = Managed(fields=mine, version=version, time=time)
    return made, without_empty(theirs)


def claimed(
    wanted: Tree,
    changed: Difference,
    *,
    who: Manager,
    version: str,
    now: str,
    managers: Managers,
    rules: Merging,
) -> Managers:
    """The managers after `who` has had its way: all of `wanted` is its own, and what that changed no one else's."""
    mine = _owned(fields_of(wanted, rules), who)
    lost = changed.added | changed.modified | changed.removed
    before = managers.get(who)
    unchanged = before is not None and before.fields == mine and not lost & mine
    made = {m: _less(held, lost) for m, held in managers.items() if m != who}
    time = before.time if before and unchanged else now
    return without_empty({**made, who: Managed(fields=mine, version=version, time=time)})


def _first_managers(live: Tree, version: str, rules: Merging) -> Managers:
    """What was there before anyone applied belongs to a manager of its own."""
    first = Manager(name=BEFORE_FIRST_APPLY, operation=UPDATE, version=version)
    fields = _owned(fields_of(live, rules), first)
    return {first: Managed(fields=fields, version=version)} if fields else {}


def _settled(
    live: Tree, others: Managers, changed: FieldSet, who: Manager, force: bool, rules: Merging
) -> Managers:
    """The others, without what they lose to `who`; raises ApiFault 409 if they do not consent."""
    lost = {m: held.fields & changed for m, held in others.items()}
    lost = {m: fields for m, fields in lost.items() if fields}
    if lost and not force:
        yielding = _client_side_applied(live, rules) if who.name == KUBECTL else frozenset()
        refused = {m: left for m, fields in lost.items() if (left := fields - yielding)}
        if refused:
            raise apply_conflict(refused)
    return {m: _less(held, lost.get(m, frozenset())) for m, held in others.items()}


def _client_side_applied(live: Tree, rules: Merging) -> FieldSet:
    """Fields that a client-side `kubectl apply` set and nobody has changed since: kubectl's own."""
    said = live.get("metadata", {}).get("annotations", {}).get(LAST_APPLIED)
    try:
        last = msgspec.json.decode(said, type=dict[str, Any]) if isinstance(said, str) else {}
    except (msgspec.MsgspecError, RecursionError):
        return frozenset()
    return fields_of(last, rules) - difference(live, last, rules).modified


def apply_conflict(conflicts: Mapping[Manager, FieldSet]) -> ApiFault:
    """409 with Kubernetes' sentence and one cause for each field."""
    pairs = [(m, path) for m in sorted(conflicts, key=_said) for path in sorted(conflicts[m])]
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_said(manager)}",
            "field": shown(path),
        }
        for manager, path in pairs
    ]
    if len(pairs) == 1:
        manager, path = pairs[0]
        text = f"Apply failed with 1 conflict: conflict with {_said(manager)}: {shown(path)}"
    else:
        each = [
            f"conflicts with {_said(m)}:\n" + "\n".join(f"- {shown(p)}" for p in sorted(paths))
            for m, paths in sorted(conflicts.items(), key=lambda item: _said(item[0]))
        ]
        text = f"Apply failed with {len(pairs)} conflicts: " + "\n".join(each)
    return ApiFault(409, text, details={"causes": causes})


def _said(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    return f"{text} using {manager.version}" if manager.operation == UPDATE else text


def _owned(fields: FieldSet, who: Manager) -> FieldSet:
    """Those of the fields that the endpoint `who` came by can set, and that can have a manager."""
    status = who.subresource == "status"
    return frozenset(
        path for path in fields if path not in _NOBODYS and (path[0] == "f:status") == status
    )


def _sets(managers: Managers) -> tuple[FieldSet, ...]:
    return tuple(held.fields for held in managers.values())


def _less(held: Managed, fields: FieldSet | frozenset[Path]) -> Managed:
    if held.fields.isdisjoint(fields):
        return held
    return Managed(fields=held.fields - fields, version=held.version, time=held.time)


def applier(name: str, subresource: str) -> Manager:
    """The manager of an apply."""
    return Manager(name=name, operation=APPLY, subresource=subresource)
