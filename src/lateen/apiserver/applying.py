"""Answer server-side apply: `PATCH` with `application/apply-patch+yaml`.

In: the configuration one field manager wants.    Out: the object as stored, or who objects.
Before: apiserver/managing.py, apiserver/saving.py        After: apiserver/writing.py

Source: Kubernetes "Server-Side Apply".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lateen.apiserver.admitting import admit
from lateen.apiserver.deps import Objects
from lateen.apiserver.discovery import has_status
from lateen.apiserver.ephemerals import SUBRESOURCE as EPHEMERALS
from lateen.apiserver.ephemerals import spec_with_ephemerals
from lateen.apiserver.faults import ApiFault, invalid_option, not_found
from lateen.apiserver.managers import entries_of, managers_from
from lateen.apiserver.managing import applied, applier, rules_for
from lateen.apiserver.reviewing import require_create
from lateen.apiserver.saving import (
    Asked,
    asked_of,
    check_revision,
    created,
    require_open_namespace,
    stored,
    with_managers,
    with_status,
)
from lateen.apiserver.serializing import tree_of
from lateen.apiserver.targets import Target
from lateen.base.clock import Clock

_TRUE = ("true", "1", "True", "t", "T", "TRUE")


async def applied_to(
    request: web.Request, target: Target, store: Objects, body: Any, clock: Clock
) -> web.Response:
    """Make the object what its manager wants; 201 if that made it, 409 if other managers object."""
    if not request.query.get("fieldManager"):
        words = "fieldManager: Required value: is required for apply patch"
        raise invalid_option("PatchOptions", words)
    asked = asked_of(request, clock)
    wanted = _configuration(target, body)
    force = request.query.get("force", "") in _TRUE
    current = store.get(target.key)
    if current is None:
        return await _created(target, store, asked, wanted, force)
    rules = rules_for(target.kind, target.version)
    # The revision stands for the caller's wish, and is no part of the configuration.
    live = tree_of(current, target)
    made, managers = applied(
        live,
        wanted,
        who=applier(asked.manager, target.subresource),
        version=target.api_version,
        now=asked.time,
        managers=managers_from(current.raw["metadata"].get("managedFields")),
        force=force,
        rules=rules,
    )
    if target.subresource == EPHEMERALS:
        made["spec"] = spec_with_ephemerals(current.raw["spec"], made["spec"])
    made["metadata"] = made["metadata"] | {
        "resourceVersion": wanted["metadata"].get("resourceVersion", "")
    }
    if "uid" not in wanted["metadata"]:
        made["metadata"].pop("uid", None)
    admitted = admit(target, made, current, asked.validation)
    check_revision(target, admitted, current)
    raw = admitted.raw
    if target.subresource == "status":
        raw = with_status(target, current, made)
    raw = with_managers(raw, entries_of(managers))
    return await stored(target, store, asked, current, raw, admitted.warnings)


async def _created(
    target: Target, store: Objects, asked: Asked, wanted: dict[str, Any], force: bool
) -> web.Response:
    if target.subresource or wanted["metadata"].get("uid"):
        raise not_found(target.kind, target.name)
    admitted = admit(target, wanted, None, asked.validation)
    if admitted.expect:
        raise not_found(target.kind, target.name)
    require_create(store, asked.user, target)
    require_open_namespace(store, target, target.name)
    _, managers = applied(
        {},
        wanted,
        who=applier(asked.manager, ""),
        version=target.api_version,
        now=asked.time,
        managers={},
        force=force,
        rules=rules_for(target.kind, target.version),
    )
    return await created(target, store, asked, admitted, entries_of(managers))


def _configuration(target: Target, body: Any) -> dict[str, Any]:
    """The body, with only the part its endpoint can set; raises ApiFault 400."""
    if not isinstance(body, Mapping):
        raise ApiFault(400, "the body of an apply is not an object")
    for name in ("apiVersion", "kind"):
        if not body.get(name):
            raise ApiFault(400, f"an applied configuration needs {name}")
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping):
        raise ApiFault(400, "an applied configuration needs metadata")
    if metadata.get("managedFields"):
        raise ApiFault(400, "metadata.managedFields must be nil")
    wanted = dict(body) | {"metadata": dict(metadata)}
    wanted["metadata"].pop("managedFields", None)
    if target.subresource == "status":
        kept = ("apiVersion", "kind", "metadata", "status")
        return {name: wanted[name] for name in kept if name in wanted}
    if has_status(target.kind):
        wanted.pop("status", None)
    return wanted
