"""Fill in what the store itself says of an object: identity, age, revision, generation.

In: the tree to store and the tree before it.    Out: the stamped tree.
Before: -       After: store/core.py
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lateen.base.origin import ObjectKey

_KEPT = ("uid", "creationTimestamp")
_COUNTED = ("resourceVersion", "generation")


def timestamp(moment: datetime) -> str:
    """Kubernetes' form of a time: `2026-01-31T12:00:00Z`, whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def stamped(
    tree: dict[str, Any], *, key: ObjectKey, before: Mapping[str, Any], revision: int
) -> dict[str, Any]:
    """The tree with the store's own metadata; what the writer says of these fields is ignored.

    `before` is the tree that is replaced, or for a new object one with the metadata of its birth. A
    status that is not given stays. metadata.generation counts the changes of the spec, from 1.
    """
    old = before["metadata"]
    meta = {k: v for k, v in tree["metadata"].items() if k not in (*_KEPT, *_COUNTED, "namespace")}
    if key.namespace:
        meta["namespace"] = key.namespace
    meta |= {k: old[k] for k in _KEPT} | {"resourceVersion": str(revision)}
    if "spec" in tree:
        changed = tree["spec"] != before.get("spec")
        meta["generation"] = old.get("generation", 0) + (1 if changed else 0)
    made = {**tree, "metadata": meta}
    if "status" in before and "status" not in tree:
        made["status"] = before["status"]
    return made


def same_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two trees of one object differ at most in their resourceVersion."""
    return _without_revision(one) == _without_revision(other)


def _without_revision(tree: Mapping[str, Any]) -> dict[str, Any]:
    meta = {k: v for k, v in tree["metadata"].items() if k != "resourceVersion"}
    return {**tree, "metadata": meta}
