"""`lateen traces`: find traces, show one as a tree.

In: the observer's answers.    Out: text or JSON.
Before: cli/finding.py         After: -
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from lateen.api.fields import DURATION_FORM, Duration
from lateen.base.errors import LateenError, NotFound
from lateen.cli.finding import observer_of

_BAR = 30  # columns
_TOLD = ("http.status_code", "response_flags", "upstream_cluster")
Json = Mapping[str, Any]


class Asked(Struct, frozen=True, kw_only=True):
    """What is looked for; milliseconds, 0 for any."""

    service: str = ""
    operation: str = ""
    tags: tuple[str, ...] = ()
    least: float = 0
    most: float = 0
    errors: bool = False
    since: str = ""
    limit: int = 20

    def query(self) -> str:
        """The parameters of the search."""
        given = {
            "service": self.service,
            "operation": self.operation,
            "min": f"{self.least:g}" if self.least else "",
            "max": f"{self.most:g}" if self.most else "",
            "error": "true" if self.errors else "",
            "start": str(started(self.since)) if self.since else "",
            "limit": str(self.limit),
        }
        pairs = [(key, value) for key, value in given.items() if value]
        return urlencode([*pairs, *(("tag", tag) for tag in self.tags)])


def started(since: str) -> float:
    """When it was as long ago as that, in seconds since 1970; raises LateenError."""
    try:
        return datetime.now(UTC).timestamp() - Duration.parse(since).seconds
    except ValueError:
        raise LateenError(f"--since: wanted {DURATION_FORM}, got {since!r}") from None


def run_traces(name: str, id: str, asked: Asked, *, as_json: bool) -> int:
    """Print what is found; 1 for nothing."""
    observer = observer_of(name)
    if id:
        try:
            trace = observer.get(f"/traces/{id}")
        except NotFound:
            raise NotFound(f"no trace {id} is kept") from None
        print(json.dumps(trace, indent=2) if as_json else "\n".join(tree(trace["spans"])))
        return 0
    answer = observer.get(f"/traces/search?{asked.query()}")
    found = answer["traces"]
    for line in thinned(answer["thinned"]):
        print(line, file=sys.stderr)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(listed(found)) if found else "no such trace is kept")
    return 0 if found else 1


def thinned(shares: Mapping[str, int]) -> Iterator[str]:
    """Which proxies do not trace all of their requests just now."""
    for who, share in shares.items():
        yield f"{who} has many requests: {share} % of those that it begins are traced just now"


def listed(traces: Sequence[Json]) -> Iterator[str]:
    """A line for each trace."""
    yield f"{'TRACE':32}  {'TIME':12}  {'MS':>9}  {'SPANS':>5}  {'ERRORS':>6}  ROOT"
    for trace in traces:
        when = datetime.fromtimestamp(trace["start"]).astimezone().strftime("%H:%M:%S.%f")[:12]
        root = f"{trace['root']['service']}  {trace['root']['operation']}"
        took = trace["duration"] * 1000
        errors = str(trace["errors"] or "")
        yield f"{trace['traceId']}  {when}  {took:9.1f}  {trace['spans']:5}  {errors:>6}  {root}"


def tree(spans: Sequence[Json]) -> Iterator[str]:
    """A line for each span below the one it is a part of, with its place in time."""
    begin = min(span["start"] for span in spans)
    whole = max(span["start"] + span["duration"] for span in spans) - begin or 1e-9
    ids = {span["spanId"] for span in spans}
    children: dict[str, list[Json]] = {}
    for span in spans:
        children.setdefault(span["parentId"] if span["parentId"] in ids else "", []).append(span)
    stack = [(span, 0) for span in reversed(children.get("", []))]
    seen: set[str] = set()
    while stack:
        span, depth = stack.pop()
        if span["spanId"] in seen:
            continue
        seen.add(span["spanId"])
        yield _line(span, depth, begin, whole)
        stack += [(each, depth + 1) for each in reversed(children.get(span["spanId"], []))]


def _line(span: Json, depth: int, begin: float, whole: float) -> str:
    at = min(int((span["start"] - begin) / whole * _BAR), _BAR - 1)
    long = max(1, round(span["duration"] / whole * _BAR))
    bar = (" " * at + "▇" * long)[:_BAR]
    tags = span["tags"]
    said = [f"{tags[key]}" for key in _TOLD if tags.get(key) not in (None, "", "-")]
    mark = " !" if span["status"] == "error" else ""
    who = f"{'  ' * depth}{span['service']}  {span['operation']}"
    kind = f"[{span['source']} {span['kind']}]"
    return f"{span['duration'] * 1000:9.2f} ms |{bar:{_BAR}}|{mark:2} {who}  {kind} {' '.join(said)}".rstrip()
