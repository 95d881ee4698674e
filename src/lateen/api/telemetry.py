"""Istio Telemetry: which metrics, traces and access logs the proxies of some pods make.

In: -    Out: Telemetry.    Source: telemetry.istio.io.
Before: api/security.py     After: check/telemetry.py, translate/

What is closer to a pod comes on top of what is further away: the root namespace's, the namespace's,
the one that selects the pod. `None` leaves what would hold otherwise.
"""

from __future__ import annotations

from typing import Annotated

from lateen.api.fields import LATER, Api, Duration, Informative
from lateen.api.meta import ObjectMeta
from lateen.api.security import PolicyTargetReference, WorkloadSelector

MODES = ("CLIENT_AND_SERVER", "CLIENT", "SERVER")
ALL_METRICS = "ALL_METRICS"
METRICS = {
    "REQUEST_COUNT": "istio_requests_total",
    "REQUEST_DURATION": "istio_request_duration_milliseconds",
    "REQUEST_SIZE": "istio_request_bytes",
    "RESPONSE_SIZE": "istio_response_bytes",
    "TCP_OPENED_CONNECTIONS": "istio_tcp_connections_opened_total",
    "TCP_CLOSED_CONNECTIONS": "istio_tcp_connections_closed_total",
    "TCP_SENT_BYTES": "istio_tcp_sent_bytes_total",
    "TCP_RECEIVED_BYTES": "istio_tcp_received_bytes_total",
    "GRPC_REQUEST_MESSAGES": "istio_request_messages_total",
    "GRPC_RESPONSE_MESSAGES": "istio_response_messages_total",
}
UPSERT, REMOVE = "UPSERT", "REMOVE"


class ProviderRef(Api, frozen=True, kw_only=True):
    """A provider, by its name in the mesh's settings (`extensionProviders`)."""

    name: str


class ModeMatch(Api, frozen=True, kw_only=True):
    """The side meant, one of `MODES`: as a client, as a server, or both."""

    mode: str = ""


class TagLiteral(Api, frozen=True, kw_only=True):
    """The same for all requests."""

    value: str = ""


class TagEnvironment(Api, frozen=True, kw_only=True):
    """A variable of the proxy's environment."""

    name: str = ""
    default_value: str = ""


class TagHeader(Api, frozen=True, kw_only=True):
    """A header of the request."""

    name: str = ""
    default_value: str = ""


class TagFormatter(Api, frozen=True, kw_only=True):
    """An access log format of Envoy's, such as `%RESPONSE_CODE%`."""

    value: str = ""


class CustomTag(Api, frozen=True, kw_only=True):
    """What a tag of a span says: one of these."""

    literal: TagLiteral | None = None
    environment: TagEnvironment | None = None
    header: TagHeader | None = None
    formatter: TagFormatter | None = None


class TelemetryTracing(Api, frozen=True, kw_only=True):
    """How requests are traced; a percentage is 0 to 100."""

    match: ModeMatch | None = None
    providers: tuple[ProviderRef, ...] = ()
    random_sampling_percentage: float | None = None
    disable_span_reporting: bool | None = None
    custom_tags: dict[str, CustomTag] = {}
    use_request_id_for_trace_sampling: bool | None = None
    enable_istio_tags: bool | None = None
    disable_context_propagation: bool | None = None


class MetricSelector(Api, frozen=True, kw_only=True):
    """The metrics meant: one of `METRICS` or all, or one by its own name."""

    metric: str = ""
    custom_metric: str = ""
    mode: str = ""


class TagOverride(Api, frozen=True, kw_only=True):
    """What becomes of a label: UPSERT with a value (an expression), or REMOVE."""

    operation: str = UPSERT
    value: str = ""


class MetricsOverride(Api, frozen=True, kw_only=True):
    """What is changed of some metrics."""

    match: MetricSelector | None = None
    disabled: bool | None = None
    tag_overrides: dict[str, TagOverride] = {}


class TelemetryMetrics(Api, frozen=True, kw_only=True):
    """How metrics are made."""

    providers: tuple[ProviderRef, ...] = ()
    overrides: tuple[MetricsOverride, ...] = ()
    reporting_interval: Annotated[Duration | None, LATER] = None


class LogFilter(Api, frozen=True, kw_only=True):
    """Which requests are logged: those of which a CEL expression is true."""

    expression: str = ""


class AccessLogging(Api, frozen=True, kw_only=True):
    """Where requests are logged, if at all."""

    match: ModeMatch | None = None
    providers: tuple[ProviderRef, ...] = ()
    disabled: bool | None = None
    filter: LogFilter | None = None


class TelemetrySpec(Api, frozen=True, kw_only=True):
    """For the selected pods; without a selector for the namespace, in the root namespace for the mesh."""

    selector: WorkloadSelector | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: tuple[PolicyTargetReference, ...] = ()
    tracing: tuple[TelemetryTracing, ...] = ()
    metrics: tuple[TelemetryMetrics, ...] = ()
    access_logging: tuple[AccessLogging, ...] = ()


class Telemetry(Api, frozen=True, kw_only=True):
    """telemetry.istio.io Telemetry."""

    api_version: str = "telemetry.istio.io/v1"
    kind: str = "Telemetry"
    metadata: ObjectMeta
    spec: TelemetrySpec = TelemetrySpec()
    status: Informative = None
