"""Open the tap of one proxy, at its admin interface, for as long as somebody looks.

In: an admin socket, a tap's id.    Out: pieces of what Envoy writes.
Before: envoy/filters/tap.py        After: taps/api.py
Source: Envoy, "Tap" and its admin endpoint: over a pipe it wants HTTP/2, or it would not learn that nobody looks any more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

_PIECE = 64 * 1024
_NOT_THE_BODY = 1  # bytes of a body that are kept; Envoy has no word for none


class CannotOpen(Exception):
    """The proxy does not let its tap be opened; the message says why."""


def _request(id: str) -> bytes:
    output = {
        "max_buffered_rx_bytes": _NOT_THE_BODY,
        "max_buffered_tx_bytes": _NOT_THE_BODY,
        "sinks": [{"format": "JSON_BODY_AS_STRING", "streaming_admin": {}}],
    }
    config = {"match": {"any_match": True}, "output_config": output}
    return json.dumps({"config_id": id, "tap_config": config}).encode()


async def opened(admin: Path, id: str) -> AsyncIterator[str]:
    """What the tap writes, until the reader goes or the proxy ends; raises CannotOpen, OSError."""
    reader, writer = await asyncio.open_unix_connection(str(admin))
    wire = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    try:
        _ask(wire, id)
        writer.write(wire.data_to_send())
        while data := await reader.read(_PIECE):
            for event in wire.receive_data(data):
                match event:
                    case ResponseReceived():
                        told = {str(name): str(value) for name, value in event.headers or ()}
                        status = told.get(":status", "")
                        if status != "200":
                            raise CannotOpen(f"its admin interface answers {status}")
                    case DataReceived():
                        wire.acknowledge_received_data(event.flow_controlled_length or 0, 1)
                        yield (event.data or b"").decode(errors="replace")
                    case StreamEnded() | StreamReset() | ConnectionTerminated():
                        return
                    case _:
                        pass
            writer.write(wire.data_to_send())
            await writer.drain()
    except ProtocolError as fault:
        raise CannotOpen(str(fault)) from None
    finally:
        writer.close()


def _ask(wire: H2Connection, id: str) -> None:
    body = _request(id)
    wire.initiate_connection()
    head = [(":method", "POST"), (":path", "/tap"), (":scheme", "http"), (":authority", "admin")]
    wire.send_headers(1, [*head, ("content-length", str(len(body)))])
    wire.send_data(1, body, end_stream=True)
