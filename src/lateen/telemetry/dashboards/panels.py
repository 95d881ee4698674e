"""A dashboard of Grafana's, out of rows of panels.

In: Boards.    Out: JSON-able data.
Before: -        After: telemetry/dashboards/boards.py

Source: Grafana's dashboard model, schema version 39.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA = 39
RATE = "[$__rate_interval]"  # as long as Grafana finds right for the chart and the scraping
_WIDTH = 24  # of Grafana's grid
_UNITS = {
    "requests": "reqps",
    "share": "percentunit",
    "milliseconds": "ms",
    "seconds": "s",
    "bytes": "bytes",
    "bytes a second": "Bps",
    "cores": "none",
    "count": "short",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart or figure: expressions with the name of each line; `kind` is Grafana's."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "count"
    kind: str = "timeseries"
    description: str = ""
    warn: float | None = None  # from here on it is red


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels side by side, under a heading. `height` in Grafana's units of 30 pixels."""

    title: str
    panels: tuple[Panel, ...]
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What is chosen above the panels: a label's values."""

    name: str
    metric: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard; `uid` stays the same from one export to the next."""

    uid: str
    title: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()

    def expressions(self) -> tuple[str, ...]:
        """Every expression of every panel."""
        return tuple(q for row in self.rows for panel in row.panels for q, _ in panel.queries)


def board_json(board: Board) -> dict[str, Any]:
    """The dashboard as Grafana imports and provisions it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in board.rows:
        panels.append(_heading(row, len(panels) + 1, top))
        top += 1
        width = _WIDTH // len(row.panels)
        for index, panel in enumerate(row.panels):
            place = {"x": index * width, "y": top, "w": width, "h": row.height}
            panels.append(_panel(panel, len(panels) + 1, place))
        top += row.height
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": ["lateen", "istio"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "templating": {"list": [_source_choice(), *map(_variable, board.variables)]},
        "annotations": {"list": []},
        "panels": panels,
    }


def _heading(row: Row, id: int, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": _WIDTH, "h": 1}
    return {"id": id, "type": "row", "title": row.title, "gridPos": place, "panels": []}


def _panel(panel: Panel, id: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.warn is not None:
        steps.append({"color": "red", "value": panel.warn})
    return {
        "id": id,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": _UNITS[panel.unit],
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": _options(panel.kind),
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "range": panel.kind == "timeseries",
                "instant": panel.kind != "timeseries",
                **({"format": "table"} if panel.kind == "table" else {}),
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _options(kind: str) -> dict[str, Any]:
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    if kind == "timeseries":
        legend = {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return {}


def _source_choice() -> dict[str, Any]:
    return {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": f"label_values({variable.metric}, {variable.label})",
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def plain(expressions: Sequence[str]) -> list[str]:
    """Expressions as they are when everything is chosen, for whoever evaluates them without Grafana."""
    return [_without_variables(text) for text in expressions]


def _without_variables(text: str) -> str:
    for name in ("$namespace", "$service", "$workload"):
        text = text.replace(name, ".*")
    return text.replace("$__rate_interval", "1m").replace("$__range", "5m")
