"""Keep the built-in roles, and the roles that are the sum of others.

In: ClusterRoles.    Out: ClusterRoles as they should be; a sum of sums takes one more round.
Before: cluster/builtinroles.py        After: app/control.py, cluster/controllers.py

What is built in is made if it is missing, and gets back what it lost when lateen starts, unless its
annotation `rbac.authorization.kubernetes.io/autoupdate` is "false"; what was added stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lateen.api.encode import plain
from lateen.api.objects import Obj
from lateen.api.rbac import RBAC, ClusterRole
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import PROVIDED, PutObject
from lateen.cluster.builtinroles import BUILT_IN
from lateen.store.interface import Store

_AUTOUPDATE = f"{RBAC}/autoupdate"


def provide_roles(store: Store) -> None:
    """Put what is built in into the store, in one transaction."""
    with store.transaction():
        for tree in BUILT_IN:
            key = ObjectKey(
                group=RBAC, kind=tree["kind"], namespace="", name=tree["metadata"]["name"]
            )
            live = store.get(key)
            if live is None:
                store.put(tree, source=PROVIDED)
            elif live.meta.annotations.get(_AUTOUPDATE) != "false":
                store.put(_mended(live.raw, tree))
        while sums := reconcile_sums(store.list(group=RBAC, kind="ClusterRole")):
            for action in sums:
                store.put(action.raw)


def reconcile_sums(roles: Sequence[Obj]) -> tuple[PutObject, ...]:
    """Give each ClusterRole with an aggregationRule the rules of the roles it selects."""
    typed = [(obj, obj.typed) for obj in roles if isinstance(obj.typed, ClusterRole)]
    made: list[PutObject] = []
    for obj, role in typed:
        if role.aggregation_rule is None:
            continue
        parts = [
            other
            for part, other in typed
            if part is not obj
            and any(
                selector.matches(part.meta.labels)
                for selector in role.aggregation_rule.cluster_role_selectors
            )
        ]
        rules = tuple(dict.fromkeys(rule for part in parts for rule in part.rules))
        if set(rules) != set(role.rules):
            made.append(PutObject(raw={**obj.raw, "rules": [plain(rule) for rule in rules]}))
    return tuple(made)


def _mended(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is live, with what it lacks of the wanted."""
    metadata = dict(live["metadata"])
    for field in ("labels", "annotations"):
        metadata[field] = {**wanted["metadata"][field], **(metadata.get(field) or {})}
    mended = {**live, "metadata": metadata}
    for field in ("rules", "subjects"):
        if field in wanted and "aggregationRule" not in wanted:
            kept = list(live.get(field) or [])
            mended[field] = [*kept, *(item for item in wanted[field] if item not in kept)]
    return mended
