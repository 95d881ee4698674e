"""Namespaces: those that always exist, those nobody declared, those on their way out.

In: namespaces, service accounts, objects.    Out: actions, trees, problems.
Before: cluster/deletion.py        After: cluster/applying.py, cluster/controlling.py
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from lateen.api.codes import UNDECLARED_NAMESPACE
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.base.problem import Level, Problem
from lateen.cluster.actions import PROVIDED, Action, DeleteObject, PutObject
from lateen.cluster.deletion import ALWAYS_THERE

NAME_LABEL = "kubernetes.io/metadata.name"
DEFAULT_ACCOUNT = "default"


def namespace_tree(name: str) -> dict[str, Any]:
    """A Namespace with the label Kubernetes gives it."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {NAME_LABEL: name}},
        "status": {"phase": "Active"},
    }


def reconcile_namespaces(
    namespaces: Sequence[Obj], accounts: Collection[ObjectKey]
) -> tuple[Action, ...]:
    """Make `default` and `istio-system`; give each namespace its label and ServiceAccount `default`.

    `accounts` are the keys of all service accounts.
    """
    known = {n.key.name for n in namespaces}
    made: list[Action] = [
        PutObject(raw=namespace_tree(name), source=PROVIDED)
        for name in ALWAYS_THERE
        if name not in known
    ]
    living = [n for n in namespaces if n.meta.deletion_timestamp is None]
    made += [PutObject(raw=_completed(n)) for n in living if _completed(n) != n.raw]
    for name in sorted({n.key.name for n in living} | set(ALWAYS_THERE) - known):
        key = ObjectKey(group="", kind="ServiceAccount", namespace=name, name=DEFAULT_ACCOUNT)
        if key not in accounts:
            made.append(PutObject(raw=_account_tree(name), source=PROVIDED))
    return tuple(made)


def reconcile_leaving(
    namespaces: Sequence[Obj], inside: Callable[[str], Sequence[Obj]]
) -> tuple[Action, ...]:
    """Delete what is in namespaces on their way out (`inside` lists it), and at last the empty ones."""
    made: list[Action] = []
    for namespace in namespaces:
        if namespace.meta.deletion_timestamp is None:
            continue
        left = inside(namespace.key.name)
        made += [DeleteObject(key=o.key) for o in left if o.meta.deletion_timestamp is None]
        if not left:
            made.append(DeleteObject(key=namespace.key))
    return tuple(made)


def undeclared(
    objects: Iterable[Obj], known: Collection[str]
) -> tuple[tuple[dict[str, Any], ...], tuple[Problem, ...]]:
    """Trees of the namespaces that are neither known nor among the objects, and a word on each."""
    objects = tuple(objects)
    declared = {o.key.name for o in objects if o.key.kind == "Namespace"}
    declared |= {*known, *ALWAYS_THERE}
    first: dict[str, Obj] = {}
    for obj in objects:
        if obj.key.namespace and obj.key.namespace not in declared:
            first.setdefault(obj.key.namespace, obj)
    problems = tuple(
        Problem(
            code=UNDECLARED_NAMESPACE,
            level=Level.INFO,
            origin=obj.origin("metadata.namespace"),
            message=f"namespace {name} is not declared anywhere; it is made",
            fix=f"declare it, for a cluster would refuse this object: kind: Namespace, name: {name}",
        )
        for name, obj in sorted(first.items())
    )
    return tuple(namespace_tree(name) for name in sorted(first)), problems


def _completed(namespace: Obj) -> dict[str, Any]:
    wanted = namespace_tree(namespace.key.name)
    meta = namespace.raw["metadata"]
    labels = {**(meta.get("labels") or {}), **wanted["metadata"]["labels"]}
    status = {**(namespace.raw.get("status") or {}), **wanted["status"]}
    return {**namespace.raw, "metadata": {**meta, "labels": labels}, "status": status}


def _account_tree(namespace: str) -> dict[str, Any]:
    metadata = {"name": DEFAULT_ACCOUNT, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
