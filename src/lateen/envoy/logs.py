"""Write where requests are written down: lines of text or JSON, records for a collector.

In: ir AccessLogs.            Out: AccessLogs.
Before: ir/telemetry.py       After: access.py, listeners_in.py, border.py, bynumber.py

The formats are Istio's, with more at the end: the trace, which object made the route, and what policies
noted. Clients cannot write there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lateen.envoy import names
from lateen.envoy.pb.envoy.config.accesslog.v3.accesslog_pb2 import (
    AccessLog,
    AccessLogFilter,
    AndFilter,
    ExtensionFilter,
    ResponseFlagFilter,
)
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import DataSource
from lateen.envoy.pb.envoy.config.core.v3.grpc_service_pb2 import GrpcService
from lateen.envoy.pb.envoy.config.core.v3.substitution_format_string_pb2 import (
    SubstitutionFormatString,
)
from lateen.envoy.pb.envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from lateen.envoy.pb.envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter
from lateen.envoy.pb.envoy.extensions.access_loggers.grpc.v3.als_pb2 import (
    CommonGrpcAccessLogConfig,
)
from lateen.envoy.pb.envoy.extensions.access_loggers.open_telemetry.v3.logs_service_pb2 import (
    OpenTelemetryAccessLogConfig,
)
from lateen.envoy.pb.opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    KeyValue,
    KeyValueList,
)
from lateen.envoy.wire import packed, struct
from lateen.ir.telemetry import AccessLog as Wanted
from lateen.ir.telemetry import FileLog, OtlpLog

# Istio's default text format.
_LINE = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" '
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%"
)
# Istio's default fields under JSON.
_FIELDS = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
_TRACE, _ROUTE = "%TRACE_ID%", f"%METADATA(ROUTE:{names.LATEEN})%"
# What the policies of a place noted, as JSON; where a rule refused, RESPONSE_CODE_DETAILS names it, too.
_NOTED = f"%DYNAMIC_METADATA({names.HTTP_RBAC})%"
_NO_FILTER_CHAIN = ResponseFlagFilter(flags=["NR"])


def line_log() -> AccessLog:
    """A line of text on standard output, in Istio's format."""
    return _log(Wanted(), judged=False)


def request_logs(wanted: Iterable[Wanted], *, judged: bool = False) -> list[AccessLog]:
    """Every log of the requests or connections of a place; `judged`: with what policies noted."""
    return [_log(each, judged=judged) for each in wanted]


def closed_logs(wanted: Iterable[Wanted]) -> list[AccessLog]:
    """The same for connections that no filter chain takes: plaintext under STRICT."""
    made = request_logs(wanted)
    refused = AccessLogFilter(response_flag_filter=_NO_FILTER_CHAIN)
    for log in made:
        if log.HasField("filter"):
            both = AndFilter(filters=[refused, log.filter])
            log.filter.CopyFrom(AccessLogFilter(and_filter=both))
        else:
            log.filter.CopyFrom(refused)
    return made


def _log(wanted: Wanted, *, judged: bool) -> AccessLog:
    sink = wanted.to
    made = _file(sink, judged) if isinstance(sink, FileLog) else _otlp(sink)
    if wanted.only:
        expression = packed(ExpressionFilter(expression=wanted.only))
        made.filter.extension_filter.CopyFrom(
            ExtensionFilter(
                name="envoy.access_loggers.extension_filters.cel", typed_config=expression
            )
        )
    return made


def _file(log: FileLog, judged: bool) -> AccessLog:
    config = FileAccessLog(path=log.path, log_format=_format(log, judged))
    return AccessLog(name="envoy.access_loggers.file", typed_config=packed(config))


def _format(log: FileLog, judged: bool) -> SubstitutionFormatString:
    if log.fields or log.json:
        more = {"trace_id": _TRACE, "route": _ROUTE} | ({"policies": _NOTED} if judged else {})
        fields = dict(log.fields) or {**_FIELDS, **more}
        return SubstitutionFormatString(json_format=struct(fields))
    text = log.text or " ".join([_LINE, _TRACE, _ROUTE, *([_NOTED] if judged else [])])
    line = text if text.endswith("\n") else f"{text}\n"
    return SubstitutionFormatString(text_format_source=DataSource(inline_string=line))


def _otlp(log: OtlpLog) -> AccessLog:
    fields = dict(log.fields) or {**_FIELDS, "trace_id": _TRACE}
    cluster = names.outbound_cluster(log.backend)
    config = OpenTelemetryAccessLogConfig(
        common_config=CommonGrpcAccessLogConfig(
            log_name=log.name or "otel_envoy_accesslog",
            grpc_service=GrpcService(envoy_grpc=GrpcService.EnvoyGrpc(cluster_name=cluster)),
        ),
        body=AnyValue(string_value=log.text or _LINE),
        attributes=_key_values(fields),
    )
    return AccessLog(name="envoy.access_loggers.open_telemetry", typed_config=packed(config))


def _key_values(fields: Mapping[str, str]) -> KeyValueList:
    return KeyValueList(
        values=[KeyValue(key=k, value=AnyValue(string_value=v)) for k, v in fields.items()]
    )
