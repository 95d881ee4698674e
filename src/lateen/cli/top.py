"""Show who is asked how much right now: rates, failures and times, by service or workload.

In: the observer's socket.    Out: a table, once or live, or JSON.
Before: telemetry/promapi.py        After: cli/commands/figures.py
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import asdict
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lateen.apiserver.client import Client
from lateen.app.settings import directories
from lateen.base import layout
from lateen.base.errors import EnvironmentFault, Unreachable

EVERY = 2.0  # seconds
BAD = 0.05  # share of failures from which on a row is red
_BY = {
    "service": ("destination_workload_namespace", "destination_service"),
    "workload": ("destination_workload_namespace", "destination_workload"),
}
_HTTP = 'istio_requests_total{{reporter="destination"{more}}}[{window}]'
_TIMES = 'istio_request_duration_milliseconds_bucket{{reporter="destination"}}[{window}]'
_TCP = 'istio_tcp_connections_opened_total{{reporter="destination"}}[{window}]'


class Load(Struct, frozen=True, kw_only=True):
    """One row. Rates are a second, times milliseconds; None where nothing was timed."""

    namespace: str
    name: str
    requests: float = 0.0
    errors: float = 0.0  # a share
    p50: float | None = None
    p95: float | None = None
    mutual: float = 0.0  # a share of the requests
    connections: float = 0.0


def run_top(name: str, *, by: str, window: str, once: bool, as_json: bool) -> int:
    """Print; the exit status. Without `once` until Ctrl-C."""
    run, _, _ = directories(name)
    client = Client(layout.observe_socket(run))
    if as_json:
        print(json.dumps({"by": by, "rows": [asdict(row) for row in loads(client, by, window)]}))
        return 0
    console = Console()
    if once or not console.is_terminal:
        console.print(table(loads(client, by, window), by, window))
        return 0
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            try:
                live.update(table(loads(client, by, window), by, window), refresh=True)
            except Unreachable as fault:
                live.update(Text(str(fault)), refresh=True)
            time.sleep(EVERY)


def loads(client: Client, by: str, window: str) -> list[Load]:
    """The rows, the busiest first; raises Unreachable, EnvironmentFault."""
    labels = _BY[by]
    grouped = ", ".join(labels)

    def ask(expression: str) -> dict[tuple[str, str], float]:
        return _values(_query(client, expression), labels)

    def rate(form: str, more: str = "") -> str:
        return f"sum by ({grouped}) (rate({form.format(more=more, window=window)}))"

    def quantile(share: float) -> str:
        rates = f"sum by (le, {grouped}) (rate({_TIMES.format(window=window)}))"
        return f"histogram_quantile({share}, {rates})"

    requests, failed = ask(rate(_HTTP)), ask(rate(_HTTP, ',response_code=~"5.."'))
    mutual = ask(rate(_HTTP, ',connection_security_policy="mutual_tls"'))
    p50, p95, tcp = ask(quantile(0.5)), ask(quantile(0.95)), ask(rate(_TCP))
    rows = [
        Load(
            namespace=key[0],
            name=key[1],
            requests=requests.get(key, 0.0),
            errors=_share(failed.get(key, 0.0), requests.get(key, 0.0)),
            p50=_number(p50.get(key)),
            p95=_number(p95.get(key)),
            mutual=_share(mutual.get(key, 0.0), requests.get(key, 0.0)),
            connections=tcp.get(key, 0.0),
        )
        for key in requests.keys() | tcp.keys()
    ]
    return sorted(rows, key=lambda row: (-row.requests - row.connections, row.namespace, row.name))


def _query(client: Client, expression: str) -> list[Mapping[str, Any]]:
    try:
        answer = client.get(f"/prometheus/api/v1/query?{urlencode({'query': expression})}")
    except Unreachable:
        raise Unreachable("the observer of this lateen does not answer: is it up?") from None
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise EnvironmentFault("the observer did not understand")
    result: list[Mapping[str, Any]] = answer["data"]["result"]
    return result


def _values(
    result: Iterable[Mapping[str, Any]], labels: tuple[str, str]
) -> dict[tuple[str, str], float]:
    first, second = labels
    return {
        (row["metric"].get(first, ""), row["metric"].get(second, "")): float(row["value"][1])
        for row in result
    }


def _share(part: float, whole: float) -> float:
    # Each rate is carried on to the window's edges by itself, so that a part may seem more than all.
    return min(part / whole, 1.0) if whole else 0.0


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def table(rows: Iterable[Load], by: str, window: str) -> Table:
    """The rows for a terminal."""
    made = Table(
        box=None, pad_edge=False, caption=f"over the last {window}", caption_justify="left"
    )
    for heading in ("NAMESPACE", by.upper()):
        made.add_column(heading, no_wrap=True)
    for heading in ("REQ/S", "FAILED", "P50", "P95", "MTLS", "CONN/S"):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        style = "red" if row.errors >= BAD else "dim" if not row.requests + row.connections else ""
        made.add_row(
            row.namespace,
            row.name,
            f"{row.requests:.1f}",
            f"{row.errors:.1%}" if row.requests else "-",
            _time(row.p50),
            _time(row.p95),
            f"{row.mutual:.0%}" if row.requests else "-",
            f"{row.connections:.1f}",
            style=style,
        )
    return made


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.1f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"
