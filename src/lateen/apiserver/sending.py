"""Send one request as a pod's app would: from inside its network, through its proxy.

In: a pod's uid, Wanted.         Out: Sent, as plain data.
Before: apiserver/podtalks.py    After: apiserver/meshroutes.py

So that `explain --live` and `test --live` see what really becomes of a request, whatever the app's own
container can run.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from functools import partial
from typing import Any

import msgspec

from lateen.apiserver.deps import ForwardRequest, OpenPodStream
from lateen.apiserver.podtalks import NoAnswer, talk

MOST_BODY = 64 * 1024  # bytes of an answer
LONGEST = 60.0  # seconds


class Wanted(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The request: where to, and what. `host` is the authority, and the server name behind TLS."""

    namespace: str
    pod: str
    address: str
    port: int
    host: str
    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = {}
    tls: bool = False
    seconds: float = 10.0


async def send(wanted: Wanted, uid: str, open_stream: OpenPodStream) -> dict[str, Any]:
    """What came back: status, headers, body, seconds; or `error`, when nothing did."""
    target = ForwardRequest(uid=uid, port=wanted.port, address=wanted.address)
    seconds = min(wanted.seconds, LONGEST)
    try:
        return await talk(target, open_stream, partial(_asked, wanted), seconds)
    except NoAnswer as fault:
        return {"error": str(fault)}


def _asked(wanted: Wanted, plain: socket.socket) -> dict[str, Any]:
    """Speak HTTP over a connected socket, which is closed; for a thread of its own."""
    name = wanted.host.partition(":")[0]
    with contextlib.closing(http.client.HTTPConnection(name)) as connection, plain:
        connection.sock = (
            _untrusting().wrap_socket(plain, server_hostname=name) if wanted.tls else plain
        )
        started = time.monotonic()
        connection.putrequest(wanted.method, wanted.path, skip_host=True)
        for header, value in {"host": wanted.host, **wanted.headers}.items():
            connection.putheader(header, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read(MOST_BODY)
        return {
            "status": answer.status,
            "headers": {name.lower(): value for name, value in answer.getheaders()},
            "body": body.decode(errors="replace"),
            "seconds": round(time.monotonic() - started, 6),
        }


def _untrusting() -> ssl.SSLContext:
    """Whose certificate it is does not matter here: it is asked what becomes of the request."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
