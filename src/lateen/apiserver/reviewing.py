"""Look at a write once more, with the whole store and its author in view, before it is done.

In: who writes, what stands there, what shall stand there.    Out: what may, with warnings; ApiFault.
Before: apiserver/escalating.py, guarding.py        After: apiserver/saving.py, applying.py

This is Kubernetes' admission: what one object alone cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.codes import BAD_FIELD
from lateen.api.kinds import Kind
from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.apiserver.attributes import Attributes
from lateen.apiserver.deps import Objects
from lateen.apiserver.ephemerals import SUBRESOURCE as EPHEMERALS
from lateen.apiserver.ephemerals import changed_ephemerals
from lateen.apiserver.escalating import check_escalation
from lateen.apiserver.faults import ApiFault, invalid, resource
from lateen.apiserver.guarding import forbidden
from lateen.apiserver.identity import User
from lateen.apiserver.rbac import decide
from lateen.apiserver.targets import Target
from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level, Problem
from lateen.check.accounts import with_account
from lateen.check.changes import broken_by_change, with_kept_addresses
from lateen.check.ephemerals import FIELD
from lateen.check.newcomers import secured, welcome
from lateen.check.rules import broken_rules


class Reviewed(Struct, frozen=True, kw_only=True):
    """The tree that may be stored, and what its author should know."""

    raw: dict[str, Any]
    warnings: tuple[str, ...] = ()


def review(
    store: Objects, user: User, target: Target, raw: dict[str, Any], old: Obj | None
) -> Reviewed:
    """Let a write through, perhaps changed; raises ApiFault 403, 404 or 422."""
    check_escalation(store, user, target.kind, raw, old.raw if old else None)
    if old is not None:
        raw = with_kept_addresses(target.kind, raw, old.raw)
        _check_change(target, raw, old)
        if target.subresource not in ("", EPHEMERALS):
            return Reviewed(raw=raw)
        refusal, warnings = secured(store, old.key, raw)
        if refusal and target.subresource == EPHEMERALS:
            raise _refused(target.kind, old.key, refusal)
        return Reviewed(raw=raw, warnings=warnings)
    if target.kind.kind == "Pod" and raw["spec"].get(FIELD):
        raise invalid(target.kind, raw["metadata"]["name"], (_none_yet(target.key),))
    key = replace(target.key, name=raw["metadata"]["name"])
    newcomer = welcome(store, key, raw)
    if newcomer.refusal:
        raise _refused(target.kind, key, newcomer.refusal)
    raw = newcomer.raw
    if target.kind.kind == "Pod":
        raw = with_account(raw, key, store.get)
    return Reviewed(raw=raw, warnings=newcomer.warnings)


def _refused(kind: Kind, key: ObjectKey, why: str) -> ApiFault:
    details = {"name": key.name, "group": key.group, "kind": kind.plural}
    words = f'{resource(kind)} "{key.name}" is forbidden: {why}'
    return ApiFault(403, words, details={k: v for k, v in details.items() if v})


def _none_yet(key: ObjectKey) -> Problem:
    return Problem(
        code=BAD_FIELD,
        level=Level.ERROR,
        origin=Origin(key=key, field=f"spec.{FIELD}"),
        message="Forbidden: cannot be set on create",
    )


def _check_change(target: Target, raw: Mapping[str, Any], old: Obj) -> None:
    """What may not change stays; raises ApiFault 422."""
    check = broken_rules if target.subresource else broken_by_change
    problems = tuple(
        Problem(
            code=BAD_FIELD,
            level=Level.ERROR,
            origin=Origin(key=old.key, field=broken.path),
            message=broken.message,
        )
        for broken in check(target.kind, raw, old.raw)
    )
    if isinstance(old.typed, Pod):
        problems += changed_ephemerals(raw, old, target.subresource)
    if problems:
        raise invalid(target.kind, old.key.name, problems)


def require_create(store: Objects, user: User, target: Target) -> None:
    """Who makes an object by a patch needs leave to create it, too; raises ApiFault 403."""
    wanted = Attributes(
        verb="create",
        group=target.kind.group,
        version=target.version,
        resource=target.kind.plural,
        namespace=target.namespace,
        name=target.name,
    )
    decision = decide(store, user, wanted)
    if not decision.allowed:
        raise forbidden(user, wanted, decision.reason)
