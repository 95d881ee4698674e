"""What a proxy tells of the traffic it sees: metrics, traces and access logs, as a client and as a server.

In: -    Out: Telemetry, Reports, Metrics, Tracing, AccessLog.
Before: ir/backends.py       After: translate/reporting.py, envoy/tracing.py, envoy/access.py
"""

from __future__ import annotations

from msgspec import Struct

from lateen.base.origin import BUILT_IN, Origin
from lateen.ir.backends import BackendId

PATH_LENGTH = 256  # characters of a path that a span keeps; Istio's
STDOUT, STDERR = "/dev/stdout", "/dev/stderr"


class Same(Struct, frozen=True):
    """A text that is the same for all requests."""

    text: str


class OfEnvironment(Struct, frozen=True, kw_only=True):
    """A variable of the proxy's environment, or else `otherwise`."""

    name: str
    otherwise: str = ""


class OfHeader(Struct, frozen=True, kw_only=True):
    """A header of the request, or else `otherwise`."""

    name: str
    otherwise: str = ""


class Formatted(Struct, frozen=True):
    """A text in Envoy's access log format."""

    format: str


TagSource = Same | OfEnvironment | OfHeader | Formatted


class Observer(Struct, frozen=True):
    """The mesh's own store."""


class OtlpCollector(Struct, frozen=True, kw_only=True):
    """A service that takes OTLP: gRPC, or HTTP where there is a path. `timeout` in seconds."""

    backend: BackendId
    path: str = ""
    timeout: float = 10.0
    headers: tuple[tuple[str, str], ...] = ()


class ZipkinCollector(Struct, frozen=True, kw_only=True):
    """A service that takes Zipkin's spans."""

    backend: BackendId
    path: str = "/api/v2/spans"
    wide_ids: bool = True  # 128 bits


Collector = Observer | OtlpCollector | ZipkinCollector


class Tracing(Struct, frozen=True, kw_only=True):
    """How requests are traced.

    `percent`: of the requests that no trace has come with, and at a gateway of all; others go on as their
    callers decided. None, where nobody says: all, or as many as lateen's own store has room for.
    `own_tags`: Istio's are added. With `reported` false, what comes is handed on, and no span made.
    """

    collector: Collector = Observer()
    percent: float | None = None
    tags: tuple[tuple[str, TagSource], ...] = ()
    own_tags: bool = True
    path_length: int = PATH_LENGTH
    reported: bool = True
    handed_on: bool = True
    origin: Origin = BUILT_IN


class FileLog(Struct, frozen=True, kw_only=True):
    """Lines on standard output or standard error.

    Neither `text` nor `fields` is Istio's own format in text, `json` the same as an object.
    """

    path: str = STDOUT
    json: bool = False
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class OtlpLog(Struct, frozen=True, kw_only=True):
    """Records for a service that takes OTLP over gRPC."""

    backend: BackendId
    name: str = ""
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()


LogSink = FileLog | OtlpLog


class AccessLog(Struct, frozen=True, kw_only=True):
    """Where requests are written down, and of which a CEL expression is true ("": of all)."""

    to: LogSink = FileLog()
    only: str = ""
    origin: Origin = BUILT_IN


class Metrics(Struct, frozen=True, kw_only=True):
    """What is changed of Istio's metrics: those that are `off`, and labels of others.

    `labels`: metric, label, its format in access log terms; None for a label that it has not.
    """

    off: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str, str | None], ...] = ()


class Reports(Struct, frozen=True, kw_only=True):
    """What one side tells. `tracing` None: traces pass as they come."""

    logs: tuple[AccessLog, ...] = (AccessLog(),)
    tracing: Tracing | None = Tracing()
    metrics: Metrics = Metrics()


class Telemetry(Struct, frozen=True, kw_only=True):
    """What a proxy tells of requests it sends for its app, and of those it takes in for it.

    All that passes a gateway is what it sends. `unmet`: connections that no part of it takes are logged, too.
    """

    client: Reports = Reports()
    server: Reports = Reports()
    unmet: bool = True

    @property
    def traced_as_fits(self) -> bool:
        """Whether nobody says which share is traced, and lateen's own store alone is told: it may be fewer than all."""
        both = (side.tracing for side in (self.client, self.server) if side.tracing)
        return all(each.percent is None and isinstance(each.collector, Observer) for each in both)

    @property
    def backends(self) -> frozenset[BackendId]:
        """Whom the proxy must be able to reach for it."""
        sides = (self.client, self.server)
        sinks = [log.to for side in sides for log in side.logs]
        collectors = [side.tracing.collector for side in sides if side.tracing]
        return frozenset(
            each.backend
            for each in (*sinks, *collectors)
            if isinstance(each, OtlpLog | OtlpCollector | ZipkinCollector)
        )


USUAL = Telemetry()
