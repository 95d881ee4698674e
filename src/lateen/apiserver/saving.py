"""Put an object that was asked for into the store, with what the API keeps beside it.

In: how a write was asked for, an admitted tree.    Out: the answer: the object as stored.
Before: apiserver/admitting.py, apiserver/managing.py        After: apiserver/writing.py, applying.py

A dry run goes the whole way and is undone at the end, so that it answers what would have been stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from lateen.api.decode import decode_tree
from lateen.api.objects import Obj
from lateen.api.shape import FaultKind, shape
from lateen.apiserver.admitting import Admitted, Validation, admit
from lateen.apiserver.deps import Objects, OpenPodStream
from lateen.apiserver.discovery import has_status
from lateen.apiserver.ephemerals import SUBRESOURCE as EPHEMERALS
from lateen.apiserver.ephemerals import spec_with_ephemerals
from lateen.apiserver.faults import (
    ApiFault,
    already_exists,
    conflict,
    invalid,
    invalid_option,
    namespace_ending,
    not_found,
)
from lateen.apiserver.guarding import user_of
from lateen.apiserver.identity import User
from lateen.apiserver.judging import policed
from lateen.apiserver.managers import Managers, entries_of, manager_name, managers_from, updater
from lateen.apiserver.managing import rules_for, updated
from lateen.apiserver.reading import found
from lateen.apiserver.reviewing import Reviewed, review
from lateen.apiserver.serializing import json_response, tree_of, wire_of
from lateen.apiserver.targets import Target
from lateen.apiserver.webhooks import POD_STREAMS, mutated, validated
from lateen.apiserver.writes import Write
from lateen.base.clock import Clock
from lateen.base.errors import Conflict
from lateen.base.origin import ObjectKey
from lateen.base.problem import has_errors
from lateen.check import check_object
from lateen.check.at import At
from lateen.check.statuses import status_faults

SOURCE = "api"


class Asked(Struct, frozen=True, kw_only=True):
    """Who writes and with which options; `manager` is the field manager's name."""

    user: User
    manager: str
    dry: bool
    validation: Validation
    now: datetime
    open_stream: OpenPodStream

    @property
    def time(self) -> str:
        """Now, as managedFields has it."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def asked_of(request: web.Request, clock: Clock) -> Asked:
    """The options in the query; raises ApiFault for values Kubernetes does not know."""
    query = request.query
    given = query.get("fieldValidation") or Validation.WARN
    if given not in tuple(Validation):
        words = f'fieldValidation: Invalid value: "{given[:40]}": fieldValidation parameter must be'
        raise invalid_option("WriteOptions", f"{words} one of [Ignore, Warn, Strict]")
    return Asked(
        user=user_of(request),
        manager=manager_name(query.get("fieldManager", ""), request.headers.get("User-Agent", "")),
        dry=dry_run(query),
        validation=Validation(given),
        now=clock.now(),
        open_stream=request.app[POD_STREAMS],
    )


def dry_run(query: Mapping[str, str]) -> bool:
    """Whether nothing is to be stored; raises ApiFault 400 for a value Kubernetes does not know."""
    asked = query.get("dryRun", "")
    if asked not in ("", "All"):
        raise ApiFault(400, f"dryRun: Unsupported value: {asked!r}: supported values: All")
    return asked == "All"


def require_open_namespace(store: Objects, target: Target, name: str) -> None:
    """Raise ApiFault 404 for a namespace that is not there, 403 for one on its way out."""
    if not target.kind.namespaced:
        return
    key = ObjectKey(group="", kind="Namespace", namespace="", name=target.namespace)
    inside = store.get(key)
    if inside is None:
        details = {"name": target.namespace, "kind": "namespaces"}
        raise ApiFault(404, f'namespaces "{target.namespace}" not found', details=details)
    if inside.meta.deletion_timestamp is not None:
        raise namespace_ending(target.kind, name, target.namespace)


async def created(
    target: Target,
    store: Objects,
    asked: Asked,
    admitted: Admitted,
    entries: list[dict[str, Any]] | None = None,
) -> web.Response:
    """201 with the new object; `entries` are its managedFields, unless a plain write makes it."""
    raw = admitted.raw
    if entries is None:
        entries = entries_of(_managers_after(target, asked, {}, raw, {}))
    reviewed = await let_through(target, store, asked, with_managers(raw, entries), None)
    try:
        with storing(store, dry=asked.dry):
            obj = store.put(target.kind.stored(reviewed.raw), expect=0, source=SOURCE)
    except Conflict:
        raise already_exists(target.kind, raw["metadata"]["name"]) from None
    warnings = admitted.warnings + reviewed.warnings
    if not asked.dry:
        return json_response(wire_of(obj, target), 201, warnings)
    tree = tree_of(obj, target)
    tree["metadata"].pop("resourceVersion", None)
    return json_response(tree, 201, warnings)


async def changed(
    target: Target, store: Objects, asked: Asked, change: Callable[[dict[str, Any]], Any]
) -> web.Response:
    """200 with the object (or its status) after the change; 409 if the caller had read another."""
    current = found(store, target)
    wanted = change(tree_of(current, target))
    if target.subresource:
        wanted = _only_part(target.subresource, tree_of(current, target), wanted)
    admitted = admit(target, wanted, current, asked.validation)
    check_revision(target, admitted, current)
    raw = admitted.raw
    if target.subresource == "status":
        raw = with_status(target, current, wanted)
    raw = tracked(target, asked, current, raw, wanted)
    return await stored(target, store, asked, current, raw, admitted.warnings)


async def let_through(
    target: Target, store: Objects, asked: Asked, raw: dict[str, Any], current: Obj | None
) -> Reviewed:
    """What may be stored, after webhooks and admission. Only a webhook takes time here."""
    write = Write(
        operation="UPDATE" if current else "CREATE",
        user=asked.user,
        target=target,
        name=raw["metadata"]["name"],
        raw=raw,
        old=current,
        dry=asked.dry,
        open_stream=asked.open_stream,
    )
    tree, said = await mutated(store, write)
    if tree is not None and tree is not raw:
        raw = _admitted_anew(target, tree, raw, current)
    reviewed = review(store, asked.user, target, raw, current)
    write = replace(write, raw=reviewed.raw)
    said += policed(store, write)
    said += await validated(store, write)
    return replace(reviewed, warnings=(*said, *reviewed.warnings))


def _admitted_anew(
    target: Target, tree: Mapping[str, Any], before: dict[str, Any], current: Obj | None
) -> dict[str, Any]:
    """What a webhook made of it, checked as what a user sends; its managers stay."""
    if target.subresource == "status" and current is not None:
        return with_status(target, current, tree)
    made = admit(target, tree, current).raw
    return with_managers(made, before["metadata"].get("managedFields") or [])


def tracked(
    target: Target, asked: Asked, current: Obj, raw: dict[str, Any], wanted: Any
) -> dict[str, Any]:
    """The tree with its managers after a plain write. An object without any stays without."""
    managers = managers_from(current.raw["metadata"].get("managedFields"))
    given = managers if target.subresource else _given_managers(wanted, managers)
    if given:
        given = _managers_after(target, asked, target.kind.shown(current.raw), raw, given)
    return with_managers(raw, entries_of(given))


async def stored(
    target: Target,
    store: Objects,
    asked: Asked,
    current: Obj,
    raw: dict[str, Any],
    warnings: tuple[str, ...],
) -> web.Response:
    """200 with the object in place of `current`, whose owner it keeps."""
    reviewed = await let_through(target, store, asked, raw, current)
    try:
        with storing(store, dry=asked.dry):
            obj = store.put(target.kind.stored(reviewed.raw), expect=current.revision)
    except Conflict:
        raise conflict(target.kind, target.name) from None
    revision = current.revision if asked.dry else None
    return json_response(wire_of(obj, target, revision), warnings=warnings + reviewed.warnings)


def check_revision(target: Target, admitted: Admitted, current: Obj) -> None:
    """Raise ApiFault 409 if the caller insists on a revision or uid that is not the current one."""
    if admitted.uid and admitted.uid != current.meta.uid:
        raise conflict(
            target.kind,
            target.name,
            f"Precondition failed: UID in precondition: {admitted.uid}, UID in object meta: "
            f"{current.meta.uid}",
        )
    if admitted.expect is not None and admitted.expect != current.revision:
        raise conflict(target.kind, target.name)


def _only_part(subresource: str, tree: dict[str, Any], wanted: Any) -> dict[str, Any]:
    """The current tree with the status (or the ephemeral containers) wanted; who is meant, and in
    which revision, is kept, too."""
    if not isinstance(wanted, Mapping):
        raise ApiFault(400, "the body of the request is not an object")
    given = wanted.get("metadata")
    metadata = given if isinstance(given, Mapping) else {}
    meant = {
        k: metadata[k] for k in ("name", "namespace", "uid", "resourceVersion") if k in metadata
    }
    if "resourceVersion" not in meant:
        tree["metadata"].pop("resourceVersion", None)
    whole = tree | {"metadata": tree["metadata"] | meant}
    if subresource == EPHEMERALS:
        whole["spec"] = spec_with_ephemerals(tree["spec"], wanted.get("spec"))
    else:
        whole["status"] = wanted.get("status")
    return whole | {k: wanted[k] for k in ("apiVersion", "kind") if k in wanted}


def with_status(target: Target, current: Obj, wanted: Any) -> dict[str, Any]:
    """The current object with the status wanted; raises ApiFault 404, 400 or 422."""
    if not has_status(target.kind):
        raise not_found(target.kind, target.name)
    status = wanted.get("status") or {}
    if not isinstance(status, Mapping):
        raise ApiFault(400, "status is not an object")
    whole = dict(current.raw) | {"status": status}
    if target.kind.custom is not None:
        return fitted(target, whole)
    faults = shape(target.kind.struct, whole).faults
    wrong = [(f.path, f"Invalid value: {f.message}") for f in faults if f.kind is FaultKind.WRONG]
    if not wrong:
        wrong = [(b.path, b.message) for b in status_faults(target.kind, whole, current.raw)]
    if wrong:
        at = At(current)
        raise invalid(target.kind, target.name, (replace(at, path=p).error(m) for p, m in wrong))
    return whole


def fitted(target: Target, whole: dict[str, Any]) -> dict[str, Any]:
    """An object of a defined kind, status included, held to its schema and rules; ApiFault 422."""
    decoded = decode_tree(whole, places=None)
    wrong = tuple(p for p in decoded.problems if not p.message.startswith("unknown field"))
    found = (*decoded.objects, *(part.obj for part in decoded.partial))
    if found and not has_errors(wrong):
        wrong += check_object(found[0])
    if has_errors(wrong) or not found:
        raise invalid(target.kind, target.name, wrong)
    return dict(found[0].raw)


def with_managers(raw: dict[str, Any], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The tree with these managedFields."""
    metadata = {k: v for k, v in raw["metadata"].items() if k != "managedFields"}
    return raw | {"metadata": metadata | ({"managedFields": entries} if entries else {})}


@contextmanager
def storing(store: Objects, *, dry: bool) -> Iterator[None]:
    """A transaction that is undone at its end when it is only a dry run."""
    try:
        with store.transaction():
            yield
            if dry:
                raise _Undone
    except _Undone:
        return


class _Undone(Exception):
    """The dry run is over."""


def _given_managers(wanted: Any, managers: Managers) -> Managers:
    """The caller may edit or (`[{}]`) drop managedFields; leaving them out changes nothing."""
    metadata = wanted.get("metadata") or {}
    entries = metadata.get("managedFields")
    if entries == [{}]:
        return {}
    try:
        return managers_from(entries) or managers
    except ApiFault:
        return managers


def _managers_after(
    target: Target, asked: Asked, before: Mapping[str, Any], raw: dict[str, Any], managers: Managers
) -> Managers:
    version = target.api_version
    return updated(
        dict(before),
        raw,
        who=updater(asked.manager, version, target.subresource),
        version=version,
        now=asked.time,
        managers=managers,
        rules=rules_for(target.kind, target.version),
    )
