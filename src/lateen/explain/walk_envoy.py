"""Follow a made-up request through what Envoy is sent.

In: Resources, Request.             Out: Outcome.
Before: envoy/emit.py, request.py   After: cli/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from google.protobuf.any_pb2 import Any

from lateen.base.errors import Bug
from lateen.envoy import names
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    FilterChain,
    FilterChainMatch,
)
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from lateen.envoy.pb.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from lateen.envoy.pb.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import (
    JwtAuthentication,
)
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from lateen.envoy.pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from lateen.envoy.pb.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import (
    DownstreamTlsContext,
)
from lateen.envoy.resources import Resources, ResourceType
from lateen.envoy.sniffing import HTTP_NAMES
from lateen.envoy.tls import ALPN_HTTP, ALPN_TCP
from lateen.explain.envoy_jwt import presented
from lateen.explain.envoy_match import origin_of, route_holds, text_holds
from lateen.explain.envoy_rbac import passed
from lateen.explain.request import (
    NO_CHAIN,
    NO_HOST,
    NO_LISTENER,
    NO_ROUTE,
    Answered,
    Forwarded,
    Outcome,
    Redirected,
    Request,
    Unverified,
    Way,
)
from lateen.explain.urls import best_domain, location, normalized, replaced, with_query_of
from lateen.ir.networks import narrowest

_Manager = http_connection_manager_pb2.HttpConnectionManager
_STATUS = {
    pb.RedirectAction.MOVED_PERMANENTLY: 301,
    pb.RedirectAction.FOUND: 302,
    pb.RedirectAction.SEE_OTHER: 303,
    pb.RedirectAction.TEMPORARY_REDIRECT: 307,
    pb.RedirectAction.PERMANENT_REDIRECT: 308,
}


def _closest(
    chains: Iterable[FilterChain], request: Request, transport: str, alpn: tuple[str, ...]
) -> FilterChain | None:
    """The chain Envoy takes: by port, then address, server name, transport, ALPN.

    At each step only the closest chains stay, and there is no way back: plaintext to a port that
    has chains of its own, all of them for TLS, does not fall to the chains for any port.
    Source: Envoy's FilterChainManagerImpl::findFilterChain.
    """
    at_port = _to_address(_at_port(chains, request.port), request.address)
    hosts = [host for chain in at_port for host in chain.filter_chain_match.server_names]
    host = best_domain(hosts, request.host) if transport == "tls" else None
    named = _closer(at_port, lambda match: match.server_names, (host,) if host else ())
    carried = _closer(
        named,
        lambda match: [match.transport_protocol] if match.transport_protocol else [],
        (transport,),
    )
    return next(iter(_closer(carried, lambda match: match.application_protocols, alpn)), None)


def _at_port(chains: Iterable[FilterChain], port: int) -> list[FilterChain]:
    every = list(chains)
    own = [each for each in every if each.filter_chain_match.destination_port.value == port]
    anywhere = [each for each in every if not each.filter_chain_match.HasField("destination_port")]
    return own or anywhere


def _to_address(chains: list[FilterChain], address: str) -> list[FilterChain]:
    """Those for the narrowest network that the address dialled is in."""
    closest = narrowest((each for chain in chains for each in _networks(chain)), address)
    return [] if closest is None else [chain for chain in chains if closest in _networks(chain)]


def _networks(chain: FilterChain) -> tuple[str, ...]:
    ranges = chain.filter_chain_match.prefix_ranges
    return tuple(f"{each.address_prefix}/{each.prefix_len.value}" for each in ranges) or ("",)


def _closer(
    chains: list[FilterChain],
    wanted: Callable[[FilterChainMatch], Sequence[str]],
    offered: tuple[str, ...],
) -> list[FilterChain]:
    """The chains that want one of what is offered; if there are none, those that want nothing."""
    fitting = [c for c in chains if set(wanted(c.filter_chain_match)).intersection(offered)]
    return fitting or [c for c in chains if not wanted(c.filter_chain_match)]


def _chain(listener: Listener, request: Request) -> FilterChain | None:
    """A client of the mesh speaks mTLS where the server takes it; a gateway's as it says."""
    chains = listener.filter_chains
    if request.way is Way.GATEWAY and request.tls:
        chain = _closest(chains, request, "tls", HTTP_NAMES)
        if chain is None:
            return None
        # A chain for plain HTTP can make nothing of TLS; one for raw bytes takes anything.
        anything = chain.HasField("filter_chain_match") or not _reads_http(chain)
        return chain if anything and not (_wants_client(chain) and not request.peer) else None
    if request.way is Way.INBOUND and request.peer:
        name = ALPN_TCP if request.raw else ALPN_HTTP
        chain = _closest(chains, request, "tls", (name,))
        if chain is not None and chain.HasField("transport_socket"):
            return chain
    chain = _closest(
        chains,
        request,
        "tls" if request.tls else "raw_buffer",
        () if request.raw or request.tls else HTTP_NAMES,
    )
    if chain is None and listener.HasField("default_filter_chain"):
        return listener.default_filter_chain
    return chain


