"""`lateen logs` with a filter: lines of several pods.

In: the observer's answers.    Out: lines, each with the pod that wrote it.
Before: cli/finding.py         After: -
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from msgspec import Struct

from lateen.cli.finding import client_of, matching_pods, observer_of, status_of
from lateen.cli.traces import started

_LIMIT = 1000
Json = Mapping[str, Any]


class Asked(Struct, frozen=True, kw_only=True):
    """What is looked for; `tail` is how many of the last lines, below 0 for the most there may be."""

    selector: str = ""
    container: str = ""
    grep: str = ""
    level: str = ""
    trace: str = ""
    since: str = ""
    follow: bool = False
    tail: int = -1

    def query(self, pods: Sequence[str], namespace: str) -> str:
        """The parameters of the question."""
        given = {
            "namespace": namespace,
            "container": self.container,
            "text": self.grep,
            "level": self.level,
            "trace": self.trace,
            "start": str(started(self.since)) if self.since else "",
            "limit": str(self.tail if self.tail >= 0 else _LIMIT),
        }
        pairs = [(key, value) for key, value in given.items() if value]
        return urlencode([*pairs, *(("pod", pod) for pod in pods)])


def run_search(name: str, word: str, namespace: str, asked: Asked) -> int:
    """Print what is found, oldest first, and with `follow` what comes; 1 for nothing."""
    pods = _pods(name, word, namespace, asked.selector)
    if pods is None:
        print("no pod has these labels", file=sys.stderr)
        return 1
    query, observer = asked.query(pods, namespace), observer_of(name)
    found = observer.get(f"/logs/search?{query}")
    if found["more"]:
        print(f"the last {len(found['lines'])}; older ones are there", file=sys.stderr)
    for line in reversed(found["lines"]):
        _show(line)
    if not asked.follow:
        return 0 if found["lines"] else 1
    try:
        for line in _events(observer.stream_lines(f"/logs/tail?{query}")):
            _show(line)
    except KeyboardInterrupt:
        return 130
    return 0


def _pods(name: str, word: str, namespace: str, selector: str) -> list[str] | None:
    """The pods meant, none for all; None where labels fit no pod."""
    client = client_of(name)
    if selector:
        where = f"/namespaces/{quote(namespace)}" if namespace else ""
        items = client.get(f"/api/v1{where}/pods?{urlencode({'labelSelector': selector})}")["items"]
        return [item["metadata"]["name"] for item in items] or None
    if word:
        return [pod["name"] for pod in matching_pods(status_of(client)["pods"], word, namespace)]
    return []


def _events(stream: Iterator[str]) -> Iterator[Json]:
    for line in stream:
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def _show(line: Json) -> None:
    where = f"{line['pod']}/{line['container']}"
    sys.stdout.write(f"{line['time'][11:23]} {where} {line['text']}\n")
    sys.stdout.flush()
