"""The agent's side of the zygote: start a process, watch it, signal it.

In: Spec, a pod's network namespace.    Out: Processes, Process, StartError.
Before: node/zygote.py, node/terminals.py        After: node/containers.py, node/executing.py
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from lateen.base.errors import LateenError
from lateen.node import terminals
from lateen.node.terminals import NoTerminal
from lateen.node.zygote import Spec, encode_spec

Output = Callable[[bytes], None]
_Opened = tuple[asyncio.Future[None], asyncio.ReadTransport]
_MAX_ANSWER = 8192
_MAX_FAILURE = 4096
_OUTPUT_SECONDS = 2.0
_SEND_SECONDS = 5.0


class StartError(LateenError):
    """The process could not be started; the message is the system's reason."""


@dataclass(slots=True)
class Process:
    """A running process. `ended` gives its exit status, negative for a signal's number.

    `stdin` is there if it was asked for, `terminal` is the descriptor of the other end of its
    terminal, or -1.
    """

    pid: int
    ended: asyncio.Future[int]
    outputs: list[asyncio.Future[None]] = field(default_factory=list)
    readers: list[asyncio.ReadTransport] = field(default_factory=list)
    stdin: asyncio.StreamWriter | None = None
    terminal: int = -1

    async def output_read(self) -> None:
        """Wait, not for long, until what the ended process wrote has been read."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*self.outputs), _OUTPUT_SECONDS)

    def read_on(self, go: bool) -> None:
        """Go on reading what it writes, or let it wait."""
        for reader in self.readers:
            if not reader.is_closing():
                reader.resume_reading() if go else reader.pause_reading()

    def resize(self, width: int, height: int) -> None:
        """Say how many columns and rows its terminal has."""
        if self.terminal >= 0:
            terminals.resize(self.terminal, width, height)

    def hang_up(self) -> None:
        """Close what is held of it: its input ends, and its terminal is gone."""
        if self.stdin is not None:
            self.stdin.close()
        for reader in self.readers:
            reader.close()
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1


class Processes:
    """Starts processes through the zygote, whose socket is given."""

    def __init__(self, link: socket.socket, lost: Callable[[], None]) -> None:
        link.setblocking(False)
        self._link = link
        self._lost = lost
        self._numbers = itertools.count(1)
        self._starting: dict[int, asyncio.Future[Process]] = {}
        self._running: dict[int, Process] = {}
        asyncio.get_running_loop().add_reader(link, self._read)

    async def start(
        self,
        spec: Spec,
        namespace: int,
        out: Output,
        err: Output,
        beside: Process | None = None,
    ) -> Process:
        """Start a container's first process in its own namespaces; raises StartError.

        With `beside` it is not the first of its PID namespace, but sees that container's processes.
        """
        request: dict[str, object] = {"op": "start", "beside": beside.pid if beside else 0}
        return await self._ask(request, spec, (namespace,), out, err)

    async def join(self, container: Process, spec: Spec, out: Output, err: Output) -> Process:
        """Start a process inside a running container; raises StartError."""
        return await self._ask({"op": "join", "pid": container.pid}, spec, (), out, err)

    def kill(self, process: Process, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if not process.ended.done():
            self._send({"op": "kill", "pid": process.pid, "signal": int(number)}, [])

    async def _ask(
        self,
        request: dict[str, object],
        spec: Spec,
        namespaces: tuple[int, ...],
        out: Output,
        err: Output,
    ) -> Process:
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        said = bytearray()
        async with contextlib.AsyncExitStack() as opened:
            described = os.memfd_create("spec", os.MFD_CLOEXEC)
            opened.callback(os.close, described)
            os.write(described, encode_spec(spec))
            failure, failing = os.pipe2(os.O_CLOEXEC)
            closing = opened.enter_context(contextlib.ExitStack())
            closing.callback(os.close, failing)
            stdio = _Stdio(spec.stdin)
            opened.callback(stdio.forget)
            theirs = await stdio.open(closing, out, err)
            answer: asyncio.Future[Process] = loop.create_future()
            self._starting[number] = answer
            fds = [described, *(fd if fd >= 0 else described for fd in theirs), failing]
            self._send(request | {"id": number}, [*fds, *namespaces])
            closing.close()
            failed, _ = await _reading(failure, lambda part: said.extend(part[:_MAX_FAILURE]))
            try:
                process = await asyncio.shield(answer)
                await failed
            except asyncio.CancelledError:
                answer.add_done_callback(self._abandon)
                raise
            if not said:
                try:
                    await stdio.give_to(process, out)
                except NoTerminal as fault:
                    self.kill(process, signal.SIGKILL)
                    said.extend(str(fault).encode())
        if said:
            await asyncio.shield(process.ended)
            raise StartError(said.decode(errors="replace"))
        return process

    def _abandon(self, answer: asyncio.Future[Process]) -> None:
        if answer.exception() is None:
            self.kill(answer.result(), signal.SIGKILL)

    def _send(self, request: dict[str, object], fds: list[int]) -> None:
        raw = [json.dumps(request).encode()]
        try:
            socket.send_fds(self._link, raw, fds)
        except BlockingIOError:  # hundreds of requests at once; the zygote is quick to take them
            self._link.settimeout(_SEND_SECONDS)
            socket.send_fds(self._link, raw, fds)
            self._link.setblocking(False)

    def _read(self) -> None:
        try:
            raw = self._link.recv(_MAX_ANSWER)
        except BlockingIOError:
            return
        if not raw:
            asyncio.get_running_loop().remove_reader(self._link)
            self._lost()
            return
        answer = json.loads(raw)
        if "ended" in answer:
            self._running.pop(answer["ended"]).ended.set_result(answer["status"])
            return
        waiting = self._starting.pop(answer["id"])
        if answer["error"]:
            waiting.set_exception(StartError(answer["error"]))
            return
        process = Process(answer["pid"], asyncio.get_running_loop().create_future())
        self._running[process.pid] = process
        waiting.set_result(process)


class _Stdio:
    """The agent's ends of a starting process's input and output."""

    def __init__(self, stdin: str) -> None:
        self._stdin = stdin
        self._input = -1
        self._link: socket.socket | None = None
        self._outputs: list[_Opened] = []

    async def open(
        self, closing: contextlib.ExitStack, out: Output, err: Output
    ) -> tuple[int, int, int]:
        """The process's ends, closed with `closing`; -1 where it needs none."""
        if self._stdin == "terminal":
            self._link, theirs = socket.socketpair()
            closing.callback(theirs.close)
            return theirs.fileno(), -1, -1
        reader = -1
        if self._stdin == "pipe":
            reader, self._input = os.pipe2(os.O_CLOEXEC)
            closing.callback(os.close, reader)
        writers = []
        for take in (out, err):
            ours, writer = os.pipe2(os.O_CLOEXEC)
            closing.callback(os.close, writer)
            writers.append(writer)
            self._outputs.append(await _reading(ours, take))
        return reader, writers[0], writers[1]

    async def give_to(self, process: Process, out: Output) -> None:
        """Hand the ends over; raises NoTerminal."""
        if self._link is not None:
            process.terminal = terminals.received(self._link)
            self._input = os.dup(process.terminal)
            self._outputs.append(await _reading(os.dup(process.terminal), out))
        for closed, transport in self._outputs:
            process.outputs.append(closed)
            process.readers.append(transport)
        if self._input >= 0:
            own, self._input = self._input, -1
            process.stdin = await terminals.writing(own)

    def forget(self) -> None:
        """Close what was not handed over."""
        if self._link is not None:
            self._link.close()
        if self._input >= 0:
            os.close(self._input)
            self._input = -1


class _Reader(asyncio.Protocol):
    """Hands on what arrives on a pipe, and tells when it is closed."""

    def __init__(self, take: Output) -> None:
        self._take = take
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def _reading(fd: int, take: Output) -> _Opened:
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)
    transport, reader = await loop.connect_read_pipe(lambda: _Reader(take), os.fdopen(fd, "rb", 0))
    return reader.closed, transport


@contextlib.asynccontextmanager
async def killed_at_end(processes: Processes, process: Process) -> AsyncIterator[Process]:
    """Make sure a helper process does not outlive the block."""
    try:
        yield process
    finally:
        processes.kill(process, signal.SIGKILL)
