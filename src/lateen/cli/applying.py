"""`lateen apply`: take in what files say, wait for the proxies, and tell what they said.

In: paths, how long to wait.     Out: text or JSON; an exit status.
Before: cli/finding.py           After: app/applying.py (by the API)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lateen.cli.finding import client_of
from lateen.cli.up import absolute, standard_input
from lateen.cli.view import problem_line

ANSWER_SECONDS = 60.0  # on top of the time to wait


def run_apply(
    name: str, paths: list[str], *, namespace: str, wait: float | None, as_json: bool
) -> int:
    """Apply; raises Unreachable where no mesh runs, EnvironmentFault for a path that cannot be read."""
    body = {
        "paths": [absolute(path) for path in paths],
        "stdin": standard_input() if "-" in paths else "",
        "folder": str(Path.cwd()),
        "namespace": namespace,
        "beside": True,
        "wait": wait,
    }
    client = client_of(name)
    told = client.post("/lateen/v1/sources", body, timeout=ANSWER_SECONDS + (wait or 0))
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        print_applied(told)
    return 0 if is_well(told) else 1


def is_well(told: dict[str, Any]) -> bool:
    """Whether all that was given is carried out, and all that was waited for has come."""
    errors = any(problem["level"].lower() == "error" for problem in told["problems"])
    return not (errors or told["refused"]) and told.get("waited", {}).get("complete", True)


def print_applied(told: dict[str, Any]) -> None:
    """What changed, who has acknowledged it after how long, and what is wrong."""
    counts = ", ".join(f"{len(told[what])} {what}" for what in ("created", "changed", "deleted"))
    print(f"applied: {counts}")
    for line in waited_lines(told.get("waited")):
        print(line)
    for problem in told["problems"]:
        print(problem_line(problem))


def waited_lines(waited: dict[str, Any] | None) -> list[str]:
    """The proxies concerned, the quickest first, and those that still have to answer."""
    if waited is None:
        return []
    rows = waited["proxies"]
    if not rows:
        return ["no proxy is concerned" if waited["complete"] else _late(waited, 0)]
    done = sorted((row for row in rows if row["seconds"] is not None), key=_seconds)
    lines = []
    if done:
        count = f"{len(done)} of {len(rows)} prox{'y has' if len(rows) == 1 else 'ies have'}"
        lines.append(f"{count} acknowledged, the last after {_seconds(done[-1]) * 1000:.0f} ms")
    if not waited["complete"]:
        lines.append(_late(waited, len(rows) - len(done)))
    width = max(len(_name(row)) for row in rows)
    for row in (*done, *(row for row in rows if row["seconds"] is None)):
        took = "waiting" if row["seconds"] is None else f"{row['seconds'] * 1000:5.0f} ms"
        refused = "  after it had refused a part" if row["refused"] else ""
        lines.append(f"  {_name(row):<{width}}  {took}{refused}")
    return lines


def _late(waited: dict[str, Any], count: int) -> str:
    who = f"{count} prox{'y has' if count == 1 else 'ies have'} not acknowledged it"
    what = who if count else "it is not settled"
    return f"{what} after {waited['seconds']:.1f} s; what was served before is served on"


def _seconds(row: dict[str, Any]) -> float:
    return float(row["seconds"])


def _name(row: dict[str, Any]) -> str:
    return f"{row['namespace']}/{row['pod']}" if row["namespace"] else str(row["pod"])
