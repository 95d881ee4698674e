"""Write a table of virtual hosts.

In: RouteTable.               Out: RouteConfiguration.
Before: ir/routes.py          After: emit.py
"""

from __future__ import annotations

from typing import assert_never

from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from lateen.envoy import filters, names
from lateen.envoy.filters.fault import share
from lateen.envoy.matchers import route_match
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import (
    DataSource,
    HeaderValue,
    HeaderValueOption,
    RuntimeFractionalPercent,
)
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import (
    PreviousHostsPredicate,
)
from lateen.envoy.pb.envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig,
)
from lateen.envoy.wire import FALSE, ZERO, duration, made_by, maybe_duration, packed, u32
from lateen.ir.manners import USUAL_MANNERS, Manners
from lateen.ir.routes import (
    BLACK_HOLE_STATUS,
    NO_CHANGES,
    CookieHash,
    Elsewhere,
    Forward,
    HashBy,
    HeaderChanges,
    HeaderHash,
    Mirror,
    QueryHash,
    Redirect,
    Respond,
    Retries,
    Route,
    RouteTable,
    SourceHash,
    Split,
    VirtualHost,
)

_CODES = {
    301: pb.RedirectAction.MOVED_PERMANENTLY,
    302: pb.RedirectAction.FOUND,
    303: pb.RedirectAction.SEE_OTHER,
    307: pb.RedirectAction.TEMPORARY_REDIRECT,
    308: pb.RedirectAction.PERMANENT_REDIRECT,
}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BY_STATUS = "retriable-status-codes"
_TRIES_OF_HOSTS = 5  # Istio's
_PRIORITY_EVERY = 2  # attempts; Istio's
CLIENT = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
_MOST_BODY = UInt32Value(value=1024 * 1024)  # bytes of a direct response; Istio's


def _is_host(name: str) -> bool:
    """Envoy takes a new host only as a rewrite, never as a header."""
    return name.lower() in {"host", ":authority"}


def _headers(changes: HeaderChanges) -> list[HeaderValueOption]:
    ways = (
        (changes.set, HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD),
        (changes.add, HeaderValueOption.APPEND_IF_EXISTS_OR_ADD),
    )
    return [
        HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=way)
        for pairs, way in ways
        for name, value in pairs
        if not _is_host(name)
    ]


def _new_host(changes: HeaderChanges) -> str:
    return next((value for name, value in (*changes.set, *changes.add) if _is_host(name)), "")


def _weighted(split: Split) -> pb.WeightedCluster.ClusterWeight:
    return pb.WeightedCluster.ClusterWeight(
        name=names.outbound_cluster(split.backend),
        weight=u32(split.weight),
        host_rewrite_literal=_new_host(split.request_headers),
        request_headers_to_add=_headers(split.request_headers),
        request_headers_to_remove=split.request_headers.remove,
        response_headers_to_add=_headers(split.response_headers),
        response_headers_to_remove=split.response_headers.remove,
    )


def _retries(retries: Retries) -> pb.RetryPolicy:
    conditions = retries.on
    if retries.statuses and _BY_STATUS not in conditions:
        conditions = (*conditions, _BY_STATUS)
    made = pb.RetryPolicy(
        num_retries=u32(retries.attempts),
        retry_on=",".join(conditions),
        retriable_status_codes=retries.statuses,
        per_try_timeout=maybe_duration(retries.per_try_timeout),
        host_selection_retry_max_attempts=_TRIES_OF_HOSTS,
    )
    if not retries.same_host:
        made.retry_host_predicate.add(
            name="envoy.retry_host_predicates.previous_hosts",
            typed_config=packed(PreviousHostsPredicate()),
        )
    if retries.other_priorities:
        made.retry_priority.name = "envoy.retry_priorities.previous_priorities"
        made.retry_priority.typed_config.CopyFrom(
            packed(PreviousPrioritiesConfig(update_frequency=_PRIORITY_EVERY))
        )
    if retries.backoff is not None:
        made.retry_back_off.base_interval.CopyFrom(duration(retries.backoff))
    return made


def _forward(forward: Forward, changes: HeaderChanges) -> pb.RouteAction:
    made = pb.RouteAction(timeout=duration(forward.timeout))
    first = forward.splits[0]
    if len(forward.splits) == 1 and _plain(first):
        made.cluster = names.outbound_cluster(first.backend)
    else:
        made.weighted_clusters.CopyFrom(
            pb.WeightedCluster(clusters=[_weighted(split) for split in forward.splits])
        )
    if forward.retries and forward.retries.attempts:
        made.retry_policy.CopyFrom(_retries(forward.retries))
    made.hash_policy.extend(_hash(by) for by in forward.hashed)
    for mirror in forward.mirrors:
        made.request_mirror_policies.append(_mirror(mirror))
    rewrite = forward.rewrite
    if rewrite and rewrite.pattern:
        made.regex_rewrite.pattern.regex = rewrite.pattern
        made.regex_rewrite.substitution = rewrite.substitution
    elif rewrite and rewrite.path:
        made.prefix_rewrite = rewrite.path
    authority = (rewrite.authority if rewrite else "") or _new_host(changes)
    if authority:
        made.host_rewrite_literal = authority
    return made


