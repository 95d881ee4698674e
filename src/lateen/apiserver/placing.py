"""Write beside each piece of Envoy's configuration the line of the file that made it.

In: a config_dump whose pieces carry the origin lateen wrote into them, the store.    Out: the same tree.
Before: apiserver/configdumps.py        After: apiserver/meshroutes.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from lateen.api.objects import Obj
from lateen.apiserver.deps import Objects

# `VirtualService shop/reviews spec.http[0]`, `Namespace shop`
_ORIGIN = re.compile(
    r"(?P<kind>[A-Z]\w*) (?:(?P<namespace>[^\s/]+)/)?(?P<name>\S+)(?: (?P<field>\S+))?"
)
_OURS = "lateen"


def with_places(tree: Any, store: Objects) -> Any:
    """The tree, with a `place` in lateen's own metadata wherever the object came from a file."""

    @cache
    def named(kind: str) -> Mapping[tuple[str, str], Obj]:
        return {(obj.key.namespace, obj.key.name): obj for obj in store.list(kind=kind)}

    @cache
    def place_of(origin: str) -> str:
        found = _ORIGIN.match(origin)
        if found is None:
            return ""
        obj = named(found["kind"]).get((found["namespace"] or "", found["name"].rstrip(",")))
        place = obj.origin(found["field"] or "").place if obj else None
        return str(place) if place else ""

    def walk(value: Any) -> Any:
        match value:
            case Mapping():
                made = {name: walk(inner) for name, inner in value.items()}
                own = made.get(_OURS)
                if isinstance(own, dict) and isinstance(own.get("origin"), str):
                    own["place"] = place_of(own["origin"])
                return made
            case list():
                return [walk(inner) for inner in value]
            case _:
                return value

    return walk(tree)
