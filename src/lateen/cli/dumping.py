"""`lateen explain --dump`: follow a request through one Envoy's config_dump, and no further.

In: a file, a request.                                  Out: text or JSON.
Before: explain/dumps.py, explain/walk_envoy.py         After: cli/explaining.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lateen.base.errors import LateenError
from lateen.explain.answers import own_outcome
from lateen.explain.drawing import step_data
from lateen.explain.dumps import Dump, endpoints_of, read_dump
from lateen.explain.request import Forwarded, Outcome, Request, Way
from lateen.explain.steps import Step, trail_of
from lateen.explain.telling import answer_words, line_of, percent, sent_lines
from lateen.explain.walk_envoy import way_through_envoy

if TYPE_CHECKING:
    from lateen.cli.explaining import Question


def run_dump(asked: Question) -> int:
    """Print what the Envoy of a dump does with the request; exit status 1 if it answers itself."""
    dump = read_dump(_tree(asked.dump))
    for words in dump.unread:
        print(f"lateen: not read: {words}", file=sys.stderr)
    request = _request(asked, dump)
    steps, outcome = trail_of(way_through_envoy(dump.resources, request))
    if asked.form == "json":
        print(json.dumps(_data(dump, steps, outcome), indent=2, ensure_ascii=False))
    else:
        for line in _lines(asked, dump, request, steps, outcome):
            print(line)
    return 0 if isinstance(outcome, Forwarded) else 1


def _tree(file: str) -> Any:
    try:
        return json.loads(
            Path(file).read_text(encoding="utf-8") if file != "-" else sys.stdin.read()
        )
    except OSError as fault:
        raise LateenError(f"{file}: {fault.strerror}") from None
    except ValueError as fault:
        raise LateenError(f"{file} is no JSON: {fault}") from None


def _request(asked: Question, dump: Dump) -> Request:
    ask = asked.ask
    way = Way.INBOUND if asked.inbound else Way.GATEWAY if dump.gateway else Way.OUTBOUND
    return Request(
        way=way,
        port=ask.port,
        method=ask.method,
        path=ask.path,
        authority=ask.authority,
        headers=ask.headers,
        address=ask.host if ask.host.replace(".", "").isdigit() else "",
        peer=asked.peer,
        tls=ask.tls,
        raw=ask.raw,
        sni=ask.host if ask.tls else "",
        source=asked.client,
        client=asked.client,
        trusted=ask.trusted,
    )


def _lines(
    asked: Question, dump: Dump, request: Request, steps: tuple[Step, ...], outcome: Outcome
) -> list[str]:
    lines = [f"{asked.ask.text} {request.way.value} at {dump.node or 'the dumped proxy'}"]
    lines += [f"  {line_of(step)}" for step in steps]
    if not isinstance(outcome, Forwarded):
        return [*lines, "", answer_words(own_outcome(dump.node or "the proxy", outcome, request))]
    lines += [f"    {line}" for line in sent_lines(outcome, request)]
    total = sum(weight for _, weight in outcome.shares) or 1
    for cluster, weight in outcome.shares:
        where = ", ".join(endpoints_of(dump, cluster))
        end = f": {where}" if where else ""
        lines.append(f"  > {percent(weight / total * 100)} to {cluster}{end}")
    return lines


def _data(dump: Dump, steps: tuple[Step, ...], outcome: Outcome) -> dict[str, Any]:
    said: dict[str, Any] = {"proxy": dump.node, "steps": [step_data(step) for step in steps]}
    if isinstance(outcome, Forwarded):
        said["shares"] = [
            {"cluster": cluster, "weight": weight, "endpoints": list(endpoints_of(dump, cluster))}
            for cluster, weight in outcome.shares
        ]
    return said | {"outcome": type(outcome).__name__, "unread": list(dump.unread)}
