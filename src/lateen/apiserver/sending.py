"""Send one request as a pod's app would: from inside its network, through its proxy.

In: a pod's uid, Wanted.         Out: Sent, as plain data.
Before: apiserver/streaming_forwarding.py        After: apiserver/meshroutes.py

So that `explain --live` and `test --live` see what really becomes of a request, whatever the app's own
container can run.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import time
from typing import Any

import msgspec

from lateen.apiserver.deps import ForwardRequest, OpenPodStream
from lateen.apiserver.streaming_forwarding import join

MOST_BODY = 64 * 1024  # bytes of an answer
LONGEST = 60.0  # seconds
_CHUNK = 32 * 1024


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
    ours, theirs = socket.socketpair()
    seconds = min(wanted.seconds, LONGEST)
    theirs.settimeout(seconds)
    ours.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours, limit=_CHUNK)

    async def read() -> bytes:
        return await reader.read(_CHUNK)

    async def write(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    target = ForwardRequest(uid=uid, port=wanted.port, address=wanted.address)
    carrying = asyncio.create_task(
        join(target, open_stream, read, write), name=f"send from {wanted.pod}"
    )
    carrying.add_done_callback(lambda _: writer.close())
    asking = asyncio.to_thread(_asked, theirs, wanted)
    try:
        async with asyncio.timeout(seconds):
            return await asking
    except TimeoutError:
        return {"error": f"no answer within {seconds:g} seconds"}
    except (OSError, http.client.HTTPException, ValueError) as fault:
        words = carrying.result() if carrying.done() and not carrying.cancelled() else ""
        return {"error": words or str(fault) or type(fault).__name__}
    finally:
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_RDWR)
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


def _asked(plain: socket.socket, wanted: Wanted) -> dict[str, Any]:
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