def _reads_http(chain: FilterChain) -> bool:
    return any(each.typed_config.Is(_Manager.DESCRIPTOR) for each in chain.filters)


def _tls(chain: FilterChain) -> DownstreamTlsContext | None:
    if not chain.HasField("transport_socket"):
        return None
    return DownstreamTlsContext.FromString(chain.transport_socket.typed_config.value)


def _wants_client(chain: FilterChain) -> bool:
    tls = _tls(chain)
    return tls is not None and tls.require_client_certificate.value


def _knows_client(chain: FilterChain) -> bool:
    """Whether the peer's certificate is verified, so that policies may go by it."""
    tls = _tls(chain)
    if tls is None:
        return False
    kind = tls.common_tls_context.WhichOneof("validation_context_type")
    return kind is not None


def _redirected(route: pb.Route, request: Request) -> Redirected:
    redirect = route.redirect
    return Redirected(
        route=route.name,
        origin=origin_of(route.metadata),
        status=_STATUS[redirect.response_code],
        location=location(
            old_scheme=request.scheme,
            scheme=redirect.scheme_redirect,
            authority=request.authority,
            port=redirect.port_redirect,
            new_host=redirect.host_redirect,
            path=_redirect_path(route, request.path),
        ),
    )


def _redirect_path(route: pb.Route, path: str) -> str:
    redirect = route.redirect
    if redirect.prefix_rewrite:
        return _with_prefix(route, redirect.prefix_rewrite, path)
    return with_query_of(redirect.path_redirect, path) if redirect.path_redirect else path


def _rewritten(route: pb.Route, path: str) -> str:
    if route.route.HasField("regex_rewrite"):
        regex = route.route.regex_rewrite
        return replaced(regex.pattern.regex, regex.substitution, path)
    new = route.route.prefix_rewrite
    return _with_prefix(route, new, path) if new else path


def _with_prefix(route: pb.Route, new: str, path: str) -> str:
    """The path with what the route's match took of it replaced."""
    bare, mark, query = path.partition("?")
    whole = route.match.WhichOneof("path_specifier") != "prefix"
    rest = "" if whole else bare[len(route.match.prefix) :]
    return new + rest + mark + query


def _preflight(route: pb.Route, request: Request) -> bool:
    """Whether the CORS filter answers by itself."""
    said = route.typed_per_filter_config.get("envoy.filters.http.cors")
    headers = dict(request.headers)
    if said is None or request.method != "OPTIONS" or not headers.get("origin"):
        return False
    if not headers.get("access-control-request-method"):
        return False
    policy = CorsPolicy.FromString(said.value)
    known = any(
        text_holds(each, "*") or text_holds(each, headers["origin"])
        for each in policy.allow_origin_string_match
    )
    return known or not policy.forward_not_matching_preflights.value


def _aborts(route: pb.Route) -> tuple[float, int] | None:
    said = route.typed_per_filter_config.get("envoy.filters.http.fault")
    if said is None:
        return None
    fault = HTTPFault.FromString(said.value)
    if not fault.HasField("abort"):
        return None
    share = fault.abort.percentage.numerator / 10_000
    return share, fault.abort.http_status if fault.abort.WhichOneof(
        "error_type"
    ) == "http_status" else 200


def _hashed(policy: pb.RouteAction.HashPolicy) -> str:
    match policy.WhichOneof("policy_specifier"):
        case "header":
            return f"header {policy.header.header_name}"
        case "cookie":
            return f"cookie {policy.cookie.name}"
        case "query_parameter":
            return f"query parameter {policy.query_parameter.name}"
        case "connection_properties":
            return "source address"
        case other:
            raise Bug(f"explain cannot follow a hash of {other}")