def _hash(by: HashBy) -> pb.RouteAction.HashPolicy:
    made = pb.RouteAction.HashPolicy()
    match by:
        case HeaderHash(name):
            made.header.header_name = name
        case QueryHash(name):
            made.query_parameter.name = name
        case SourceHash():
            made.connection_properties.source_ip = True
        case CookieHash():
            made.cookie.name, made.cookie.path = by.name, by.path
            if by.ttl is not None:
                made.cookie.ttl.CopyFrom(duration(by.ttl))
            for name, value in by.attributes:
                made.cookie.attributes.add(name=name, value=value)
        case _:
            assert_never(by)
    return made


def _mirror(mirror: Mirror) -> pb.RouteAction.RequestMirrorPolicy:
    return pb.RouteAction.RequestMirrorPolicy(
        cluster=names.outbound_cluster(mirror.backend),
        runtime_fraction=RuntimeFractionalPercent(default_value=share(mirror.percent)),
        trace_sampled=FALSE,
    )


def _plain(split: Split) -> bool:
    """Whether a split is nothing but its backend, so that the route can name the cluster itself."""
    return split.request_headers == split.response_headers == NO_CHANGES


def _redirect(redirect: Redirect) -> pb.RedirectAction:
    port = redirect.port
    if port is None and redirect.strip_port and not redirect.authority:
        port = _DEFAULT_PORTS.get(redirect.scheme)  # the nearest Envoy has to "no port"
    made = pb.RedirectAction(
        response_code=_CODES[redirect.code],
        host_redirect=redirect.authority,
        port_redirect=port or 0,
    )
    if redirect.prefix:
        made.prefix_rewrite = redirect.prefix
    elif redirect.path:
        made.path_redirect = redirect.path
    if redirect.scheme:
        made.scheme_redirect = redirect.scheme
    return made


def _respond(status: int, body: str = "", raw: bytes = b"") -> pb.DirectResponseAction:
    made = pb.DirectResponseAction(status=status)
    if raw:
        made.body.CopyFrom(DataSource(inline_bytes=raw))
    elif body:
        made.body.CopyFrom(DataSource(inline_string=body))
    return made


def emit_route(route: Route, manners: Manners = USUAL_MANNERS) -> pb.Route:
    """One route of a virtual host."""
    made = pb.Route(
        name=route.name,
        match=route_match(route.match),
        metadata=made_by(route.origin),
        stat_prefix=route.stat_prefix,
        request_headers_to_add=_headers(route.request_headers),
        request_headers_to_remove=route.request_headers.remove,
        response_headers_to_add=_headers(route.response_headers),
        response_headers_to_remove=route.response_headers.remove,
        typed_per_filter_config=filters.on_route(route),
    )
    match route.action:
        case Forward():
            made.route.CopyFrom(_forward(route.action, route.request_headers))
            made.route.append_x_forwarded_host = manners.forwarded_host
        case Redirect():
            made.redirect.CopyFrom(_redirect(route.action))
        case Respond():
            answer = route.action
            made.direct_response.CopyFrom(_respond(answer.status, answer.body, answer.raw))
        case Elsewhere.PASSTHROUGH:
            made.route.CopyFrom(pb.RouteAction(cluster=names.PASSTHROUGH, timeout=ZERO))
            made.route.append_x_forwarded_host = manners.forwarded_host
        case Elsewhere.BLACK_HOLE:
            made.direct_response.CopyFrom(_respond(BLACK_HOLE_STATUS))
        case _:
            assert_never(route.action)
    return made


def _virtual_host(host: VirtualHost, manners: Manners) -> pb.VirtualHost:
    return pb.VirtualHost(
        name=host.name,
        domains=host.domains,
        routes=[emit_route(route, manners) for route in host.routes],
        require_tls=pb.VirtualHost.ALL if host.require_tls else pb.VirtualHost.NONE,
        include_request_attempt_count=manners.attempt_count,
        metadata=made_by(host.origin),
    )


def emit_host(host: VirtualHost, manners: Manners = USUAL_MANNERS) -> RouteConfiguration:
    """A part of a table: one virtual host. A table's bytes are those of its parts, one after another."""
    return RouteConfiguration(virtual_hosts=[_virtual_host(host, manners)])


def emit_table(
    table: RouteTable, edge: bool, manners: Manners = USUAL_MANNERS
) -> RouteConfiguration:
    """`80`, `http.8080`, without its hosts. At the edge (a gateway) the client's address is added to x-forwarded-for.

    Envoy's own way of adding it would put the proxy's address in for a client on the loopback,
    which is what most clients of a mesh on one machine are. Where proxies in front are believed, the
    client is another than the one that connected.
    """
    made = RouteConfiguration(
        name=table.name,
        validate_clusters=BoolValue(value=False),
        max_direct_response_body_size_bytes=_MOST_BODY,
        ignore_port_in_host_matching=True,
    )
    if edge:
        connected = (
            f"%FILTER_STATE({names.CONNECTED}:PLAIN)%" if manners.trusted_proxies else CLIENT
        )
        client = HeaderValue(key="x-forwarded-for", value=connected)
        made.request_headers_to_add.add(
            header=client, append_action=HeaderValueOption.APPEND_IF_EXISTS_OR_ADD
        )
    return made
