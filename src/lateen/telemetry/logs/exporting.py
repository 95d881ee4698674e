"""Hand on what containers write, as OTLP logs.

In: LogLines.                          Out: exports in protobuf.
Before: logs/following.py              After: app/observedlogs.py
Source: opentelemetry-proto, logs/v1; OpenTelemetry's semantic conventions for Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

from lateen.envoy.pb.opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from lateen.envoy.pb.opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from lateen.envoy.pb.opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from lateen.envoy.pb.opentelemetry.proto.resource.v1.resource_pb2 import Resource
from lateen.telemetry.logs.lines import LogLine

PATH = "/v1/logs"
_NUMBERS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}


def export_of(lines: Iterable[LogLine]) -> bytes:
    """An export of some lines, by container."""
    ordered = sorted(lines, key=_place)
    request = ExportLogsServiceRequest()
    for (namespace, pod, container), some in groupby(ordered, key=_place):
        about = {
            "service.name": container,
            "k8s.namespace.name": namespace,
            "k8s.pod.name": pod,
            "k8s.container.name": container,
        }
        scope = ScopeLogs(log_records=[_record(line) for line in some])
        resource = Resource(attributes=_attributes(about))
        request.resource_logs.append(ResourceLogs(resource=resource, scope_logs=[scope]))
    return request.SerializeToString()


def _place(line: LogLine) -> tuple[str, str, str]:
    return line.namespace, line.pod, line.container


def _record(line: LogLine) -> LogRecord:
    made = LogRecord(
        time_unix_nano=nanoseconds(line.time),
        severity_number=_NUMBERS.get(line.level, 0),  # type: ignore[arg-type]
        severity_text=line.level,
        body=AnyValue(string_value=line.text),
        attributes=_attributes({"log.iostream": line.stream}),
    )
    if line.trace:
        made.trace_id = bytes.fromhex(line.trace.rjust(32, "0"))
    return made


def _attributes(texts: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=k, value=AnyValue(string_value=v)) for k, v in texts.items()]


def nanoseconds(time: str) -> int:
    """RFC 3339 with nine digits, in nanoseconds since 1970; 0 for what is none."""
    try:
        seconds = datetime.fromisoformat(time[:19] + "+00:00").timestamp()
        return int(seconds) * 10**9 + int(time[20:29].rstrip("Z").ljust(9, "0"))
    except ValueError:
        return 0
