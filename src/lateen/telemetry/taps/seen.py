"""What a tap saw of a request, out of Envoy's own words.

In: Envoy's HttpBufferedTrace as JSON, the pods by address.    Out: Seen, and whether it is wanted.
Before: -        After: taps/api.py
Source: envoy.data.tap.v3.HttpBufferedTrace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from json import JSONDecodeError, JSONDecoder
from typing import Any

Headers = tuple[tuple[str, str], ...]
_DECODER = JSONDecoder()
LONGEST = 4 * 1024 * 1024  # characters of one trace
_SECRET = ("authorization", "cookie", "set-cookie", "proxy-authorization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A pod, or ("", address) what is none."""

    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request; `milliseconds` till the answer began, -1 without one, `status` then 0."""

    time: str
    source: Place
    to: Place
    method: str
    authority: str
    path: str
    status: int
    milliseconds: float
    id: str = ""
    principal: str = ""
    request: Headers = field(default=())
    response: Headers = field(default=())

    def as_json(self, *, headers: bool) -> dict[str, Any]:
        """The request for others."""
        made: dict[str, Any] = {
            "time": self.time,
            "source": {"namespace": self.source.namespace, "name": self.source.name},
            "destination": {"namespace": self.to.namespace, "name": self.to.name},
            "method": self.method,
            "authority": self.authority,
            "path": self.path,
            "status": self.status,
            "milliseconds": self.milliseconds,
            "id": self.id,
            "principal": self.principal,
        }
        if headers:
            made |= {"request": dict(self.request), "response": dict(self.response)}
        return made


def seen_in(trace: Mapping[str, Any], to: Place, pods: Mapping[str, Place]) -> Seen | None:
    """What a trace says; None for what is none. Tokens and cookies are not shown."""
    trace = trace.get("http_buffered_trace") or {}
    request, response = trace.get("request") or {}, trace.get("response") or {}
    asked, answered = _headers(request), _headers(response)
    if ":method" not in asked:
        return None
    connection = trace.get("downstream_connection") or {}
    peer = (connection.get("remote_address") or {}).get("socket_address") or {}
    address = str(peer.get("address", ""))
    status = answered.get(":status", "0")
    begun, done = (str(part.get("headers_received_time") or "") for part in (request, response))
    return Seen(
        time=begun,
        source=pods.get(address, Place(name=address)),
        to=to,
        method=asked[":method"],
        authority=asked.get(":authority", ""),
        path=asked.get(":path", ""),
        status=int(status) if status.isdecimal() else 0,
        milliseconds=_between(begun, done),
        id=asked.get("x-request-id", ""),
        principal=_principal(asked.get("x-forwarded-client-cert", "")),
        request=_shown(asked),
        response=_shown(answered),
    )


def _headers(message: Mapping[str, Any]) -> dict[str, str]:
    made: dict[str, str] = {}
    for each in message.get("headers") or ():
        name, value = str(each.get("key", "")), str(each.get("value", ""))
        made[name] = f"{made[name]},{value}" if name in made else value
    return made


def _shown(headers: Mapping[str, str]) -> Headers:
    return tuple(
        (name, "(not shown)" if name in _SECRET else value)
        for name, value in headers.items()
        if not name.startswith(":")
    )


def _principal(certificate: str) -> str:
    """The caller's identity, of the last proxy's entry."""
    for part in certificate.rpartition(",")[2].split(";"):
        name, _, value = part.partition("=")
        if name == "URI":
            return value
    return ""


def _between(begun: str, done: str) -> float:
    try:
        start, end = (datetime.fromisoformat(text) for text in (begun, done))
    except ValueError:
        return -1.0
    return round((end - start).total_seconds() * 1000, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which requests; "" and 0 for all. `path` may have stars; `status` is 404 or 5xx."""

    source: str = ""
    method: str = ""
    path: str = ""
    status: str = ""
    authority: str = ""

    def has(self, seen: Seen) -> bool:
        """Whether a request is wanted."""
        return (
            _names(self.source, seen.source)
            and self.method.upper() in ("", seen.method)
            and (not self.authority or self.authority == seen.authority)
            and (not self.path or _path_fits(self.path, seen.path))
            and _status_fits(self.status, seen.status)
        )


def _names(word: str, place: Place) -> bool:
    """`POD`, the beginning of its name, or `NAMESPACE/POD`."""
    namespace, _, name = word.rpartition("/")
    return namespace in ("", place.namespace) and place.name.startswith(name)


def _path_fits(pattern: str, path: str) -> bool:
    if "*" in pattern:
        return fnmatchcase(path.partition("?")[0], pattern)
    return path.startswith(pattern)


def _status_fits(wanted: str, status: int) -> bool:
    if wanted.endswith("xx"):
        return str(status // 100) == wanted[0]
    return wanted in ("", str(status))


class Reader:
    """Takes a stream of JSON objects apart."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> Iterator[Mapping[str, Any]]:
        """The objects that are whole by now; what grows too long is dropped."""
        self._rest = (self._rest + text).lstrip()
        while self._rest:
            try:
                made, end = _DECODER.raw_decode(self._rest)
            except JSONDecodeError:
                if len(self._rest) > LONGEST:
                    self._rest = ""
                return
            self._rest = self._rest[end:].lstrip()
            if isinstance(made, dict):
                yield made
