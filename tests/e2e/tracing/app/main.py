"""A service that calls the next one: with OpenTelemetry's SDK, or (PLAIN) by handing on the headers it got."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANDED_ON = os.environ.get("HANDED_ON", "traceparent,tracestate,x-request-id").split(",")
NEXT = os.environ.get("NEXT", "")
PLAIN = bool(os.environ.get("PLAIN"))
log = logging.getLogger("app")


def _tracer():
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if os.environ.get("GRPC"):
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=200))
    trace.set_tracer_provider(provider)
    return trace.get_tracer("app")


TRACER = None if PLAIN else _tracer()


@contextlib.contextmanager
def spans(handler: BaseHTTPRequestHandler) -> Iterator[dict[str, str]]:
    """The headers for the next call, with the spans around it open."""
    if TRACER is None:
        yield {name: handler.headers[name] for name in HANDED_ON if name in handler.headers}
        return
    from opentelemetry.propagate import extract, inject
    from opentelemetry.trace import SpanKind

    told = {name.lower(): value for name, value in handler.headers.items()}
    with (
        TRACER.start_as_current_span("work", context=extract(told), kind=SpanKind.SERVER) as span,
        TRACER.start_as_current_span("ask the next", kind=SpanKind.CLIENT),
    ):
        headers = {"x-request-id": told["x-request-id"]}
        inject(headers)
        trace = f"{span.get_span_context().trace_id:032x}"
        print(
            f'{{"level": "warning", "trace_id": "{trace}", "message": "working on {handler.path}"}}',
            flush=True,
        )
        yield headers


class App(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, said = 200, "end"
        with spans(self) as headers:
            if NEXT:
                status, said = ask(f"{NEXT}{self.path}", headers)
            elif self.path.startswith("/slow"):
                time.sleep(0.3)
            elif self.path.startswith("/bad"):
                status = 503
        body = f"{os.environ['NAME']} > {said}".encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        print(f"INFO {os.environ['NAME']} answered {self.path}", file=sys.stderr, flush=True)


def ask(url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers))) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.read().decode()


print(f"{os.environ['NAME']} listens", flush=True)
ThreadingHTTPServer(("0.0.0.0", 8080), App).serve_forever()
