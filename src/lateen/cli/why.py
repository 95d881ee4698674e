"""`lateen why-denied`: which policy let a request in or refused it, at each proxy it passed.

In: a request id, the control plane's answer.    Out: text or JSON.
Before: cli/finding.py      After: cli/main.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from lateen.cli.finding import client_of

Hop = dict[str, Any]


def run_why_denied(name: str, id: str, *, as_json: bool) -> int:
    """The hops of one request, or ("") what was refused lately. Exit status 1 when there is nothing."""
    where = f"?id={quote(id, safe='')}" if id else ""
    found: list[Hop] = client_of(name).get(f"/lateen/v1/decisions{where}")["hops"]
    if as_json:
        print(json.dumps({"hops": found}, indent=2))
    elif found:
        for line in told(found):
            print(line)
    elif id:
        print(
            f"no proxy wrote of a request {_plain(id)}: `lateen why-denied` lists what was refused lately"
        )
    else:
        print("no request was refused lately")
    return 0 if found else 1


def told(hops: list[Hop]) -> Iterator[str]:
    """The hops as lines: what was asked where, then who decided."""
    for hop in hops:
        asked = f"{hop['method']} {hop['authority']}{hop['path']}"
        yield _plain(
            f"{hop['time']}  {hop['namespace']}/{hop['pod']}  {asked}  {hop['status']}  {hop['id']}"
        )
        yield _plain(f"    {hop['why']}")
        for mark in hop["marks"]:
            place = f", {mark['place']}" if mark["place"] else ""
            rule = f"{mark['namespace']}/{mark['name']} {mark['field']}{place}"
            yield _plain(f"    noted by AuthorizationPolicy {rule} ({mark['action']})")


def _plain(text: str) -> str:
    """What a client sent is shown, not carried out by the terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
