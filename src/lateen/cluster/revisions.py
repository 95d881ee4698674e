"""The history of a set's template, in ControllerRevisions.

In: a StatefulSet or DaemonSet, its ControllerRevisions.    Out: History; actions.
Before: cluster/naming.py        After: cluster/statefulsets.py, cluster/daemonsets.py
Source: kubernetes pkg/controller/history.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct

from lateen.api.fields import dec_hook
from lateen.api.objects import Obj
from lateen.api.pod import PodTemplateSpec
from lateen.api.sets import ControllerRevision
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, Action, DeleteObject, PutObject
from lateen.cluster.children import owner_reference
from lateen.cluster.naming import canonical, template_hash

REVISION_LABEL = "controller-revision-hash"
_HASH = "controller.kubernetes.io/hash"


class History(Struct, frozen=True, kw_only=True):
    """The newest revision of a set, the one of its template now; `actions` write it down."""

    name: str
    hash: str
    templates: Mapping[str, Mapping[str, Any]]  # by the revision's name
    actions: tuple[Action, ...]

    def template(self, name: str, otherwise: Mapping[str, Any]) -> Mapping[str, Any]:
        """The template of a revision, if it is still known."""
        return self.templates.get(name, otherwise)


def history_of(owner: Obj, template: PodTemplateSpec, revisions: Sequence[Obj]) -> History:
    """Find the revision of this template, or make it; a template that comes back is the newest again."""
    wanted = canonical(template)
    by_age = sorted(revisions, key=lambda r: _revision(r).revision)
    newest = _revision(by_age[-1]).revision if by_age else 0
    same = [r for r in by_age if _is_of(r, wanted)]
    templates = {r.key.name: _template(r) for r in by_age}
    if same:
        found = same[-1]
        value = found.meta.labels.get(_HASH, "")
        renumbered = PutObject(raw={**found.raw, "revision": newest + 1})
        actions: tuple[Action, ...] = () if found is by_age[-1] else (renumbered,)
        return History(name=found.key.name, hash=value, templates=templates, actions=actions)
    tree = _new(owner, template, {r.key.name for r in by_age}, newest + 1)
    name = tree["metadata"]["name"]
    return History(
        name=name,
        hash=tree["metadata"]["labels"][_HASH],
        templates=templates | {name: owner.raw["spec"]["template"]},
        actions=(PutObject(raw=tree, source=CONTROLLERS),),
    )


def forgotten(revisions: Sequence[Obj], used: Collection[str], limit: int) -> tuple[Action, ...]:
    """Delete the oldest of the revisions no pod has, beyond the limit."""
    unused = [r for r in revisions if r.key.name not in used]
    by_age = sorted(unused, key=lambda r: _revision(r).revision)
    return tuple(DeleteObject(key=r.key) for r in by_age[: max(0, len(by_age) - limit)])


def _revision(obj: Obj) -> ControllerRevision:
    if not isinstance(obj.typed, ControllerRevision):
        raise Bug(f"{obj.key} is no ControllerRevision")
    return obj.typed


def _template(revision: Obj) -> Mapping[str, Any]:
    template = ((revision.raw.get("data") or {}).get("spec") or {}).get("template") or {}
    return {field: value for field, value in template.items() if field != "$patch"}


def _is_of(revision: Obj, wanted: bytes) -> bool:
    try:
        kept = msgspec.convert(_template(revision), PodTemplateSpec, dec_hook=dec_hook)
    except msgspec.ValidationError:
        return False
    return canonical(kept) == wanted


def _new(
    owner: Obj, template: PodTemplateSpec, taken: Collection[str], number: int
) -> dict[str, Any]:
    hashes = (template_hash(template, collision) for collision in count())
    value = next(h for h in hashes if f"{owner.key.name}-{h}" not in taken)
    labels = (owner.raw["spec"]["template"].get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{owner.key.name}-{value}",
            "namespace": owner.key.namespace,
            "labels": {**labels, _HASH: value},
            "ownerReferences": [owner_reference(owner)],
        },
        "data": {"spec": {"template": {**owner.raw["spec"]["template"], "$patch": "replace"}}},
        "revision": number,
    }
