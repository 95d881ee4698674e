"""The columns a CustomResourceDefinition wants, and the paths it names fields by.

In: printer columns, a tree.    Out: Columns; the values at a path.
Before: apiserver/columns.py        After: apiserver/workcolumns.py

Source: Kubernetes "Additional printer columns"; the part of JSONPath that reads and filters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from lateen.api.definition import PrinterColumn
from lateen.api.kinds import Kind
from lateen.apiserver.ages import age_of
from lateen.apiserver.columns import AGE, NAME, Column, Tree

_STEP = re.compile(
    r"\.?\['(?P<quoted>[^']*)'\]|\.?\[(?P<index>-?\d+)\]|\.?\[(?P<all>\*)\]"
    r"|\.?\[\?\(@\.(?P<key>[^=!<>]+?)\s*==\s*['\"](?P<equal>[^'\"]*)['\"]\)\]"
    r"|\.(?P<star>\*)|\.(?P<name>(?:\\.|[^.\[\\])+)"
)


def custom_columns(kind: Kind) -> tuple[Column, ...]:
    """Name and what the definition wants; name and age if it wants nothing."""
    wanted = kind.custom.versions[kind.versions[0]].columns if kind.custom else ()
    return (NAME, *(_column(column) for column in wanted)) if wanted else (NAME, AGE)


def values_at(tree: Any, path: str) -> list[Any]:
    """Every value a path such as `.status.conditions[?(@.type=="Ready")].status` leads to."""
    values = [tree]
    for step in _steps(path):
        values = [found for value in values for found in _taken(value, step)]
    return values


def _column(column: PrinterColumn) -> Column:
    def cell(raw: Tree, now: datetime) -> Any:
        found = values_at(raw, column.json_path)
        if not found or found[0] is None:
            return None if column.type != "string" else ""
        if column.type == "date":
            return age_of(found[0], now)
        if column.type == "string":
            return " ".join(map(_text, found)) if len(found) > 1 else _text(found[0])
        return found[0]

    return Column(
        name=column.name,
        cell=cell,
        type=column.type,
        format=column.format,
        priority=column.priority,
        description=column.description,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[Mapping[str, str], ...]:
    """The path taken apart; () for one that is none."""
    rest = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    rest = rest if rest.startswith((".", "[")) else f".{rest}"
    steps: list[Mapping[str, str]] = []
    while rest:
        found = _STEP.match(rest)
        if found is None:
            return ({"nothing": ""},)
        steps.append({key: value for key, value in found.groupdict().items() if value is not None})
        rest = rest[found.end() :]
    return tuple(steps)


def _taken(value: Any, step: Mapping[str, str]) -> Iterable[Any]:
    match step:
        case {"quoted": name} | {"name": name}:
            name = name.replace("\\", "")
            return [value[name]] if isinstance(value, Mapping) and name in value else []
        case {"index": index}:
            number = int(index)
            inside = isinstance(value, list) and -len(value) <= number < len(value)
            return [value[number]] if inside else []
        case {"key": key, "equal": wanted}:
            items = value if isinstance(value, list) else []
            return [item for item in items if values_at(item, f".{key.strip()}") == [wanted]]
        case {"all": _} | {"star": _}:
            if isinstance(value, Mapping):
                return list(value.values())
            return value if isinstance(value, list) else []
    return []
