"""Read what a Kubernetes URL is about.

In: a path below /api or /apis.    Out: Target: kind, version, namespace, name, subresource.
Before: api/kinds.py               After: apiserver/app.py

Source: Kubernetes API concepts, "Resource URIs".
"""

from __future__ import annotations

from msgspec import Struct

from lateen.api.kinds import Kind, registry
from lateen.base.origin import ObjectKey


class Target(Struct, frozen=True, kw_only=True):
    """`namespace` is "" for all namespaces or a cluster-scoped kind; `name` is "" for a collection."""

    kind: Kind
    version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> ObjectKey:
        """The store's key of the object named."""
        return ObjectKey(
            group=self.kind.stored_in,
            kind=self.kind.kind,
            namespace=self.namespace,
            name=self.name,
        )

    @property
    def api_version(self) -> str:
        """The version the caller speaks."""
        return self.kind.api_version(self.version)


def parse_target(path: str) -> Target | None:
    """The target of `/api/v1/...` or `/apis/GROUP/VERSION/...`; None if it names no resource."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            return _resource("", version, rest)
        case ["apis", group, version, *rest]:
            return _resource(group, version, rest)
        case _:
            return None


def _resource(group: str, version: str, rest: list[str]) -> Target | None:
    if any(not part for part in rest):
        return None
    match rest:
        case ["namespaces", namespace, plural, *below] if kind := registry().at(
            group, version, plural
        ):
            return _within(kind, version, namespace, below) if kind.namespaced else None
        case [plural, *below] if kind := registry().at(group, version, plural):
            return None if kind.namespaced and below else _within(kind, version, "", below)
        case _:
            return None


def _within(kind: Kind, version: str, namespace: str, below: list[str]) -> Target | None:
    match below:
        case []:
            return Target(kind=kind, version=version, namespace=namespace)
        case [name]:
            return Target(kind=kind, version=version, namespace=namespace, name=name)
        case [name, subresource]:
            return Target(
                kind=kind, version=version, namespace=namespace, name=name, subresource=subresource
            )
        case _:
            return None
