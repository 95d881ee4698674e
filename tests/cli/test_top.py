"""`lateen top`: rows out of the observer's answers, the busiest first."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rich.console import Console

from lateen.apiserver.client import Client
from lateen.cli.top import Load, loads, table
from lateen.telemetry.promql.reading import read_expression


class Answers(Client):
    """Two workloads: one with requests and failures, one with TCP alone."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))

    def get(self, path: str, *, timeout: float = 1.0) -> Any:
        (text,) = parse_qs(urlsplit(path).query)["query"]
        read_expression(text)
        found = {"shop/web": _web(text)} if "tcp" not in text else {"shop/db": 0.5}
        result = [
            {"metric": _labels(who), "value": [0, str(value)]} for who, value in found.items()
        ]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}


def _web(text: str) -> float:
    if "quantile" in text:
        return 2.5 if "(0.5" in text else float("nan")
    if "response_code" in text:
        return 1.0
    return 4.0 if "mutual_tls" in text else 10.0


def _labels(who: str) -> dict[str, str]:
    namespace, name = who.split("/")
    return {"destination_workload_namespace": namespace, "destination_workload": name}


def test_rows_are_put_together_and_sorted() -> None:
    assert loads(Answers(), "workload", "15s") == [
        Load(namespace="shop", name="web", requests=10, errors=0.1, p50=2.5, mutual=0.4),
        Load(namespace="shop", name="db", connections=0.5),
    ]


def test_the_table_says_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    rows = loads(Answers(), "workload", "15s")
    Console(width=100).print(table(rows, "workload", "15s"))
    heading, web, db, _ = capsys.readouterr().out.splitlines()
    assert heading.split() == [
        *("NAMESPACE", "WORKLOAD", "REQ/S", "FAILED", "P50", "P95", "MTLS", "CONN/S")
    ]
    assert web.split() == ["shop", "web", "10.0", "10.0%", "2.5", "ms", "-", "40%", "0.0"]
    assert db.split() == ["shop", "db", "0.0", "-", "-", "-", "-", "0.5"]
