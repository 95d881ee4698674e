"""Read what a Kubernetes URL is about.

In: a path below /api or /apis.    Out: Target: kind, version, namespace, name, subresource.
Before: api/kinds.py               After: apiserver/app.py

Source: Kubernetes API concepts, "Resource URIs".
"""

from __future__ import annotations

from dataclasses import dataclass

from lateen.api.kinds import KINDS, Kind
from lateen.base.origin import ObjectKey

_BY_PATH = {(kind.group, version, kind.plural): kind for kind in KINDS for version in kind.versions}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
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
            group=self.kind.group, kind=self.kind.kind, namespace=self.namespace, name=self.name
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
        case ["namespaces", namespace, plural, *below] if (group, version, plural) in _BY_PATH:
            kind = _BY_PATH[(group, version, plural)]
            if not kind.namespaced:
                return None
            return _within(kind, version, namespace, below)
        case [plural, *below] if (group, version, plural) in _BY_PATH:
            kind = _BY_PATH[(group, version, plural)]
            if kind.namespaced and below:
                return None
            return _within(kind, version, "", below)
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
