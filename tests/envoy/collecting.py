"""A collector for tests: it takes OTLP over gRPC on a Unix socket and remembers the spans."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from lateen.envoy.pb.opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from lateen.envoy.pb.opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from lateen.envoy.pb.opentelemetry.proto.common.v1.common_pb2 import KeyValue
from lateen.envoy.pb.opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from lateen.envoy.pb.opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE = 10.0  # seconds


@dataclass
class Collector:
    """What was received so far; `resources` by span id."""

    spans: list[Span] = field(default_factory=list)
    records: list[LogRecord] = field(default_factory=list)
    resources: dict[bytes, dict[str, str]] = field(default_factory=dict)
    news: threading.Condition = field(default_factory=threading.Condition)

    def take_spans(self, body: bytes, _context: object) -> bytes:
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        with self.news:
            for part in request.resource_spans:
                resource = texts(part.resource.attributes)
                for scope in part.scope_spans:
                    self.spans.extend(scope.spans)
                    self.resources |= {span.span_id: resource for span in scope.spans}
            self.news.notify_all()
        return b""

    def take_logs(self, body: bytes, _context: object) -> bytes:
        request = logs_service_pb2.ExportLogsServiceRequest.FromString(body)
        with self.news:
            for part in request.resource_logs:
                for scope in part.scope_logs:
                    self.records.extend(scope.log_records)
            self.news.notify_all()
        return b""

    def span(self, **tags: str) -> Span:
        """The first span with these attributes, once it is there."""
        until = time.monotonic() + PATIENCE
        with self.news:
            while time.monotonic() < until:
                for span in self.spans:
                    if tags.items() <= texts(span.attributes).items():
                        return span
                self.news.wait(until - time.monotonic())
        raise AssertionError(f"no span with {tags} among {len(self.spans)}")


def texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes whose values are texts."""
    return {each.key: each.value.string_value for each in attributes}


@contextmanager
def collecting(socket: Path) -> Iterator[Collector]:
    """A collector at a Unix socket."""
    made = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    services = {
        "trace.v1.TraceService": made.take_spans,
        "logs.v1.LogsService": made.take_logs,
    }
    for name, take in services.items():
        handlers = {"Export": grpc.unary_unary_rpc_method_handler(take)}
        full = f"opentelemetry.proto.collector.{name}"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(full, handlers),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield made
    finally:
        server.stop(None).wait()
