"""The store as controllers see it: lists, and indexes kept for as long as a list stays the same.

In: a store.    Out: Observed.
Before: store/interface.py        After: cluster/controlling.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from lateen.api.kinds import KINDS
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.cluster.nodes import Machine
from lateen.store.interface import Store

GROUPS = {kind.kind: kind.group for kind in KINDS if kind.form is None}
SERVICE_NAME = "kubernetes.io/service-name"

_Index = Mapping[tuple[str, str], tuple[Obj, ...]]


class Observed:
    """Reads of the store. An index is made anew only when the objects under it changed."""

    def __init__(
        self, store: Store, machine: Machine, volumes: str = "", authority: str = ""
    ) -> None:
        self.machine = machine
        self.volumes = volumes  # the folder in which folders for claims are made
        self.authority = authority  # PEM by which pods know the API; "": pods have none
        self._store = store
        self._indexes: dict[tuple[str, str, str], tuple[tuple[Obj, ...], _Index]] = {}

    def get(self, key: ObjectKey) -> Obj | None:
        """The object, or None."""
        return self._store.get(key)

    def source_of(self, key: ObjectKey) -> str:
        """Who owns the object."""
        return self._store.source_of(key)

    def all(self, kind: str, namespace: str | None = None) -> tuple[Obj, ...]:
        """All objects of a kind the controllers know, in one namespace or in all."""
        return self._store.list(group=GROUPS[kind], kind=kind, namespace=namespace)

    def everything(self, namespace: str | None = None) -> tuple[Obj, ...]:
        """All objects of all kinds."""
        return self._store.list(namespace=namespace)

    def owned(self, kind: str, owner: Obj) -> tuple[Obj, ...]:
        """The objects of a kind whose controller is this one."""
        index = self._index(kind, owner.key.namespace, "owner", _controllers)
        return index.get(("", owner.meta.uid), ())

    def selected(self, kind: str, namespace: str, labels: Mapping[str, str]) -> tuple[Obj, ...]:
        """The objects that carry all of these labels, which must be at least one."""
        index = self._index(kind, namespace, "labels", _labels)
        fewest = min((index.get(pair, ()) for pair in labels.items()), key=len)
        return tuple(obj for obj in fewest if labels.items() <= obj.meta.labels.items())

    def _index(
        self,
        kind: str,
        namespace: str,
        name: str,
        words: Callable[[Obj], Iterable[tuple[str, str]]],
    ) -> _Index:
        objects = self.all(kind, namespace)
        known = self._indexes.get((kind, namespace, name))
        if known is not None and known[0] is objects:
            return known[1]
        found: defaultdict[tuple[str, str], list[Obj]] = defaultdict(list)
        for obj in objects:
            for word in words(obj):
                found[word].append(obj)
        index = {word: tuple(objs) for word, objs in found.items()}
        self._indexes[kind, namespace, name] = (objects, index)
        return index


def _controllers(obj: Obj) -> Iterable[tuple[str, str]]:
    return [("", owner.uid) for owner in obj.meta.owner_references if owner.controller]


def _labels(obj: Obj) -> Iterable[tuple[str, str]]:
    return obj.meta.labels.items()