def _act(route: pb.Route, request: Request) -> Outcome:
    if _preflight(route, request):
        return Answered(route=route.name, origin=origin_of(route.metadata), status=200)
    which = route.WhichOneof("action")
    if which == "redirect":
        return _redirected(route, request)
    if which == "direct_response":
        answer = route.direct_response
        return Answered(
            route=route.name,
            origin=origin_of(route.metadata),
            status=answer.status,
            body=answer.body.inline_string or answer.body.inline_bytes.decode(errors="replace"),
        )
    if which != "route":
        raise Bug(f"explain cannot follow a route with {which}")
    action = route.route
    shares: tuple[tuple[str, int], ...] = ((action.cluster, 100),)
    if action.WhichOneof("cluster_specifier") == "weighted_clusters":
        shares = tuple((each.name, each.weight.value) for each in action.weighted_clusters.clusters)
    return Forwarded(
        route=route.name,
        origin=origin_of(route.metadata),
        shares=shares,
        path=_rewritten(route, request.path),
        authority=action.host_rewrite_literal or request.authority,
        mirrors=tuple(
            (each.cluster, each.runtime_fraction.default_value.numerator / 10_000)
            for each in action.request_mirror_policies
        ),
        aborts=_aborts(route),
        hashed=tuple(map(_hashed, action.hash_policy)),
    )


def _routed(table: RouteConfiguration, request: Request) -> Outcome:
    by_domain = {domain: host for host in table.virtual_hosts for domain in host.domains}
    asked = request.host if table.ignore_port_in_host_matching else request.authority
    domain = best_domain(by_domain, asked)
    if domain is None:
        return NO_HOST
    host = by_domain[domain]
    if host.require_tls == pb.VirtualHost.ALL and request.scheme != "https":
        where = f"https://{request.authority}{request.path}"
        return Redirected(route="", origin="", status=301, location=where)
    for route in host.routes:
        if route_holds(route.match, request):
            return _act(route, request)
    return NO_ROUTE


def _table(manager: _Manager, resources: Resources) -> RouteConfiguration:
    if manager.WhichOneof("route_specifier") == "route_config":
        return manager.route_config
    found = resources[ResourceType.ROUTES].get(manager.rds.route_config_name)
    return RouteConfiguration.FromString(found.body) if found else RouteConfiguration()


def _http(config: Any, request: Request, resources: Resources) -> Outcome:
    manager = _Manager.FromString(config.value)
    path = normalized(
        request.path,
        resolve=manager.normalize_path.value,
        merge=manager.merge_slashes,
        unescape=manager.path_with_escaped_slashes_action == _Manager.UNESCAPE_AND_FORWARD,
    )
    seen = replace(request, path=path)
    for each in manager.http_filters:
        if each.typed_config.Is(JwtAuthentication.DESCRIPTOR):
            shown = presented(JwtAuthentication.FromString(each.typed_config.value), seen)
            if isinstance(shown, Unverified):
                return shown
            seen = shown
    denied = passed((each.typed_config for each in manager.http_filters), seen)
    return denied or _routed(_table(manager, resources), seen)


def _opaque(request: Request) -> bool:
    """Whether the proxy cannot see inside the connection."""
    return request.tls and request.way is Way.OUTBOUND


def _shares(proxy: TcpProxy) -> tuple[tuple[str, int], ...]:
    if proxy.WhichOneof("cluster_specifier") == "cluster":
        return ((proxy.cluster, 100),)
    return tuple((each.name, each.weight) for each in proxy.weighted_clusters.clusters)


def _through(chain: FilterChain, request: Request, resources: Resources) -> Outcome:
    for each in chain.filters:
        config = each.typed_config
        if config.Is(_Manager.DESCRIPTOR) and (request.raw or _opaque(request)):
            return NO_CHAIN
        if config.Is(_Manager.DESCRIPTOR):
            return _http(config, request, resources)
        if config.Is(TcpProxy.DESCRIPTOR):
            denied = passed((before.typed_config for before in chain.filters), request)
            return denied or Forwarded(
                route="",
                origin=origin_of(chain.metadata),
                shares=_shares(TcpProxy.FromString(config.value)),
                path=request.path,
                authority=request.authority,
            )
    return NO_CHAIN


def _listener_names(request: Request) -> tuple[str, ...]:
    """The listeners that may take the connection, the closest first."""
    wildcard = names.wildcard_listener(request.port)
    match request.way:
        case Way.INBOUND:
            own = names.address_listener(request.address, request.port)
            return (own, names.VIRTUAL_INBOUND)
        case Way.GATEWAY:
            return (names.address_listener(request.address, request.port), wildcard)
        case Way.OUTBOUND:
            exact = names.address_listener(request.address, request.port)
            return (exact, wildcard, names.VIRTUAL_OUTBOUND)
    assert_never(request.way)


def walk_envoy(resources: Resources, request: Request) -> Outcome:
    """What an Envoy with these resources does with the request."""
    listeners = resources[ResourceType.LISTENER]
    found = next((listeners[name] for name in _listener_names(request) if name in listeners), None)
    if found is None:
        return NO_LISTENER
    chain = _chain(Listener.FromString(found.body), request)
    if chain is None:
        return NO_CHAIN
    known = request
    if not _knows_client(chain):
        known = replace(request, peer="")
    return _through(chain, known, resources)
