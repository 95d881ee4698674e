"""`lateen certs` and `lateen certs rotate`.

In: the control plane's answers.    Out: a table or JSON; progress of a change of root.
Before: cli/finding.py              After: -
"""

from __future__ import annotations

import json
import time
from typing import Any

from lateen.cli.finding import client_of
from lateen.cli.view import age, print_columns

_PATH = "/lateen/v1/certificates"
_STEADY = "steady"
_LOOK_EVERY = 0.5  # seconds


def run_certs(name: str, *, as_json: bool) -> int:
    """Every certificate; 1 if one ends soon, has ended, or is not yet valid."""
    shown = client_of(name).get(_PATH)
    if as_json:
        print(json.dumps(shown, indent=2))
    else:
        _print(shown)
    return 0 if all(row["state"] == "ok" for row in shown["certificates"]) else 1


def run_rotate(name: str, *, wait: bool) -> int:
    """Begin to go over to a new root; with `wait`, tell each step until the last."""
    client = client_of(name)
    shown = client.post(f"{_PATH}/rotate", {})
    print(f"{name}: {shown['rotation']}", flush=True)
    told = shown["rotation"]
    while wait and shown["rotation"] != _STEADY:
        time.sleep(_LOOK_EVERY)
        shown = client.get(_PATH)
        words = _step(shown)
        if words != told:
            told = words
            print(f"{name}: {words}", flush=True)
    return 0


def _step(shown: dict[str, Any]) -> str:
    if shown["rotation"] == _STEADY:
        return "done: the old root is trusted no more"
    waiting = ", ".join(shown["waitingFor"])
    return f"{shown['rotation']}; waiting for {waiting}" if waiting else str(shown["rotation"])


def _print(shown: dict[str, Any]) -> None:
    rows = [("KIND", "NAMESPACE", "NAME", "STATE", "UNTIL", "LEFT", "ABOUT")]
    rows += [
        (
            row["kind"],
            row["namespace"] or "-",
            row["name"],
            row["state"],
            f"{row['notAfter'][:19].replace('T', ' ')}",
            age(row["secondsLeft"]) if row["secondsLeft"] else "-",
            row["about"],
        )
        for row in shown["certificates"]
    ]
    print_columns(rows)
    if shown["rotation"] != _STEADY:
        print(f"\nA change of root is under way: {_step(shown)}")
