"""Serve ADS to every proxy over one Unix socket: delta to Envoys, state of the world to gRPC clients.

In: snapshots per node, secrets, streams of proxies.       Out: responses; the ledger.
Before: base/rpc.py, xds/session.py, xds/tokens.py         After: stages/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

from lateen.base.clock import Clock
from lateen.base.rpc import Call, RpcServer, Served, Status
from lateen.envoy.resources import Resources
from lateen.xds.changes import Changes
from lateen.xds.dialects import Delta, Dialect, StateOfTheWorld
from lateen.xds.events import Connected, Disconnected
from lateen.xds.ledger import Ledger
from lateen.xds.messages import SecretSource
from lateen.xds.session import Session
from lateen.xds.stream import ACK_WAIT, Stream
from lateen.xds.tokens import TokenKey
from lateen.xds.turns import Turns
from lateen.xds.wire import BadRequest, Encoder, decode_whole_request

_SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
_REQUEST_LIMIT = 16 * 1024 * 1024  # bytes; a reconnect lists every name the proxy holds


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
        self._sessions: dict[str, Session] = {}
        self._for_grpc = for_grpc
        self._grpc_ledger = Ledger(clock)  # nobody waits for these clients
        self._grpc_sessions: dict[str, set[Session]] = {}  # a pod may have several
        self._turns = Turns(idle=self._changes.forget)
        methods = {
            f"{_SERVICE}/DeltaAggregatedResources": self._serve,
            f"{_SERVICE}/StreamAggregatedResources": self._serve_whole,
        }
        self._server = RpcServer(methods, largest=_REQUEST_LIMIT)

    async def start(self, socket_path: Path) -> None:
        """Listen on a Unix socket of mode 0600; its folder should be 0700.

        A socket left there by an earlier run is replaced. Raises EnvironmentFault.
        """
        await self._server.start(socket_path)

    async def stop(self) -> None:
        """End every stream and remove the socket; the proxies go on with what they have."""
        for session in (*self._sessions.values(), *chain(*self._grpc_sessions.values())):
            session.close()
        await self._server.stop()

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
        for session in tuple(self._grpc_sessions.get(node_id, ())):
            session.close()
        self.ledger.forget(node_id)

    @property
    def turns_taken(self) -> int:
        """How much the streams have done so far."""
        return self._turns.taken

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

    def _serve(self, call: Call) -> Served:
        node_id = self._node_of(call.metadata)
        if node_id is None:
            call.end(Status.UNAUTHENTICATED, "no valid token")
            return _Nobody()
        stream = Stream(node_id, self._secrets, ack_wait=self._ack_wait, changes=self._changes)
        session = self._session(call, stream, Delta(self._encoder), self.ledger, self._left)
        superseded = self._sessions.get(node_id)
        self._sessions[node_id] = session
        if superseded:
            superseded.close()
        self.ledger.note(Connected(proxy=node_id))
        if (snapshot := self._snapshots.get(node_id)) is not None:
            session.put(snapshot)
        return session

    def _session(
        self,
        call: Call,
        stream: Stream,
        dialect: Dialect,
        ledger: Ledger,
        over: Callable[[Session], None],
    ) -> Session:
        return Session(
            call, stream, dialect, ledger=ledger, clock=self._clock, turns=self._turns, over=over
        )

    def _left(self, session: Session) -> None:
        if self._sessions.get(session.node_id) is session:
            del self._sessions[session.node_id]
            self.ledger.note(Disconnected(proxy=session.node_id))

    def _serve_whole(self, call: Call) -> Served:
        return _Knocking(call, self._admit)

    def _admit(self, call: Call, first: bytes) -> Session | None:
        """The session of a gRPC client, whose token is in its first message; None if it may not come in."""
        try:
            asked = decode_whole_request(first)
        except BadRequest as error:
            call.end(Status.INVALID_ARGUMENT, str(error))
            return None
        node_id = self._key.node_of(asked.token) if asked else None
        resources = self._for_grpc(node_id) if node_id else None
        if node_id is None or resources is None:
            call.end(Status.UNAUTHENTICATED, "no valid token in the Node")
            return None
        stream = Stream(node_id, self._secrets, changes=self._changes, ordered=False)
        dialect = StateOfTheWorld(self._encoder)
        session = self._session(call, stream, dialect, self._grpc_ledger, self._grpc_left)
        self._grpc_sessions.setdefault(node_id, set()).add(session)
        session.put(resources)
        return session

    def _grpc_left(self, session: Session) -> None:
        same = self._grpc_sessions.get(session.node_id, set())
        same.discard(session)
        if not same and self._grpc_sessions.pop(session.node_id, None) is not None:
            self._grpc_ledger.forget(session.node_id)

    def _node_of(self, metadata: Mapping[str, str]) -> str | None:
        # The Node message is the proxy's own word; only the token proves who it is.
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        return self._key.node_of(token.strip()) if scheme.lower() == "bearer" else None


class _Nobody:
    """Serves a call that was refused."""

    def received(self, message: bytes) -> None:
        """See Served."""

    def writable(self) -> None:
        """See Served."""

    def said_all(self) -> None:
        """See Served."""

    def gone(self) -> None:
        """See Served."""


class _Knocking:
    """A call whose first message tells who calls."""

    def __init__(self, call: Call, admit: Callable[[Call, bytes], Session | None]) -> None:
        self._call = call
        self._admit = admit
        self._session: Session | None = None

    def received(self, message: bytes) -> None:
        """See Served."""
        if self._session is None:
            self._session = self._admit(self._call, message)
        if self._session is not None:
            self._session.received(message)

    def writable(self) -> None:
        """See Served."""
        if self._session is not None:
            self._session.writable()

    def said_all(self) -> None:
        """See Served."""
        if self._session is None:
            self._call.end()
        else:
            self._session.said_all()

    def gone(self) -> None:
        """See Served."""
        if self._session is not None:
            self._session.gone()
