"""Tell what a file itself says of an object from what decoding filled in.

In: an object with the places of its fields.    Out: its tree without defaults; a tree that leaves them to others.
Before: api/decode.py        After: cluster/applying.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lateen.api.objects import Obj
from lateen.api.paths import child, element

Places = Mapping[str, object]


def written(obj: Obj) -> dict[str, Any]:
    """The fields that stand in the file; all of them where that is not known."""
    tree = {key: value for key, value in obj.raw.items() if key != "status"}
    if obj.places is None or not obj.places.places or obj.key.kind == "Secret":
        return tree  # what a Secret says in `stringData` is kept in `data`
    kept = _written(tree, "", obj.places.places)
    return {**kept, "apiVersion": tree["apiVersion"], "kind": tree["kind"]}


def _written(value: Any, path: str, places: Places) -> Any:
    match value:
        case Mapping():
            below = ((key, child(path, key)) for key in value)
            return {k: _written(value[k], at, places) for k, at in below if at in places}
        case list():
            return [_written(item, element(path, i), places) for i, item in enumerate(value)]
    return value


def yielding(
    wanted: Mapping[str, Any], said: Mapping[str, Any], last: Any, live: Any
) -> dict[str, Any]:
    """`wanted` without the defaults that others have replaced since, such as an autoscaler `replicas`.

    `said` is what the file says, `last` was wanted the last time. Lists are taken whole.
    """
    made = dict(wanted)
    for key, value in wanted.items():
        there = live.get(key) if isinstance(live, Mapping) else None
        before = last.get(key) if isinstance(last, Mapping) else None
        if there is None or before is None:
            continue
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            inner = said.get(key)
            made[key] = yielding(value, inner if isinstance(inner, Mapping) else {}, before, there)
        elif key not in said and before == value:
            made[key] = there
    return made
