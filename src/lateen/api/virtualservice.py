"""Istio VirtualService: how requests to a host are matched, changed and sent on.

In: -    Out: VirtualService.    Source: networking.istio.io VirtualService.
Before: api/meta.py              After: check/, translate/
"""

from __future__ import annotations

from lateen.api.fields import Api, Duration, Informative, Labels
from lateen.api.meta import ObjectMeta

CLAIMS = "@request.auth.claims"


def claim_of(header: str) -> tuple[str, ...] | None:
    """The way to a token's claim that stands in a header's place; None for the name of a header.

    `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`. Source: Istio's ToRoutingClaim.
    """
    if not header.lower().startswith(CLAIMS):
        return None
    way = header[len(CLAIMS) :]
    if way.startswith(".") and len(way) > 1:
        return tuple(way[1:].split("."))
    if way.startswith("[") and way.endswith("]") and len(way) > 2:
        return tuple(way[1:-1].split("]["))
    return None


class StringMatch(Api, frozen=True, kw_only=True):
    """One of exact, prefix, regex (RE2, whole string)."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class HTTPMatchRequest(Api, frozen=True, kw_only=True):
    """All given conditions must hold. An empty header match means: present."""

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = {}
    without_headers: dict[str, StringMatch] = {}
    query_params: dict[str, StringMatch] = {}
    port: int | None = None
    source_labels: Labels = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    ignore_uri_case: bool = False
    stat_prefix: str = ""


class PortSelector(Api, frozen=True, kw_only=True):
    """A port by number."""

    number: int


class Destination(Api, frozen=True, kw_only=True):
    """A service, subset and port; `port` may be left out if the service has one only."""

    host: str
    subset: str = ""
    port: PortSelector | None = None


class HeaderOperations(Api, frozen=True, kw_only=True):
    """Headers to set, add and remove, in Istio's order: remove last."""

    set: dict[str, str] = {}
    add: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Api, frozen=True, kw_only=True):
    """Changes to request and response headers."""

    request: HeaderOperations = HeaderOperations()
    response: HeaderOperations = HeaderOperations()


class HTTPRouteDestination(Api, frozen=True, kw_only=True):
    """A destination and its share."""

    destination: Destination
    weight: int = 0
    headers: Headers | None = None


class RegexRewrite(Api, frozen=True, kw_only=True):
    """What of the path to replace (RE2) and by what; `\\1` stands for a group."""

    match: str = ""
    rewrite: str = ""


class HTTPRewrite(Api, frozen=True, kw_only=True):
    """New path (replaces the matched prefix, or what the regex finds) and authority."""

    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None


class HTTPRedirect(Api, frozen=True, kw_only=True):
    """Answer with a redirect; `redirect_code` is 301 unless given."""

    uri: str = ""
    authority: str = ""
    port: int | None = None
    derive_port: str = ""
    prefix_rewrite: str = ""
    scheme: str = ""
    redirect_code: int = 301


class HTTPBody(Api, frozen=True, kw_only=True):
    """A body; `bytes` is base64."""

    string: str | None = None
    bytes: str | None = None


class HTTPDirectResponse(Api, frozen=True, kw_only=True):
    """Answer at once."""

    status: int
    body: HTTPBody | None = None


class HTTPRetry(Api, frozen=True, kw_only=True):
    """Retries after the first attempt."""

    attempts: int
    per_try_timeout: Duration | None = None
    retry_on: str = ""
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: Duration | None = None


class Percent(Api, frozen=True, kw_only=True):
    """0 to 100, in steps of 0.0001."""

    value: float = 0.0


class FaultDelay(Api, frozen=True, kw_only=True):
    """Delay a share of requests."""

    fixed_delay: Duration
    percentage: Percent | None = None
    percent: int | None = None
    exponential_delay: Duration | None = None


class FaultAbort(Api, frozen=True, kw_only=True):
    """Answer a share of requests with an error."""

    http_status: int | None = None
    grpc_status: str | None = None
    percentage: Percent | None = None
    http2_error: str = ""


class HTTPFaultInjection(Api, frozen=True, kw_only=True):
    """Faults to try out."""

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


class HTTPMirrorPolicy(Api, frozen=True, kw_only=True):
    """A copy of a share of the requests; its answers are thrown away."""

    destination: Destination
    percentage: Percent | None = None


class CorsPolicy(Api, frozen=True, kw_only=True):
    """Which origins' scripts may call; `allow_origin` is the older form, of exact names."""

    allow_origins: tuple[StringMatch, ...] = ()
    allow_origin: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None
    unmatched_preflights: str = ""


class Delegate(Api, frozen=True, kw_only=True):
    """The VirtualService without hosts whose rules stand here; in this namespace unless given."""

    name: str = ""
    namespace: str = ""


class HTTPRoute(Api, frozen=True, kw_only=True):
    """Rules are tried in order; the first whose match holds decides."""

    name: str = ""
    match: tuple[HTTPMatchRequest, ...] = ()
    route: tuple[HTTPRouteDestination, ...] = ()
    redirect: HTTPRedirect | None = None
    direct_response: HTTPDirectResponse | None = None
    rewrite: HTTPRewrite | None = None
    timeout: Duration | None = None
    retries: HTTPRetry | None = None
    fault: HTTPFaultInjection | None = None
    headers: Headers | None = None
    delegate: Delegate | None = None
    mirror: Destination | None = None
    mirrors: tuple[HTTPMirrorPolicy, ...] = ()
    mirror_percent: int | None = None
    mirror_percentage: Percent | None = None
    cors_policy: CorsPolicy | None = None


class RouteDestination(Api, frozen=True, kw_only=True):
    """A destination of raw connections, and its share."""

    destination: Destination
    weight: int = 0


class TLSMatchAttributes(Api, frozen=True, kw_only=True):
    """Connections by server name, address and by whose they are."""

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    port: int | None = None
    source_labels: Labels = {}
    gateways: tuple[str, ...] = ()
    source_namespace: str = ""


class TLSRoute(Api, frozen=True, kw_only=True):
    """Where TLS that is not ended here goes."""

    match: tuple[TLSMatchAttributes, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class L4MatchAttributes(Api, frozen=True, kw_only=True):
    """Connections by address, port and by whose they are; Istio does not look at `source_subnet`."""

    destination_subnets: tuple[str, ...] = ()
    port: int | None = None
    source_labels: Labels = {}
    gateways: tuple[str, ...] = ()
    source_namespace: str = ""
    source_subnet: str = ""


class TCPRoute(Api, frozen=True, kw_only=True):
    """Where raw connections go."""

    match: tuple[L4MatchAttributes, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class VirtualServiceSpec(Api, frozen=True, kw_only=True):
    """Rules for hosts, at the named gateways and, unless gateways are given, in the mesh."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[TLSRoute, ...] = ()
    tcp: tuple[TCPRoute, ...] = ()
    export_to: tuple[str, ...] = ()


class VirtualService(Api, frozen=True, kw_only=True):
    """networking.istio.io VirtualService."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "VirtualService"
    metadata: ObjectMeta
    spec: VirtualServiceSpec
    status: Informative = None
