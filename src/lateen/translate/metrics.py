"""Which metrics a proxy makes, and with which labels, by Telemetry.

In: the Telemetries that hold for a workload.    Out: ir Metrics, problems.
Before: api/telemetry.py                         After: translate/reporting.py

A closer Telemetry's word on a metric, or on a label of it, takes the place of one further away. A label's value
is an expression in Istio's; here it is one of Envoy's formats, so those that have a format are taken and the others named.
Source: Istio, pilot/pkg/model/telemetry.go; Envoy's attributes and access log formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lateen.api.telemetry import ALL_METRICS, METRICS, REMOVE, MetricsOverride, TelemetryMetrics
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.telemetry import Metrics
from lateen.translate.faults import not_counted

_BOTH = "CLIENT_AND_SERVER"
_LITERAL = re.compile(r"""'([^'\\%]*)'|"([^"\\%]*)\"""")
_WRAPPED = re.compile(r"string\((.*)\)")
_HEADER = re.compile(r"""(request|response)\.headers\[\s*(?:'([\w-]+)'|"([\w-]+)")\s*\]""")
_FORMATS = {
    "request.host": "%REQ(:AUTHORITY)%",
    "request.method": "%REQ(:METHOD)%",
    "request.path": "%REQ(:PATH)%",
    "request.url_path": "%PATH(NQ)%",
    "request.protocol": "%PROTOCOL%",
    "request.id": "%REQ(X-REQUEST-ID)%",
    "request.useragent": "%REQ(USER-AGENT)%",
    "request.referer": "%REQ(REFERER)%",
    "request.scheme": "%REQ(:SCHEME)%",
    "response.code": "%RESPONSE_CODE%",
    "response.code_details": "%RESPONSE_CODE_DETAILS%",
    "response.flags": "%RESPONSE_FLAGS%",
    "response.grpc_status": "%GRPC_STATUS_NUMBER%",
    "source.address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "source.port": "%DOWNSTREAM_REMOTE_PORT%",
    "destination.address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "destination.port": "%DOWNSTREAM_LOCAL_PORT%",
    "connection.requested_server_name": "%REQUESTED_SERVER_NAME%",
    "connection.tls_version": "%DOWNSTREAM_TLS_VERSION%",
    "connection.uri_san_peer_certificate": "%DOWNSTREAM_PEER_URI_SAN%",
    "connection.subject_peer_certificate": "%DOWNSTREAM_PEER_SUBJECT%",
    "upstream.address": "%UPSTREAM_HOST%",
    "xds.route_name": "%ROUTE_NAME%",
    "xds.cluster_name": "%UPSTREAM_CLUSTER_RAW%",
}


def format_of(expression: str) -> str:
    """Envoy's format for an expression, a plain text for a literal; "" where there is none."""
    text = expression.strip()
    if found := _WRAPPED.fullmatch(text):
        text = found[1].strip()
    if literal := _LITERAL.fullmatch(text):
        return literal[1] or literal[2] or ""
    if header := _HEADER.fullmatch(text):
        command = "REQ" if header[1] == "request" else "RESP"
        return f"%{command}({(header[2] or header[3]).upper()})%"
    return _FORMATS.get(text, "")


def metrics_of(
    said: Iterable[tuple[TelemetryMetrics, Origin]], side: str, problems: list[Problem]
) -> Metrics:
    """What is left off and what is labelled otherwise on one side (CLIENT or SERVER), the furthest word first."""
    off: dict[str, bool] = {}
    labels: dict[tuple[str, str], str | None] = {}
    for each, origin in said:
        for index, override in enumerate(each.overrides):
            if override.match is not None and override.match.mode not in ("", _BOTH, side):
                continue
            at = origin.at(f"{origin.field}.overrides[{index}]")
            for name in _meant(override, at, problems):
                if override.disabled is not None:
                    off[name] = override.disabled
                for label, tag in override.tag_overrides.items():
                    if tag.operation == REMOVE:
                        labels[name, label] = None
                    elif made := format_of(tag.value):
                        labels[name, label] = made
                    else:
                        here = at.at(f"{at.field}.tagOverrides.{label}.value")
                        words = f"the label {label} is left as it is: {tag.value!r} has no format of Envoy's"
                        problems.append(not_counted(here, words))
    return Metrics(
        off=frozenset(name for name, gone in off.items() if gone),
        labels=tuple(
            (name, label, made) for (name, label), made in sorted(labels.items(), key=str)
        ),
    )


def _meant(override: MetricsOverride, at: Origin, problems: list[Problem]) -> tuple[str, ...]:
    match = override.match
    if match is not None and match.custom_metric:
        if match.custom_metric in METRICS.values():
            return (match.custom_metric,)
        here = at.at(f"{at.field}.match.customMetric")
        problems.append(not_counted(here, f"no proxy makes a metric {match.custom_metric!r}"))
        return ()
    if match is None or match.metric in ("", ALL_METRICS):
        return tuple(METRICS.values())
    return (METRICS[match.metric],) if match.metric in METRICS else ()
