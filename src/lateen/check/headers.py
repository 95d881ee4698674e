"""Check what an HTTP rule does to headers.

In: Headers.    Out: problems.    Source: Istio ValidateHTTPHeader….
Before: check/at.py    After: check/httproute.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lateen.api.virtualservice import Headers, HTTPRoute
from lateen.base.problem import Problem
from lateen.check.at import At

_AUTHORITY = (":authority", "host")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_COMMAND = re.compile(r"%%|%[A-Z0-9_]+(?:\([^()]*\))?(?::\d+)?%")


def check_headers(headers: Headers | None, at: At) -> Iterator[Problem]:
    """Names and values to set and add, and names to remove, on requests and responses."""
    if headers is None:
        return
    for side, operations in (("request", headers.request), ("response", headers.response)):
        for word, entries in (("set", operations.set), ("add", operations.add)):
            for name, value in entries.items():
                here = at.key(side, word, name)
                yield from _name(name, here, authority=side == "request")
                yield from _value(value, here)
        for index, name in enumerate(operations.remove):
            yield from _name(name, at.key(side, "remove").item(index), authority=False)


def check_authority(route: HTTPRoute, at: At) -> Iterator[Problem]:
    """The authority may be rewritten in one place only."""
    given = [route.rewrite.authority] if route.rewrite and route.rewrite.authority else []
    if route.headers:
        for entries in (route.headers.request.set, route.headers.request.add):
            given += [value for name, value in entries.items() if name.lower() in _AUTHORITY]
    if len(given) > 1:
        words = (
            f'authority header cannot be set multiple times: have "{given[0]}",'
            f' attempting to set "{given[1]}"'
        )
        yield at.key("headers", "request").error(words)


def _name(name: str, at: At, *, authority: bool) -> Iterator[Problem]:
    if not name:
        yield at.error("header name cannot be empty")
    elif name.lower() in _AUTHORITY and authority:
        return
    elif name.lower() == "host":
        yield at.error(f'invalid header "{name}": cannot set Host header')
    elif name.startswith(":"):
        yield at.error(f'invalid header "{name}": header cannot have ":" prefix')


def _value(value: str, at: At) -> Iterator[Problem]:
    if _CONTROL.search(value):
        yield at.error("header value must not hold control characters")
    elif "%" in _COMMAND.sub("", value):
        words = f'header value "{value}": a % begins a command such as %HOSTNAME%'
        yield at.error(words, "write %% for the character itself")
