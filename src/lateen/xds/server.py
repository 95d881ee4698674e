"""Serve ADS to every proxy over one Unix socket: delta to Envoys, state of the world to gRPC clients.

In: snapshots per node, secrets, streams of proxies.       Out: responses; the ledger.
Before: xds/stream.py, xds/dialects.py, xds/tokens.py      After: stages/

A thin loop around Stream: requests wait in a bounded queue, and a snapshot that arrives while a proxy
is slow to read simply replaces the one before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import stat
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import grpc
import grpc.aio

from lateen.base.clock import Clock
from lateen.base.errors import EnvironmentFault
from lateen.base.tasks import named
from lateen.envoy.resources import Resources
from lateen.xds.changes import Changes
from lateen.xds.dialects import Delta, Dialect, StateOfTheWorld
from lateen.xds.events import Connected, Disconnected
from lateen.xds.ledger import Ledger
from lateen.xds.messages import DeltaRequest, SecretSource
from lateen.xds.stream import ACK_WAIT, Output, Stream, Timer
from lateen.xds.tokens import TokenKey
from lateen.xds.wire import BadRequest, Encoder, decode_whole_request

_log = logging.getLogger(__name__)

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_SOCKET_PATH_LIMIT = 104  # bytes; the smallest sun_path of the systems we run on
_REQUEST_LIMIT = 16 * 1024 * 1024  # bytes; a reconnect lists every name the proxy holds
_INBOX_LIMIT = 64  # requests read ahead of one stream


class _Call(Protocol):
    """What is used of grpc.aio.ServicerContext."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]]: ...
    async def write(self, message: bytes) -> None: ...
    async def abort(self, code: Any, details: str) -> None: ...


class Ads:
    """The xDS server of the mesh. Use from one event loop."""

    def __init__(
        self,
        *,
        key: TokenKey,
        secrets: SecretSource,
        clock: Clock,
        ledger: Ledger | None = None,
        ack_wait: float = ACK_WAIT,
        for_grpc: Callable[[str], Resources | None] = lambda _: None,
    ) -> None:
        """`for_grpc`: what the gRPC library is told where that proxy is; None for an unknown proxy."""
        self.ledger = ledger or Ledger(clock)
        self._key = key
        self._secrets = secrets
        self._clock = clock
        self._ack_wait = ack_wait
        self._encoder = Encoder()
        self._changes = Changes()
        self._snapshots: dict[str, Resources] = {}
        self._sessions: dict[str, _Session] = {}
        self._for_grpc = for_grpc
        self._grpc_ledger = Ledger(clock)  # nobody waits for these clients
        self._grpc_sessions: dict[str, set[_Session]] = {}  # a pod may have several
        self._server: Any = None
        self._socket: Path | None = None

    async def start(self, socket_path: Path) -> None:
        """Listen on a Unix socket of mode 0600; its folder should be 0700.

        A socket left there by an earlier run is replaced. Raises EnvironmentFault.
        """
        if len(str(socket_path).encode()) >= _SOCKET_PATH_LIMIT:
            raise EnvironmentFault(f"{socket_path} is too long for a Unix socket's name")
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(socket_path.lstat().st_mode):
                raise EnvironmentFault(f"{socket_path} is in the way and is not a socket")
            socket_path.unlink()
        server = grpc.aio.server(
            options=(("grpc.max_receive_message_length", _REQUEST_LIMIT), ("grpc.so_reuseport", 0))
        )
        # Neither (de)serialiser: messages stay bytes, so that they are made once for all proxies.
        delta = grpc.stream_stream_rpc_method_handler(self._serve)
        whole = grpc.stream_stream_rpc_method_handler(self._serve_whole)
        methods = {"DeltaAggregatedResources": delta, "StreamAggregatedResources": whole}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
        try:
            server.add_insecure_port(f"unix:{socket_path}")
        except RuntimeError as error:
            raise EnvironmentFault(f"cannot listen on {socket_path}: {error}") from error
        socket_path.chmod(0o600)
        await server.start()
        self._server, self._socket = server, socket_path

    async def stop(self) -> None:
        """End every stream and remove the socket; the proxies go on with what they have."""
        server, self._server = self._server, None
        if server is None:
            return
        for session in (*self._sessions.values(), *chain(*self._grpc_sessions.values())):
            session.close()
        await server.stop(None)
        if self._socket:
            self._socket.unlink(missing_ok=True)

    def put(self, node_id: str, resources: Resources) -> None:
        """This is what the proxy should have; `resources` must not be changed afterwards."""
        if self._snapshots.get(node_id) is resources:
            return
        self._snapshots[node_id] = resources
        self.ledger.want(node_id, resources)
        if session := self._sessions.get(node_id):
            session.put(resources)

    def drop(self, node_id: str) -> None:
        """The proxy is gone for good: end its stream and forget it."""
        self._snapshots.pop(node_id, None)
        if session := self._sessions.pop(node_id, None):
            session.close()
        for session in self._grpc_sessions.get(node_id, ()):
            session.close()
        self.ledger.forget(node_id)

    def tell_grpc(self) -> None:
        """There is a new plan: look up what gRPC clients are to have."""
        for node_id, sessions in self._grpc_sessions.items():
            if (resources := self._for_grpc(node_id)) is not None:
                for session in sessions:
                    session.put(resources)

    def refresh(self, node_id: str, names: Iterable[str]) -> None:
        """The secret source has something new of these names for that proxy."""
        if session := self._sessions.get(node_id):
            session.refresh(names)

    async def _serve(self, requests: AsyncIterator[bytes], call: _Call) -> None:
        node_id = self._node_of(call)
        if node_id is None:
            await call.abort(grpc.StatusCode.UNAUTHENTICATED, "no valid token")
            return
        stream = Stream(node_id, self._secrets, ack_wait=self._ack_wait, changes=self._changes)
        session = _Session(stream, self.ledger, self._clock, Delta(self._encoder))
        if superseded := self._sessions.get(node_id):
            superseded.close()
        self._sessions[node_id] = session
        self.ledger.note(Connected(proxy=node_id))
        if (snapshot := self._snapshots.get(node_id)) is not None:
            session.put(snapshot)
        try:
            await session.run(requests, call)
        except BadRequest as error:
            await call.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        finally:
            if self._sessions.get(node_id) is session:
                del self._sessions[node_id]
                self.ledger.note(Disconnected(proxy=node_id))

    async def _serve_whole(self, requests: AsyncIterator[bytes], call: _Call) -> None:
        first = await anext(aiter(requests), None)
        if first is None:
            return
        try:
            asked = decode_whole_request(first)
        except BadRequest as error:
            await call.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            return
        node_id = self._key.node_of(asked.token) if asked else None
        resources = self._for_grpc(node_id) if node_id else None
        if node_id is None or resources is None:
            await call.abort(grpc.StatusCode.UNAUTHENTICATED, "no valid token in the Node")
            return
        stream = Stream(node_id, self._secrets, changes=self._changes, ordered=False)
        dialect = StateOfTheWorld(self._encoder)
        session = _Session(stream, self._grpc_ledger, self._clock, dialect)
        session.put(resources)
        same = self._grpc_sessions.setdefault(node_id, set())
        same.add(session)
        try:
            await session.run(_again(first, requests), call)
        except BadRequest as error:
            await call.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        finally:
            same.discard(session)
            if not same and self._grpc_sessions.get(node_id) is same:
                del self._grpc_sessions[node_id]
                self._grpc_ledger.forget(node_id)

    def _node_of(self, call: _Call) -> str | None:
        # The Node message is the proxy's own word; only the token proves who it is.
        metadata = {name.lower(): value for name, value in call.invocation_metadata()}
        given = metadata.get("authorization", "")
        scheme, _, token = given.partition(" ") if isinstance(given, str) else ("", "", "")
        return self._key.node_of(token.strip()) if scheme.lower() == "bearer" else None


