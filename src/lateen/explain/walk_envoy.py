"""Follow a made-up request through what Envoy is sent.

In: Resources, Request.             Out: Outcome, and the steps on the way to it.
Before: envoy/emit.py, envoy_chains.py, envoy_routes.py        After: journey.py

Filters that are not known here are named in a step and taken for ones that let everything pass; where
the outcome hangs on something else that is not known, it is Lost, and says so.
"""

from __future__ import annotations

from typing import assert_never

from google.protobuf.any_pb2 import Any
from msgspec.structs import replace

from lateen.api.envoywords import message_class
from lateen.envoy import names
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import FilterChain
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import (
    JwtAuthentication,
)
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from lateen.envoy.pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from lateen.envoy.resources import Resources, ResourceType
from lateen.explain.believing import believed
from lateen.explain.envoy_chains import chain_for, knows_client
from lateen.explain.envoy_jwt import presenting
from lateen.explain.envoy_match import NotModelled, origin_of
from lateen.explain.envoy_rbac import passed
from lateen.explain.envoy_routes import walk_table
from lateen.explain.request import (
    NO_CHAIN,
    NO_LISTENER,
    Forwarded,
    Lost,
    Outcome,
    Request,
    Unverified,
    Way,
)
from lateen.explain.steps import Part, Step, Walk, end_of
from lateen.explain.unreading import unread
from lateen.explain.urls import normalized

_Manager = http_connection_manager_pb2.HttpConnectionManager
TYPED_STRUCT = "xds.type.v3.TypedStruct"  # what carries a message of a kind that Envoy lacks
_STRUCTS = frozenset({TYPED_STRUCT, "udpa.type.v1.TypedStruct"})
_PREFIX = "type.googleapis.com/"
# What these do is modelled, or it decides nothing about where a request goes.
_MODELLED = frozenset(
    f"envoy.extensions.filters.{name}"
    for name in (
        "http.cors.v3.Cors",
        "http.ext_authz.v3.ExtAuthz",
        "http.fault.v3.HTTPFault",
        "http.grpc_stats.v3.FilterConfig",
        "http.grpc_web.v3.GrpcWeb",
        "http.jwt_authn.v3.JwtAuthentication",
        "http.rbac.v3.RBAC",
        "http.router.v3.Router",
        "http.set_filter_state.v3.Config",
        "http.upstream_codec.v3.UpstreamCodec",
        "network.ext_authz.v3.ExtAuthz",
        "network.http_connection_manager.v3.HttpConnectionManager",
        "network.rbac.v3.RBAC",
        "network.set_filter_state.v3.Config",
        "network.sni_cluster.v3.SniCluster",
        "network.tcp_proxy.v3.TcpProxy",
    )
)


def walk_envoy(resources: Resources, request: Request) -> Outcome:
    """What an Envoy with these resources does with the request."""
    return end_of(way_through_envoy(resources, request))


def way_through_envoy(resources: Resources, request: Request) -> Walk[Outcome]:
    """The same, with every step of the way."""
    listeners = resources[ResourceType.LISTENER]
    name = next((name for name in _listener_names(request) if name in listeners), None)
    if name is None:
        return NO_LISTENER
    listener = Listener.FromString(listeners[name].body)
    yield Step(part=Part.LISTENER, name=name, held=True, origin=origin_of(listener.metadata))
    chain = chain_for(listener, request)
    if chain is None:
        yield Step(part=Part.CHAIN, name="", held=False, because="no filter chain takes it")
        return NO_CHAIN
    yield Step(part=Part.CHAIN, name=chain.name, held=True, origin=origin_of(chain.metadata))
    known = request if knows_client(chain) else replace(request, peer="")
    try:
        return (yield from _through(chain, known, resources))
    except NotModelled as fault:
        return Lost(why=f"not modelled: {fault}")


def _unmodelled(name: str, config: Any) -> Step | None:
    """A word on a filter that may do what is not known here."""
    kind = config.type_url.removeprefix(_PREFIX)
    if kind in _MODELLED:
        return None
    if kind in _STRUCTS:
        kind = message_class(kind).FromString(config.value).type_url.removeprefix(_PREFIX)
    return Step(
        part=Part.FILTER, name=name, held=False, because=f"not modelled: {kind or 'no type'}"
    )


def _table(manager: _Manager, resources: Resources) -> RouteConfiguration:
    if manager.WhichOneof("route_specifier") == "route_config":
        return manager.route_config
    found = resources[ResourceType.ROUTES].get(manager.rds.route_config_name)
    return RouteConfiguration.FromString(found.body) if found else RouteConfiguration()


def _http(config: Any, request: Request, resources: Resources) -> Walk[Outcome]:
    manager = _Manager.FromString(config.value)
    if odd := (yield from unread(request, resolve=manager.normalize_path.value)):
        return odd
    path = normalized(
        request.path,
        resolve=manager.normalize_path.value,
        merge=manager.merge_slashes,
        unescape=manager.path_with_escaped_slashes_action == _Manager.UNESCAPE_AND_FORWARD,
    )
    known = believed(request, manager.xff_num_trusted_hops)
    seen = replace(known, path=path)
    for each in manager.http_filters:
        if unknown := _unmodelled(each.name, each.typed_config):
            yield unknown
        if each.typed_config.Is(JwtAuthentication.DESCRIPTOR):
            shown = yield from presenting(
                JwtAuthentication.FromString(each.typed_config.value), seen
            )
            if isinstance(shown, Unverified):
                return shown
            seen = shown
    denied = yield from passed((each.typed_config for each in manager.http_filters), seen)
    if denied:
        return denied
    return (yield from walk_table(_table(manager, resources), seen))


def _opaque(request: Request) -> bool:
    """Whether the proxy cannot see inside the connection."""
    return request.tls and request.way is Way.OUTBOUND


def _shares(proxy: TcpProxy) -> tuple[tuple[str, int], ...]:
    if proxy.WhichOneof("cluster_specifier") == "cluster":
        return ((proxy.cluster, 100),)
    return tuple((each.name, each.weight) for each in proxy.weighted_clusters.clusters)


def _through(chain: FilterChain, request: Request, resources: Resources) -> Walk[Outcome]:
    for each in chain.filters:
        config = each.typed_config
        if unknown := _unmodelled(each.name, config):
            yield unknown
        if config.Is(_Manager.DESCRIPTOR) and (request.raw or _opaque(request)):
            return NO_CHAIN
        if config.Is(_Manager.DESCRIPTOR):
            return (yield from _http(config, request, resources))
        if config.Is(TcpProxy.DESCRIPTOR):
            denied = yield from passed((before.typed_config for before in chain.filters), request)
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
