"""What a request looks like when a proxy sends it on.

In: Request, Forwarded.      Out: Request.
Before: request.py           After: journey.py
"""

from __future__ import annotations

from msgspec.structs import replace

from lateen.explain.request import Changes, Forwarded, Request
from lateen.ir.routes import HeaderChanges

Headers = tuple[tuple[str, str], ...]


def onward(request: Request, sent: Forwarded, number: int) -> Request:
    """The request as it goes on to one of the shares (a copy: -1)."""
    headers = request.headers
    changes = sent.changes[number] if sent.changes and number >= 0 else Changes()
    for each in changes.request:
        headers = changed(headers, each)
    own = sent.authorities[number] if sent.authorities and number >= 0 else sent.authority
    return replace(request, path=sent.path, authority=own, headers=headers)


def changed(headers: Headers, changes: HeaderChanges) -> Headers:
    """Headers after changes: what is removed goes first, what is added joins what is there."""
    gone = {name.lower() for name in changes.remove} | {name.lower() for name, _ in changes.set}
    kept = [(name, value) for name, value in headers if name not in gone]
    told = dict(kept)
    for name, value in changes.add:  # joined with what is there
        told[name.lower()] = ",".join(filter(None, (told.get(name.lower(), ""), value)))
    told |= {name.lower(): value for name, value in changes.set}
    return tuple(told.items())
