"""Take spans: from proxies over their socket, from apps over gRPC and HTTP, each known by where it comes from.

In: OTLP.                                         Out: spans in the store; bytes for the exporter.
Before: base/rpc.py, traces/otlp.py, traces/keeping.py    After: app/observing.py
Source: OTLP specification (gRPC and HTTP).

The node's relay dials for a pod from an address of its own, which names the pod's slot: what an app says
of itself is its word, the pod is not.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from lateen.base.rpc import Call, Method, Served, Status
from lateen.envoy.pb.opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from lateen.telemetry.traces.keeping import Keeping
from lateen.telemetry.traces.otlp import BadExport, begun, read_json, read_protobuf, spans_of
from lateen.telemetry.traces.shares import Shares
from lateen.telemetry.traces.spans import APP, PROXY
from lateen.telemetry.traces.thinning import Thinning

LARGEST = 4 * 1024 * 1024  # bytes of an export
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PATH = "/v1/traces"
_JSON, _PROTOBUF = "application/json", "application/x-protobuf"
_ANSWER = ExportTraceServiceResponse().SerializeToString()
WhosePod = Callable[[str], tuple[str, str]]  # a slot's namespace and pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Where spans go. `pass_on` is given each export as it came."""

    keeping: Keeping
    thinning: Thinning
    shares: Shares
    whose: WhosePod
    pass_on: Callable[[bytes], None]

    def from_proxy(self) -> Method:
        """gRPC for proxies."""
        return lambda call: _Export(call, lambda body: self._take(read_protobuf(body), PROXY, ""))

    def from_app(self) -> Method:
        """gRPC for apps."""

        def method(call: Call) -> Served:
            return _Export(call, lambda body: self._take(read_protobuf(body), APP, call.peer))

        return method

    async def by_http(self, request: web.Request) -> web.Response:
        """HTTP for apps: protobuf or JSON, gzip or not."""
        kind = request.content_type
        if kind not in (_JSON, _PROTOBUF):
            raise web.HTTPUnsupportedMediaType(text=f"wanted {_PROTOBUF} or {_JSON}\n")
        try:
            body = _unpacked(await request.read(), request.headers.get("Content-Encoding", ""))
            export = read_json(body) if kind == _JSON else read_protobuf(body)
        except BadExport as fault:
            raise web.HTTPBadRequest(text=f"{fault}\n") from None
        peer = request.transport.get_extra_info("peername") if request.transport else b""
        self._take(export, APP, peer)
        if kind == _JSON:
            return web.json_response({})
        return web.Response(body=_ANSWER, content_type=_PROTOBUF)

    def _take(self, export: ExportTraceServiceRequest, source: str, peer: str | bytes) -> None:
        namespace, pod = self.whose(slot_in(peer)) if source == APP else ("", "")
        if source == PROXY:
            for who, count in begun(export):
                self.shares.count(who, count)
        for span in spans_of(
            export, wanted=self.thinning.wanted, source=source, pod=pod, namespace=namespace
        ):
            self.keeping.add(span)
        self.pass_on(export.SerializeToString())


def slot_in(peer: str | bytes) -> str:
    """The slot that an address of the relay names; "" for any other."""
    text = peer.decode(errors="replace") if isinstance(peer, bytes) else str(peer or "")
    parts = text.lstrip("\0").split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "lateen-otlp" else ""


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body without gzip, which may not hide more than LARGEST bytes; raises BadExport."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise BadExport(f"content-encoding {encoding} is not read: wanted gzip or none")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        made = unpacker.decompress(body, LARGEST)
    except (zlib.error, gzip.BadGzipFile) as fault:
        raise BadExport(str(fault)) from None
    if unpacker.unconsumed_tail:
        raise BadExport(f"larger than {LARGEST} bytes")
    return made


class _Export(Served):
    """One call of Export: a message, an answer."""

    def __init__(self, call: Call, take: Callable[[bytes], None]) -> None:
        self._call, self._take = call, take

    def received(self, message: bytes) -> None:
        try:
            self._take(message)
        except BadExport as fault:
            self._call.end(Status.INVALID_ARGUMENT, str(fault))
            return
        self._call.send([_ANSWER])
        self._call.end()

    def writable(self) -> None:
        """Nothing waits."""

    def said_all(self) -> None:
        """The answer ends the call."""

    def gone(self) -> None:
        """Nothing is kept for it."""
