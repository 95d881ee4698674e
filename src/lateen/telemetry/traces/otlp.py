"""Read spans out of OTLP, in protobuf and in JSON.

In: the body of an export.    Out: Spans; the same request in protobuf.
Before: traces/spans.py       After: traces/taking.py
Source: opentelemetry-proto, trace/v1/trace.proto; OTLP specification, "JSON Protobuf Encoding".

JSON has ids in hexadecimal where protobuf's own JSON would have base64.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from lateen.envoy import names
from lateen.envoy.pb.opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from lateen.envoy.pb.opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from lateen.envoy.pb.opentelemetry.proto.trace.v1 import trace_pb2 as pb
from lateen.telemetry.traces.spans import APP, PROXY, Event, Span, Tags

MOST_TAGS = 64  # of a span
MOST_EVENTS = 16
LONGEST = 2048  # characters of a value
_IDS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}
_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_NODE = re.compile(r"[a-z]+~[^~]*~(?P<pod>.+)\.(?P<namespace>[^.~]+)~")


class BadExport(ValueError):
    """What was sent is no OTLP; the message says why."""


def read_protobuf(body: bytes) -> ExportTraceServiceRequest:
    """An export in protobuf; raises BadExport."""
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError as fault:
        raise BadExport(str(fault)) from None


def read_json(body: bytes) -> ExportTraceServiceRequest:
    """An export in JSON; raises BadExport."""
    try:
        said = _with_base64(json.loads(body))
        if not isinstance(said, dict):
            raise BadExport("wanted an object")
        return json_format.ParseDict(said, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (ValueError, RecursionError, json_format.ParseError) as fault:
        raise BadExport(str(fault)) from None


def _with_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(each)).decode()
        if key in _IDS and isinstance(each, str)
        else _with_base64(each)
        for key, each in value.items()
    }


def spans_of(
    request: ExportTraceServiceRequest,
    *,
    wanted: Callable[[bytes], bool],
    source: str = APP,
    pod: str = "",
    namespace: str = "",
) -> Iterator[Span]:
    """The spans of an export that have whole ids, of wanted traces. A proxy's tells its pod by itself."""
    for part in request.resource_spans:
        about = tags_of(part.resource.attributes)
        service = str(about.get("service.name", "")) or "unknown_service"
        for scope in part.scope_spans:
            for span in scope.spans:
                whole = len(span.trace_id) == 16 and len(span.span_id) == 8
                if whole and wanted(span.trace_id):
                    yield _span(span, service, source, pod, namespace)


def begun(request: ExportTraceServiceRequest) -> Iterator[tuple[tuple[str, str], int]]:
    """How many traces proxies began, of those that may be told to begin fewer; by namespace and pod."""
    for part in request.resource_spans:
        about = tags_of(part.resource.attributes)
        if about.get(names.SAMPLING) == names.AS_FITS:
            spans = (span for scope in part.scope_spans for span in scope.spans)
            first = [span for span in spans if not span.parent_span_id]
            if first and (who := _whose(tags_of(first[0].attributes))):
                yield who, len(first)


def _whose(tags: Tags) -> tuple[str, str] | None:
    """The namespace and the pod that a proxy's span names."""
    found = _NODE.match(str(tags.get("node_id", "")))
    return (found["namespace"], found["pod"]) if found else None


def _span(span: pb.Span, service: str, source: str, pod: str, namespace: str) -> Span:
    tags = tags_of(span.attributes)
    if source == PROXY:  # Envoy's way to say nothing
        tags = {key: value for key, value in tags.items() if value not in ("", "-")}
        namespace, pod = _whose(tags) or ("", "")
    start = span.start_time_unix_nano
    return Span(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        service=service[:LONGEST],
        operation=_operation(span.name, tags, source)[:LONGEST],
        kind=_word(_KINDS, span.kind),
        start=start,
        end=max(span.end_time_unix_nano, start),
        status=_word(_STATUSES, span.status.code),
        message=span.status.message[:LONGEST],
        tags=tags,
        events=tuple(
            Event(time=e.time_unix_nano, name=e.name[:LONGEST], tags=tags_of(e.attributes))
            for e in span.events[:MOST_EVENTS]
        ),
        pod=pod,
        namespace=namespace,
        source=source,
    )


def _operation(name: str, tags: Tags, source: str) -> str:
    """What was done: for a proxy's span the request, since Envoy calls them all `ingress` or `egress`."""
    method, url = tags.get("http.method"), str(tags.get("http.url", ""))
    if source != PROXY or not method or not url:
        return name
    host, _, path = url.partition("://")[2].partition("/")
    return f"{method} {host}/{path.partition('?')[0]}"


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if 0 <= number < len(words) else words[0]


def tags_of(attributes: Iterable[KeyValue]) -> Tags:
    """Attributes by name; lists and maps as JSON, what is long cut."""
    made: Tags = {}
    for each in attributes:
        if len(made) >= MOST_TAGS:
            break
        made[each.key[:LONGEST]] = _plain(each.value)
    return made


def _plain(value: AnyValue) -> str | int | float | bool:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value[:LONGEST]
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "bytes_value":
            return base64.b64encode(value.bytes_value[:LONGEST]).decode()
        case None:
            return ""
        case _:
            return json.dumps(json_format.MessageToDict(value))[:LONGEST]
