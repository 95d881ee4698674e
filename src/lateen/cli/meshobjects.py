"""The objects of a running mesh that people made, as its API tells them.

In: the mesh's name.                          Out: Obj, without places in files.
Before: cli/finding.py, api/decode.py         After: cli/analyze.py
"""

from __future__ import annotations

from lateen.api.decode import decode_tree
from lateen.api.kinds import Kind, registry
from lateen.api.objects import Obj
from lateen.cli.finding import client_of

_GROUPS = frozenset({"apps", "batch", "autoscaling", "policy", "networking.k8s.io"})
_CORE = frozenset(
    {"Namespace", "Service", "Endpoints", "Pod", "ConfigMap", "Secret", "ServiceAccount"}
)


def objects_of_mesh(name: str) -> tuple[Obj, ...]:
    """What files and users put there; what controllers made of it is left out. Raises Unreachable."""
    client = client_of(name)
    objects: list[Obj] = []
    for kind in registry().kinds:
        if not _asked(kind):
            continue
        where = f"/apis/{kind.group}" if kind.group else "/api"
        listed = client.get(f"{where}/{kind.versions[0]}/{kind.plural}")
        for item in listed["items"]:
            if item["metadata"].get("ownerReferences"):
                continue
            tree = {"apiVersion": kind.api_version(), "kind": kind.kind} | item
            objects += decode_tree(_as_meant(tree), places=None).objects
    return tuple(objects)


def _asked(kind: Kind) -> bool:
    if kind.group.endswith("istio.io") or kind.group in _GROUPS:
        return kind.custom is None
    return not kind.group and kind.kind in _CORE


def _as_meant(tree: dict[str, object]) -> dict[str, object]:
    """Without what the server says of it."""
    return {key: value for key, value in tree.items() if key != "status"}
