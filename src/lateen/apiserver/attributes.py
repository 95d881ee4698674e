"""What a request wants to do, in the words authorization judges by.

In: method, path and query.    Out: Attributes.
Before: -       After: apiserver/guarding.py, rbac.py

Source: `k8s.io/apiserver/pkg/endpoints/request.RequestInfoFactory`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_OF_ALL = {"get": "list", "delete": "deletecollection"}
_TRUE = ("true", "1")
_BY_NAME = "metadata.name="
_OF_NAMESPACES = ("status", "finalize")


class Attributes(Struct, frozen=True, kw_only=True):
    """A verb on a resource (`resource` set), or on a path that is none.

    `namespace` is "" for a cluster-scoped resource or all namespaces; `name` is "" for a collection.
    """

    verb: str
    path: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def full_resource(self) -> str:
        """`pods/log`, or `pods`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def attributes_of(method: str, path: str, query: Mapping[str, str]) -> Attributes:
    """The attributes of a request, whether or not there is such a resource."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", version, first, *rest]:
            return _resource(method, query, path, ("", version), [first, *rest])
        case ["apis", group, version, first, *rest]:
            return _resource(method, query, path, (group, version), [first, *rest])
        case _:
            verb = {"HEAD": "get"}.get(method, method.lower())
            return Attributes(verb=verb, path=path)


def _resource(
    method: str, query: Mapping[str, str], path: str, place: tuple[str, str], parts: list[str]
) -> Attributes:
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _OF_NAMESPACES:
            parts = parts[2:]
    resource, name, below = (*parts, "", "")[:3]
    verb = _VERBS.get(method, method.lower())
    if not name:
        verb = _OF_ALL.get(verb, verb)
    if verb in ("get", "list") and query.get("watch") in _TRUE:
        verb = "watch"
    if not name and verb in ("list", "watch", "deletecollection"):
        name = _single_name(query.get("fieldSelector", ""))
    return Attributes(
        verb=verb,
        path=path,
        group=place[0],
        version=place[1],
        resource=resource,
        subresource=below,
        namespace=namespace,
        name=name,
    )


def _single_name(selector: str) -> str:
    """The name a field selector pins down, so that a rule for one name covers a watch of it."""
    terms = [term.replace("==", "=") for term in selector.split(",")]
    return next((t.removeprefix(_BY_NAME) for t in terms if t.startswith(_BY_NAME)), "")