async def _again(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for each in rest:
        yield each


class _Session:
    """One stream on the wire: gathers inputs, steps the state machine, writes what it says."""

    def __init__(self, stream: Stream, ledger: Ledger, clock: Clock, dialect: Dialect) -> None:
        self._stream = stream
        self._ledger = ledger
        self._clock = clock
        self._dialect = dialect
        self._inbox: deque[DeltaRequest] = deque()
        self._assumed: deque[DeltaRequest] = deque()  # answers to what could not be said
        self._room = asyncio.Semaphore(_INBOX_LIMIT)
        self._snapshot: Resources | None = None
        self._stale: set[str] = set()
        self._fired: int | None = None
        self._timer: Timer | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._closed = False
        self._wake = asyncio.Event()

    def put(self, resources: Resources) -> None:
        """Replace the snapshot; one not yet looked at is skipped."""
        self._snapshot = resources
        self._wake.set()

    def refresh(self, names: Iterable[str]) -> None:
        """Look these secrets up again."""
        self._stale.update(names)
        self._wake.set()

    def close(self) -> None:
        """End the stream once what is being written is written."""
        self._closed = True
        self._wake.set()

    async def run(self, requests: AsyncIterator[bytes], call: _Call) -> None:
        """Serve until either side ends the stream. Raises BadRequest."""
        reading = named(f"xds read {self._stream.node_id}", self._read(requests))
        try:
            while not self._closed:
                await self._wake.wait()
                self._wake.clear()
                while not self._closed and (output := self._step()) is not None:
                    for event in output.events:
                        self._ledger.note(event)
                    self._keep_timer()
                    for response in output.responses:
                        said = self._dialect.write(response)
                        if isinstance(said, bytes):
                            await call.write(said)
                        else:
                            self._assumed.append(said)
            if reading.done() and not reading.cancelled():
                reading.result()
        finally:
            for task in (reading, self._ticking):
                if task is not None:
                    task.cancel()

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        try:
            async for raw in requests:
                request = self._dialect.read(raw)
                if request is None:
                    _log.warning("%s asks for an unknown type", self._stream.node_id)
                    continue
                await self._room.acquire()
                self._inbox.append(request)
                self._wake.set()
        finally:
            self.close()

    def _step(self) -> Output | None:
        """Feed the state machine one input; None when there is none."""
        if self._snapshot is not None:
            snapshot, self._snapshot = self._snapshot, None
            return self._stream.on_snapshot(snapshot)
        if self._assumed:
            return self._stream.on_request(self._assumed.popleft())
        if self._inbox:
            self._room.release()
            return self._stream.on_request(self._inbox.popleft())
        if self._stale:
            stale, self._stale = self._stale, set()
            return self._stream.on_secrets(stale)
        if self._fired is not None:
            fired, self._fired = self._fired, None
            return self._stream.on_timeout(fired)
        return None

    def _keep_timer(self) -> None:
        if self._timer == self._stream.timer:
            return
        self._timer = self._stream.timer
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        if self._timer is not None:
            self._ticking = named(f"xds wait {self._stream.node_id}", self._tick(self._timer))

    async def _tick(self, timer: Timer) -> None:
        await self._clock.sleep(timer.seconds)
        self._fired = timer.number
        self._wake.set()
