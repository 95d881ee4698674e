"""Objects as Kubernetes' Table: the rows kubectl prints.

In: objects of one kind.    Out: a `meta.k8s.io/v1` Table tree.
Before: apiserver/workcolumns.py        After: apiserver/reading.py, apiserver/watching.py

Source: Kubernetes API concepts, "Receiving resources as Tables".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from lateen.api.kinds import Kind
from lateen.apiserver.workcolumns import columns_of


def table_of(
    kind: Kind,
    trees: Iterable[Mapping[str, Any]],
    *,
    now: datetime,
    include: str = "Metadata",
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The Table; `include` is what each row carries: Metadata, Object or None."""
    columns = columns_of(kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(metadata or {}),
        "columnDefinitions": [
            {
                "name": c.name,
                "type": c.type,
                "format": c.format,
                "description": c.description,
                "priority": c.priority,
            }
            for c in columns
        ],
        "rows": [
            {"cells": [c.cell(tree, now) for c in columns], **_carried(tree, include)}
            for tree in trees
        ],
    }


def _carried(tree: Mapping[str, Any], include: str) -> dict[str, Any]:
    match include:
        case "Object":
            return {"object": tree}
        case "None":
            return {}
        case _:
            partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
            return {"object": partial | {"metadata": tree.get("metadata", {})}}
