"""The objects of a running mesh that people made, as its API tells them.

In: the mesh's name.                          Out: Obj, with their places in files.
Before: cli/finding.py, api/decode.py         After: cli/analyze.py, cli/reading.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from lateen.api.decode import decode_tree
from lateen.api.kinds import Kind, registry
from lateen.api.objects import FieldPlaces, Obj
from lateen.apiserver.client import Client
from lateen.base.origin import ObjectKey
from lateen.cli.finding import client_of

_GROUPS = frozenset({"apps", "batch", "autoscaling", "policy", "networking.k8s.io"})
_CORE = frozenset(
    {"Namespace", "Service", "Endpoints", "Pod", "ConfigMap", "Secret", "ServiceAccount"}
)
_TRAFFIC = frozenset(
    {("discovery.k8s.io", "EndpointSlice")}
    | {("", kind) for kind in ("Namespace", "Node", "Service", "Pod", "ConfigMap", "Secret")}
)


def objects_of_mesh(name: str, otherwise: str = "") -> tuple[Obj, ...]:
    """What files and users put there; what controllers made of it is left out. Raises Unreachable."""
    client = client_of(name, otherwise)
    meant = (
        _as_meant(tree)
        for tree in _listed(client, _asked)
        if not tree["metadata"].get("ownerReferences")
    )
    return _decoded(meant, _places(client))


def everything_in_mesh(name: str, otherwise: str = "") -> tuple[Obj, ...]:
    """All that decides about traffic, as it is now: pods with their addresses, too. Raises Unreachable."""
    client = client_of(name, otherwise)
    return _decoded(_listed(client, _decides), _places(client))


def _listed(client: Client, wanted: Callable[[Kind], bool]) -> Iterator[dict[str, Any]]:
    for kind in filter(wanted, registry().kinds):
        where = f"/apis/{kind.group}" if kind.group else "/api"
        listed = client.get(f"{where}/{kind.versions[0]}/{kind.plural}")
        for item in listed["items"]:
            yield {"apiVersion": kind.api_version(), "kind": kind.kind} | item


def _places(client: Client) -> Mapping[ObjectKey, FieldPlaces]:
    """Where each field of each object stands in its file."""
    rows = client.get("/lateen/v1/places")["places"]
    return {
        ObjectKey(
            group=row["group"], kind=row["kind"], namespace=row["namespace"], name=row["name"]
        ): FieldPlaces(
            file=row["file"], places={path: (at[0], at[1]) for path, at in row["fields"].items()}
        )
        for row in rows
    }


def _decoded(
    trees: Iterable[dict[str, Any]], places: Mapping[ObjectKey, FieldPlaces]
) -> tuple[Obj, ...]:
    found = (obj for tree in trees for obj in decode_tree(tree, places=None).objects)
    return tuple(replace(obj, places=places.get(obj.key)) for obj in found)


def _decides(kind: Kind) -> bool:
    if kind.group.endswith("istio.io") or kind.group == "networking.k8s.io":
        return kind.custom is None
    return (kind.group, kind.kind) in _TRAFFIC


def _asked(kind: Kind) -> bool:
    if kind.group.endswith("istio.io") or kind.group in _GROUPS:
        return kind.custom is None
    return not kind.group and kind.kind in _CORE


def _as_meant(tree: dict[str, Any]) -> dict[str, Any]:
    """Without what the server says of it."""
    return {key: value for key, value in tree.items() if key != "status"}
