"""Speak to a pod with code that blocks, over a connection the node agent makes in the pod's network.

In: a ForwardRequest, what speaks over a socket.        Out: what it returned, or NoAnswer.
Before: apiserver/streaming_forwarding.py               After: apiserver/hookcalls.py, apiserver/sending.py

The way is that of `kubectl port-forward`. Python's own HTTP client speaks over a socket, which asyncio has not; it has a
thread and one end of a pair, of which the other end is joined to the pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
from collections.abc import Callable
from typing import TypeVar

from lateen.apiserver.deps import ForwardRequest, OpenPodStream
from lateen.apiserver.streaming_forwarding import join

_CHUNK = 32 * 1024
_Said = TypeVar("_Said")


class NoAnswer(Exception):
    """The pod could not be reached or said nothing that could be read; the text says why."""


async def talk(
    target: ForwardRequest,
    open_stream: OpenPodStream,
    speak: Callable[[socket.socket], _Said],
    seconds: float,
) -> _Said:
    """Have `speak` run in a thread with a connected socket, which it closes; raises NoAnswer, also after `seconds`."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(seconds)
    ours.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours, limit=_CHUNK)

    async def read() -> bytes:
        return await reader.read(_CHUNK)

    async def write(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    carrying = asyncio.create_task(
        join(target, open_stream, read, write), name=f"talk to {target.uid}"
    )
    # When the pod's side has ended, so has the connection, whatever the thread still waits for.
    carrying.add_done_callback(lambda _: writer.close())
    asking = asyncio.to_thread(speak, theirs)
    try:
        async with asyncio.timeout(seconds):
            return await asking
    except TimeoutError:
        raise NoAnswer(f"no answer within {seconds:g} seconds") from None
    except (OSError, http.client.HTTPException, ValueError) as fault:
        words = carrying.result() if carrying.done() and not carrying.cancelled() else ""
        raise NoAnswer(words or str(fault) or type(fault).__name__) from None
    finally:
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_RDWR)  # the thread, if it still waits, hears of it
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
