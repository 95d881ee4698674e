"""Send made-up requests through a running mesh, and tell what became of them beside what was foretold.

In: Journey, the mesh's name.                       Out: Live; text or JSON.
Before: apiserver/sending.py, app/refusals.py       After: cli/explaining.py, cli/trying.py

A request is known again in the proxies' logs by its id, so who answered is seen without the app's help.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from lateen.apiserver.client import Client
from lateen.base.errors import LateenError
from lateen.cli.finding import client_of, status_of
from lateen.explain.drawing import data_of
from lateen.explain.telling import answer_words, percent, told
from lateen.explain.ways import End, Hop, Journey, ends_of

_LOG_SECONDS = 3.0  # the proxies write within half a second
_SECONDS = 10.0


class Live(Struct, frozen=True, kw_only=True):
    """What came back; `hops` are the pods whose proxies wrote of it, in order, each with why it decided.

    `status` is 0 where nothing came back, and `error` says why.
    """

    status: int
    seconds: float = 0.0
    location: str = ""
    error: str = ""
    hops: tuple[dict[str, Any], ...] = ()
    id: str = ""  # by which the proxies' logs know it; "" where they know it by another

    @property
    def pods(self) -> tuple[str, ...]:
        """`namespace/pod` of each proxy that saw it."""
        return tuple(f"{hop['namespace']}/{hop['pod']}" for hop in self.hops)


class Sender(Struct, frozen=True):
    """The way into one running mesh."""

    client: Client

    def send(self, journey: Journey, *, seconds: float = _SECONDS) -> Live:
        """Send a journey's request for real; raises LateenError for what cannot be sent."""
        ask = journey.ask
        if ask.raw:
            raise LateenError("--live sends HTTP only")
        headers = dict(ask.headers)
        # Not in the form of a UUID: in such a one Envoy notes whether the request is traced.
        id = headers.setdefault("x-request-id", f"lateen-{uuid.uuid4().hex}")
        if journey.source is None:
            return self._from_outside(journey, headers, seconds)
        first = journey.then.request if isinstance(journey.then, Hop) else None
        address = first.address if first else ""
        answer = self.client.post(
            "/lateen/v1/send",
            {
                "namespace": journey.source.namespace,
                "pod": journey.source.name,
                "address": address or _resolved(ask.host),
                "port": ask.port,
                "host": ask.authority,
                "method": ask.method,
                "path": ask.path,
                "headers": headers,
                "tls": ask.tls,
                "seconds": seconds,
            },
            timeout=seconds + 5,
        )
        return Live(
            status=answer.get("status", 0),
            seconds=answer.get("seconds", 0.0),
            location=answer.get("headers", {}).get("location", ""),
            error=answer.get("error", ""),
            id=id,
        )

    def _from_outside(self, journey: Journey, headers: dict[str, str], seconds: float) -> Live:
        """To the port of this machine that stands for the gateway's."""
        ask = journey.ask
        ports = status_of(self.client)["ports"]
        if str(ask.port) not in ports:
            raise LateenError(f"no port of this machine leads to a gateway's {ask.port}")
        connection = _connection(ports[str(ask.port)], seconds, ask.host if ask.tls else "")
        started = time.monotonic()
        with contextlib.closing(connection):
            try:
                connection.putrequest(ask.method, ask.path, skip_host=True)
                for name, value in {"host": ask.authority, **headers}.items():
                    connection.putheader(name, value)
                connection.endheaders()
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as fault:
                return Live(status=0, error=str(fault) or type(fault).__name__)
        # A gateway gives requests of its own an id that only those behind it can be asked about.
        return Live(
            status=answer.status,
            seconds=time.monotonic() - started,
            location=answer.getheader("location") or "",
        )

    def traced(self, live: Live, journey: Journey) -> Live:
        """The same with what the proxies wrote of it: all that were foretold, or those that soon did."""
        if not live.id:
            return live
        wanted = max((_proxies(end) for end in ends_of(journey)), default=0)
        until = time.monotonic() + _LOG_SECONDS
        while True:
            found = self.client.get(f"/lateen/v1/decisions?id={quote(live.id, safe='')}")["hops"]
            if len(found) >= wanted or time.monotonic() > until:
                return replace(live, hops=tuple(sorted(found, key=partial(_turn, journey))))
            time.sleep(0.1)


def _turn(journey: Journey, hop: Mapping[str, Any]) -> tuple[bool, str]:
    """The sender's own proxy comes first; two proxies may write the same millisecond."""
    source = journey.source
    first = source is not None and (hop["namespace"], hop["pod"]) == (source.namespace, source.name)
    return not first, str(hop["time"])


def _proxies(end: End) -> int:
    return sum(1 for hop in end.hops if hop.outcome is not None)


def _resolved(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
    except OSError as fault:
        raise LateenError(f"{host} has no address: {fault}") from None


def _connection(port: int, seconds: float, server: str) -> http.client.HTTPConnection:
    if not server:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    connection.connect()
    connection.sock = context.wrap_socket(connection.sock, server_hostname=server)
    return connection


def sender_for(name: str) -> Sender:
    """The sender of a running mesh; raises Unreachable."""
    return Sender(client_of(name))


def show_live(journey: Journey, live: Live, form: str) -> str:
    """What was foretold and what happened, side by side."""
    if form == "json":
        happened = {
            "status": live.status,
            "seconds": live.seconds,
            "error": live.error,
            "location": live.location,
            "hops": list(live.hops),
        }
        return json.dumps({"explained": data_of(journey), "live": happened}, indent=2)
    return "\n".join([*told(journey), "", *_beside(journey, live)])


def _beside(journey: Journey, live: Live) -> Iterator[str]:
    ends = list(ends_of(journey))
    expected = [f"{percent(end.share)} {answer_words(end.answer)}" for end in ends]
    happened = [live.error or f"{live.status} in {live.seconds * 1000:.0f} ms"]
    happened += [
        f"{hop['namespace']}/{hop['pod']}: {hop['status']}, {hop['why']}" for hop in live.hops
    ]
    width = max(map(len, ("explained", *expected)))
    yield f"{'explained':{width}}  live"
    for number in range(max(len(expected), len(happened))):
        left = expected[number] if number < len(expected) else ""
        right = happened[number] if number < len(happened) else ""
        yield f"{left:{width}}  {right}".rstrip()
