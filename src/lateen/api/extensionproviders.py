"""What the mesh may ask on behalf of its policies: external authorizers.

In: -    Out: ExtensionProvider.    Source: istio.io MeshConfig.ExtensionProvider.
Before: api/fields.py               After: api/meshconfig.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Duration, NotYet

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


class ExtensionProvider(Api, frozen=True, kw_only=True):
    """A provider by name: one of these."""

    name: str
    envoy_ext_authz_http: EnvoyExternalAuthorizationHttpProvider | None = None
    envoy_ext_authz_grpc: EnvoyExternalAuthorizationGrpcProvider | None = None
    zipkin: NotYet = None
    lightstep: NotYet = None
    datadog: NotYet = None
    opencensus: NotYet = None
    skywalking: NotYet = None
    opentelemetry: NotYet = None
    prometheus: NotYet = None
    stackdriver: NotYet = None
    sds: NotYet = None
    envoy_file_access_log: NotYet = None
    envoy_http_als: NotYet = None
    envoy_tcp_als: NotYet = None
    envoy_otel_als: NotYet = None

    @property
    def authorizes(self) -> bool:
        """Whether it can be asked about requests."""
        return bool(self.envoy_ext_authz_http or self.envoy_ext_authz_grpc)
