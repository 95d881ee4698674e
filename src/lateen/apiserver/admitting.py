"""Decide whether what a client sent may be stored, and in which form.

In: a target, the body's tree, and the object there now.    Out: Admitted: tree to store, warnings.
Before: api/decode.py, check/        After: apiserver/writing.py

An unknown field is refused, left out with a warning, or left out, as `fieldValidation` asks.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from lateen.api.decode import Decoded, decode_tree
from lateen.api.objects import Obj
from lateen.api.shape import FIELDS_HERE
from lateen.api.versions import as_stored
from lateen.apiserver.discovery import has_status
from lateen.apiserver.faults import ApiFault, invalid, not_strict
from lateen.apiserver.targets import Target
from lateen.base.problem import Level, Problem, has_errors
from lateen.check import check_object

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own: no vowels, no look-alikes
_LONGEST_GENERATED = 58  # characters of a generateName that are kept
_SERVERS_OWN = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "selfLink",
)


class Validation(StrEnum):
    """What becomes of an object with unknown fields: refused, or stored without them."""

    STRICT = "Strict"
    WARN = "Warn"
    IGNORE = "Ignore"


class Admitted(Struct, frozen=True, kw_only=True):
    """`raw` may be stored; `expect` and `uid` are what the client insists on, None and "" for any."""

    raw: dict[str, Any]
    expect: int | None
    uid: str
    warnings: tuple[str, ...]


def admit(
    target: Target, body: Any, current: Obj | None, validation: Validation = Validation.STRICT
) -> Admitted:
    """Check the body and make it whole; raises ApiFault 400 or 422.

    The status and what only the server sets are taken from `current`, never from the body.
    """
    tree = _addressed(target, body)
    metadata = tree["metadata"]
    expect = _expected(metadata.pop("resourceVersion", ""))
    uid = metadata.get("uid") or ""
    for field in _SERVERS_OWN:
        metadata.pop(field, None)
    if has_status(target.kind):
        tree.pop("status", None)
    decoded = decode_tree(tree, places=None, namespace=target.namespace or "default")
    obj, problems, unknown = _known_part(decoded)
    if obj is None or has_errors(problems):
        raise invalid(target.kind, metadata["name"], decoded.problems)
    if unknown and validation is Validation.STRICT:
        raise not_strict(target.kind, target.version, unknown)
    problems += check_object(obj)
    if has_errors(problems):
        raise invalid(target.kind, metadata["name"], problems)
    raw = dict(obj.raw)
    if current is not None:
        raw = _with_servers_own(raw, current, has_status(target.kind))
    warnings = tuple(f"{p.origin.field}: {p.message}" for p in problems if p.level is Level.WARNING)
    if target.kind.custom is not None and (
        deprecation := target.kind.custom.versions[target.version].warning
    ):
        warnings = (deprecation, *warnings)
    if validation is Validation.WARN:
        warnings = (*unknown, *warnings)
    return Admitted(
        raw=raw, expect=expect, uid=uid if isinstance(uid, str) else "", warnings=warnings
    )


def _known_part(decoded: Decoded) -> tuple[Obj | None, tuple[Problem, ...], tuple[str, ...]]:
    """The object without its unknown fields, what else there is to say of it, and those fields."""
    if decoded.objects or not decoded.partial:
        return next(iter(decoded.objects), None), decoded.problems, ()
    (part,) = decoded.partial
    unread = [p for p in decoded.problems if p.origin.field in part.unread]
    others = tuple(p for p in decoded.problems if p.origin.field not in part.unread)
    hint = {p.origin.field: "" if p.fix.startswith(FIELDS_HERE) else f" ({p.fix})" for p in unread}
    return part.obj, others, tuple(f'unknown field "{path}"{hint[path]}' for path in hint)


def _addressed(target: Target, body: Any) -> dict[str, Any]:
    """The body as an object of the target's address: kind, version, namespace and name agree."""
    if not isinstance(body, Mapping):
        raise ApiFault(400, "the body of the request is not an object")
    tree = dict(body)
    kind = target.kind
    for field, wanted in (("apiVersion", target.api_version), ("kind", kind.kind)):
        if tree.setdefault(field, wanted) != wanted:
            raise ApiFault(
                400, f"the {field} in the data ({tree[field]}) does not match the URL's ({wanted})"
            )
    given = tree.get("metadata") or {}
    if not isinstance(given, Mapping):
        raise ApiFault(400, "metadata is not an object")
    if kind.custom is None:  # each version of a defined kind has a schema of its own
        tree = as_stored(tree) | {"apiVersion": kind.api_version()}
    tree["metadata"] = metadata = dict(given)
    if kind.namespaced and metadata.setdefault("namespace", target.namespace) != target.namespace:
        raise ApiFault(
            400, "the namespace of the provided object does not match the namespace of the request"
        )
    if (
        not target.name
        and not metadata.get("name")
        and isinstance(metadata.get("generateName"), str)
    ):
        suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
        metadata["name"] = metadata["generateName"][:_LONGEST_GENERATED] + suffix
    if target.name and metadata.setdefault("name", target.name) != target.name:
        raise ApiFault(
            400, f"the name of the object does not match the name on the URL {target.name}"
        )
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise ApiFault(
            422, f"{kind.kind} is invalid: metadata.name: Required value: name is required"
        )
    return tree


def _expected(version: Any) -> int | None:
    if version in ("", None):
        return None
    if not isinstance(version, str) or not version.isdecimal() or len(version) > 18:
        raise ApiFault(400, f"metadata.resourceVersion: {version!r} is not a resource version")
    return int(version) or None


def _with_servers_own(raw: dict[str, Any], current: Obj, status: bool) -> dict[str, Any]:
    old = current.raw.get("metadata", {})
    kept = {field: old[field] for field in _SERVERS_OWN if field in old}
    whole = raw | {"metadata": raw["metadata"] | kept}
    if status and "status" in current.raw:
        whole["status"] = current.raw["status"]
    return whole
