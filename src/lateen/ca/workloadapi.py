"""The SPIFFE Workload API of one pod: its own X.509 SVID and the roots, pushed anew as they change.

In: what the pod's identity holds now, a socket's path.    Out: a gRPC server on a Unix socket.
Before: ca/secrets.py                                      After: stages/attesting.py
Source: SPIFFE Workload API, workload.proto. Who may call is who sees the socket: that pod alone.

JWT SVIDs are not issued: their calls answer UNIMPLEMENTED, as the standard has it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from lateen.base.clock import Clock
from lateen.base.rpc import Call, RpcServer, Served, Status
from lateen.base.tasks import named

SERVICE = "SpiffeWorkloadAPI"
LOOK_EVERY = 1.0  # seconds between looks for what has changed
_HEADER = "workload.spiffe.io"  # without it a browser or a redirected request might be answered
_LIMIT = 64 * 1024
_STREAMS = 64  # that one pod may have open at a time

_Field = descriptor_pb2.FieldDescriptorProto
_MESSAGES: dict[str, tuple[tuple[str, int, int, str], ...]] = {
    # name, number, type, message; `bundles` and `federated_bundles` are maps from text to bytes
    "X509SVID": (
        ("spiffe_id", 1, _Field.TYPE_STRING, ""),
        ("x509_svid", 2, _Field.TYPE_BYTES, ""),
        ("x509_svid_key", 3, _Field.TYPE_BYTES, ""),
        ("bundle", 4, _Field.TYPE_BYTES, ""),
    ),
    "X509SVIDResponse": (("svids", 1, _Field.TYPE_MESSAGE, "X509SVID"),),
    "Entry": (("key", 1, _Field.TYPE_STRING, ""), ("value", 2, _Field.TYPE_BYTES, "")),
    "X509BundlesResponse": (("bundles", 2, _Field.TYPE_MESSAGE, "Entry"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Svid:
    """What a pod holds: its identity, chain and key, and its trust domain's roots, all DER."""

    spiffe_id: str
    chain: bytes
    key: bytes = field(repr=False)
    roots: bytes

    @property
    def trust_domain(self) -> str:
        """The SPIFFE id of its trust domain."""
        return "spiffe://" + self.spiffe_id.removeprefix("spiffe://").partition("/")[0]


def _classes() -> dict[str, Any]:
    """The standard's messages; a map is on the wire what a list of entries is."""
    file = descriptor_pb2.FileDescriptorProto(name="lateen/spiffe/workload.proto", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, of in fields:
            message.field.add(
                name=field_name,
                number=number,
                type=_Field.Type.ValueType(kind),
                type_name=f".{of}" if of else None,
                label=_Field.LABEL_REPEATED if of else _Field.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in _MESSAGES
    }


class WorkloadApi:
    """Serves one pod; `svid` gives what it holds now, None once it is gone."""

    def __init__(self, svid: Callable[[], Svid | None], clock: Clock) -> None:
        self._svid = svid
        self._clock = clock
        self._open = 0
        self._classes = _classes()
        methods = {
            f"/{SERVICE}/FetchX509SVID": lambda call: self._serve(call, self._svids),
            f"/{SERVICE}/FetchX509Bundles": lambda call: self._serve(call, self._bundles),
        }
        self._server = RpcServer(methods, largest=_LIMIT)

    async def start(self, socket: Path) -> None:
        """Listen there; raises EnvironmentFault. What an earlier life left is replaced."""
        socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._server.start(socket)

    async def stop(self) -> None:
        """End every stream."""
        await self._server.stop()

    def _svids(self, svid: Svid) -> bytes:
        own = self._classes["X509SVID"](
            spiffe_id=svid.spiffe_id,
            x509_svid=svid.chain,
            x509_svid_key=svid.key,
            bundle=svid.roots,
        )
        made: bytes = self._classes["X509SVIDResponse"](svids=[own]).SerializeToString()
        return made

    def _bundles(self, svid: Svid) -> bytes:
        entry = self._classes["Entry"](key=svid.trust_domain, value=svid.roots)
        made: bytes = self._classes["X509BundlesResponse"](bundles=[entry]).SerializeToString()
        return made

    def _serve(self, call: Call, answer: Callable[[Svid], bytes]) -> Served:
        if call.metadata.get(_HEADER) != "true":
            call.end(Status.INVALID_ARGUMENT, f"wanted the metadata {_HEADER}: true")
        elif self._open >= _STREAMS:
            call.end(Status.RESOURCE_EXHAUSTED, "too many streams of this pod")
        return _Fetching(call, lambda: self._changes(call, answer))

    async def _changes(self, call: Call, answer: Callable[[Svid], bytes]) -> None:
        """What is held now, and again each time it is another."""
        self._open += 1
        try:
            said = b""
            while (svid := self._svid()) is not None:
                if (now := answer(svid)) != said and not call.blocked:
                    said = now
                    call.send((now,))
                await self._clock.sleep(LOOK_EVERY)
            call.end(Status.PERMISSION_DENIED, "no identity issued")
        finally:
            self._open -= 1


class _Fetching:
    """One call; it is served from its one request on."""

    def __init__(self, call: Call, serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._call = call
        self._serve = serve
        self._serving: asyncio.Task[None] | None = None

    def received(self, message: bytes) -> None:
        """See Served; there is nothing in a request."""
        if self._serving is None:
            self._serving = named("workload api", self._serve())

    def writable(self) -> None:
        """See Served."""

    def said_all(self) -> None:
        """See Served: a client says all at once, and listens on."""
        if self._serving is None:
            self._call.end(Status.INVALID_ARGUMENT, "no request")

    def gone(self) -> None:
        """See Served."""
        if self._serving is not None:
            self._serving.cancel()


def unlink(socket: Path) -> None:
    """Take the socket and its folder away."""
    socket.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        socket.parent.rmdir()
