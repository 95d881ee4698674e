"""`lateen tap`: requests as they pass.

In: the observer's events.    Out: a line for each.
Before: cli/finding.py        After: -
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from lateen.cli.finding import client_of, matching_pods, observer_of, status_of


class Asked(Struct, frozen=True, kw_only=True):
    """Which requests, how shown; `count` 0 for no end."""

    source: str = ""
    method: str = ""
    path: str = ""
    status: str = ""
    authority: str = ""
    headers: bool = False
    outbound: bool = False
    count: int = 0

    def pairs(self) -> Iterator[tuple[str, str]]:
        """The parameters of the question."""
        given = {
            "source": self.source,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "authority": self.authority,
            "headers": "true" if self.headers else "",
            "outbound": "true" if self.outbound else "",
        }
        yield from ((key, value) for key, value in given.items() if value)


def run_tap(name: str, word: str, namespace: str, asked: Asked, *, as_json: bool) -> int:
    """Print requests until Ctrl-C, or until there were as many as asked for."""
    observer = observer_of(name)
    pairs = list(asked.pairs())
    if word:
        pods = matching_pods(status_of(client_of(name))["pods"], word, namespace)
        pairs += [("pod", pod["name"]) for pod in pods]
        namespace = pods[0]["namespace"]
    if namespace:
        pairs.append(("namespace", namespace))
    shown = 0
    try:
        for kind, data in _events(observer.stream_lines(f"/tap?{urlencode(pairs)}")):
            if kind == "fault":
                print(f"lateen: {json.loads(data)}", file=sys.stderr)
                continue
            print(data if as_json else "\n".join(lines(json.loads(data))), flush=True)
            shown += 1
            if shown == asked.count:
                return 0
    except KeyboardInterrupt:
        return 130
    return 0


def _events(stream: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The kind and the data of server-sent events of one line of data each."""
    kind = ""
    for line in stream:
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, value
            kind = ""


def lines(seen: Mapping[str, Any]) -> Iterator[str]:
    """A request in a line, its headers below it."""
    time = seen["time"].partition("T")[2][:12]
    source, to = (_who(seen[side]) for side in ("source", "destination"))
    took = "" if seen["milliseconds"] < 0 else f" {seen['milliseconds']:.1f}ms"
    status = seen["status"] or "no answer"
    asked = f"{seen['method']} {seen['authority']}{seen['path']}"
    yield f"{time} {source} -> {to} {asked} {status}{took}"
    for mark, side in ((">", "request"), ("<", "response")):
        for name, value in seen.get(side, {}).items():
            yield f"    {mark} {name}: {value}"


def _who(place: Mapping[str, str]) -> str:
    return f"{place['namespace']}/{place['name']}" if place["namespace"] else place["name"] or "?"
