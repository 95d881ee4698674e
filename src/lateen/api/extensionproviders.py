"""What the mesh may ask on behalf of its policies, and whom it tells: authorizers, collectors, logs.

In: -    Out: ExtensionProvider.    Source: istio.io MeshConfig.ExtensionProvider.
Before: api/fields.py               After: api/meshconfig.py
"""

from __future__ import annotations

from typing import Any

import msgspec

from lateen.api.fields import Api, Duration, Informative, NotYet

# The statuses Envoy can answer with (envoy.type.v3.StatusCode).
STATUSES = frozenset(
    str(number)
    for numbers in (
        (100, *range(200, 209), 226, 300, 301, 302, 303, 304, 305, 307, 308),
        (*range(400, 418), 421, 422, 423, 424, 426, 428, 429, 431),
        (*range(500, 509), 510, 511),
    )
    for number in numbers
)


class RequestBody(Api, frozen=True, kw_only=True):
    """How much of a request's body the authorizer is shown; a longer one is refused unless partial ones will do."""

    max_request_bytes: int = 0
    allow_partial_message: bool = False
    pack_as_bytes: bool = False


class EnvoyExternalAuthorizationHttpProvider(Api, frozen=True, kw_only=True):
    """An authorizer that answers HTTP requests: 200 allows.

    Names of headers may begin or end with `*`. Always sent are method, path, host and content-length.
    """

    service: str
    port: int
    timeout: Duration | None = None
    path_prefix: str = ""
    fail_open: bool = False
    clear_route_cache: bool = False
    status_on_error: str = ""
    include_headers_in_check: tuple[str, ...] = ()
    include_request_headers_in_check: tuple[str, ...] = ()
    include_additional_headers_in_check: dict[str, str] = {}
    include_request_body_in_check: RequestBody | None = None
    headers_to_upstream_on_allow: tuple[str, ...] = ()
    headers_to_downstream_on_deny: tuple[str, ...] = ()
    headers_to_downstream_on_allow: tuple[str, ...] = ()


class EnvoyExternalAuthorizationGrpcProvider(Api, frozen=True, kw_only=True):
    """An authorizer that speaks Envoy's `envoy.service.auth.v3.Authorization`."""

    service: str
    port: int
    timeout: Duration | None = None
    fail_open: bool = False
    clear_route_cache: bool = False
    status_on_error: str = ""
    include_request_body_in_check: RequestBody | None = None


class HttpHeader(Api, frozen=True, kw_only=True):
    """A header that is sent along."""

    name: str
    value: str = ""
    env_name: NotYet = None


class OtlpOverHttp(Api, frozen=True, kw_only=True):
    """Where and how a collector is told over HTTP."""

    path: str = ""
    timeout: Duration | None = None
    headers: tuple[HttpHeader, ...] = ()


class OtlpOverGrpc(Api, frozen=True, kw_only=True):
    """How a collector is told over gRPC."""

    timeout: Duration | None = None
    initial_metadata: tuple[HttpHeader, ...] = ()


class ResourceDetectors(Api, frozen=True, kw_only=True):
    """What a proxy finds out about itself; its environment says nothing here."""

    environment: Informative = None
    dynatrace: NotYet = None


class OpenTelemetryTracingProvider(Api, frozen=True, kw_only=True):
    """A collector that takes OTLP."""

    service: str
    port: int
    max_tag_length: int | None = None
    http: OtlpOverHttp | None = None
    grpc: OtlpOverGrpc | None = None
    resource_detectors: ResourceDetectors | None = msgspec.field(
        default=None, name="resource_detectors"
    )
    dynatrace_sampler: NotYet = msgspec.field(default=None, name="dynatrace_sampler")


class ZipkinTracingProvider(Api, frozen=True, kw_only=True):
    """A collector that takes Zipkin's spans."""

    service: str
    port: int
    max_tag_length: int | None = None
    enable_64bit_trace_id: bool = msgspec.field(default=False, name="enable64bitTraceId")
    path: str = ""
    trace_context_option: Informative = None  # both kinds of headers are always sent
    timeout: NotYet = None
    headers: NotYet = None


class LogFormat(Api, frozen=True, kw_only=True):
    """One of these, in Envoy's access log format."""

    text: str = ""
    labels: dict[str, Any] = {}


class EnvoyFileAccessLogProvider(Api, frozen=True, kw_only=True):
    """Lines in a file: `/dev/stdout` or `/dev/stderr`."""

    path: str = ""
    log_format: LogFormat | None = None
    omit_empty_values: NotYet = None


class EnvoyOpenTelemetryLogProvider(Api, frozen=True, kw_only=True):
    """A collector that takes logs by OTLP over gRPC."""

    service: str
    port: int
    log_name: str = ""
    log_format: LogFormat | None = None


class ExtensionProvider(Api, frozen=True, kw_only=True):
    """A provider by name: one of these."""

    name: str
    envoy_ext_authz_http: EnvoyExternalAuthorizationHttpProvider | None = None
    envoy_ext_authz_grpc: EnvoyExternalAuthorizationGrpcProvider | None = None
    zipkin: ZipkinTracingProvider | None = None
    lightstep: NotYet = None
    datadog: NotYet = None
    opencensus: NotYet = None
    skywalking: NotYet = None
    opentelemetry: OpenTelemetryTracingProvider | None = None
    prometheus: NotYet = None
    stackdriver: NotYet = None
    sds: NotYet = None
    envoy_file_access_log: EnvoyFileAccessLogProvider | None = None
    envoy_http_als: NotYet = None
    envoy_tcp_als: NotYet = None
    envoy_otel_als: EnvoyOpenTelemetryLogProvider | None = None

    @property
    def authorizes(self) -> bool:
        """Whether it can be asked about requests."""
        return bool(self.envoy_ext_authz_http or self.envoy_ext_authz_grpc)
