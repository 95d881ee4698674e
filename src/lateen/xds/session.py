"""One stream on the wire: gathers inputs, steps the state machine, sends what it says.

In: a call's messages, snapshots, secrets that changed, time.    Out: messages; events for the ledger.
Before: base/rpc.py, xds/stream.py, xds/dialects.py              After: xds/server.py

Each turn takes one input. Nothing is looked at while the proxy does not read: a snapshot that arrives
meanwhile replaces the one before it, and of its requests no more than a few are read ahead.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable

from lateen.base.clock import Clock
from lateen.base.rpc import Call, Status
from lateen.base.tasks import named
from lateen.envoy.resources import Resources
from lateen.xds.dialects import Dialect
from lateen.xds.ledger import Ledger
from lateen.xds.messages import DeltaRequest
from lateen.xds.stream import Output, Stream, Timer
from lateen.xds.turns import Turns
from lateen.xds.wire import BadRequest

_log = logging.getLogger(__name__)
_INBOX_LIMIT = 64  # requests read ahead of one stream


class Session:
    """Our half of one call."""

    def __init__(
        self,
        call: Call,
        stream: Stream,
        dialect: Dialect,
        *,
        ledger: Ledger,
        clock: Clock,
        turns: Turns,
        over: Callable[[Session], None],
    ) -> None:
        """`over` is called when the call is."""
        self.queued = False
        self.node_id = stream.node_id
        self._call = call
        self._stream = stream
        self._dialect = dialect
        self._ledger = ledger
        self._clock = clock
        self._turns = turns
        self._when_over = over
        self._inbox: deque[DeltaRequest] = deque()
        self._assumed: deque[DeltaRequest] = deque()  # answers to what could not be said
        self._snapshot: Resources | None = None
        self._begun = False  # whether there has been a snapshot
        self._stale: set[str] = set()
        self._fired: int | None = None
        self._timer: Timer | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._closed = False

    def put(self, resources: Resources) -> None:
        """Replace the snapshot; one not yet looked at is skipped."""
        self._snapshot = resources
        self._turns.ask(self)

    def refresh(self, names: Iterable[str]) -> None:
        """Look these secrets up again."""
        self._stale.update(names)
        self._turns.ask(self)

    def close(self, status: Status = Status.OK, details: str = "") -> None:
        """End the call once what is being sent is sent."""
        self._closed = True
        self._call.end(status, details)

    def received(self, message: bytes) -> None:
        """See Served."""
        try:
            request = self._dialect.read(message)
        except BadRequest as error:
            self.close(Status.INVALID_ARGUMENT, str(error))
            return
        if request is None:
            _log.warning("%s asks for an unknown type", self.node_id)
            return
        self._inbox.append(request)
        if len(self._inbox) >= _INBOX_LIMIT:
            self._call.hold()
        self._turns.ask(self)

    def writable(self) -> None:
        """See Served."""
        self._turns.ask(self)

    def said_all(self) -> None:
        """See Served: a proxy that will not answer is no more."""
        self.close()

    def gone(self) -> None:
        """See Served."""
        self._closed = True
        if self._ticking is not None:
            self._ticking.cancel()
        self._when_over(self)

    def fail(self) -> None:
        """See Taker."""
        self.close(Status.INTERNAL, "a fault of the server's own")

    def turn(self) -> bool:
        """See Taker."""
        if self._closed or self._call.blocked:
            return False
        output = self._step()
        if output is None:
            return False
        for event in output.events:
            self._ledger.note(event)
        if self._timer is not self._stream.timer:
            self._keep_timer()
        for response in output.responses:
            said = self._dialect.write(response)
            if isinstance(said, DeltaRequest):
                self._assumed.append(said)
            else:
                self._call.send(said)
        return bool(self._assumed or self._inbox or self._stale) or self._fired is not None

    def _step(self) -> Output | None:
        """Feed the state machine one input; None when there is none."""
        if self._snapshot is not None:
            snapshot, self._snapshot = self._snapshot, None
            self._begun = True
            return self._stream.on_snapshot(snapshot)
        if not self._begun:  # whether what a proxy holds is still good is not known yet
            return None
        if self._assumed:
            return self._stream.on_request(self._assumed.popleft())
        if self._inbox:
            request = self._inbox.popleft()
            if not self._inbox:
                self._call.go_on()
            return self._stream.on_request(request)
        if self._stale:
            stale, self._stale = self._stale, set()
            return self._stream.on_secrets(stale)
        if self._fired is not None:
            fired, self._fired = self._fired, None
            return self._stream.on_timeout(fired)
        return None

    def _keep_timer(self) -> None:
        self._timer = self._stream.timer
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        if self._timer is not None:
            self._ticking = named(f"xds wait {self.node_id}", self._tick(self._timer))

    async def _tick(self, timer: Timer) -> None:
        await self._clock.sleep(timer.seconds)
        self._fired = timer.number
        self._turns.ask(self)
