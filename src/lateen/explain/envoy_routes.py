"""Follow a made-up HTTP request through a RouteConfiguration.

In: RouteConfiguration, Request.        Out: steps and Outcome.
Before: envoy/pb, envoy_match.py        After: walk_envoy.py
"""

from __future__ import annotations

from collections.abc import Iterable

from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import HeaderValueOption
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from lateen.envoy.pb.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from lateen.explain.envoy_match import (
    not_modelled,
    origin_of,
    route_holds,
    text_holds,
    why_not_route,
)
from lateen.explain.request import (
    NO_HOST,
    NO_ROUTE,
    Answered,
    Changes,
    Forwarded,
    Outcome,
    Redirected,
    Request,
    Tries,
)
from lateen.explain.steps import Part, Step, Walk
from lateen.explain.urls import best_domain, location, replaced, with_query_of
from lateen.ir.routes import NO_CHANGES, HeaderChanges

_STATUS = {
    pb.RedirectAction.MOVED_PERMANENTLY: 301,
    pb.RedirectAction.FOUND: 302,
    pb.RedirectAction.SEE_OTHER: 303,
    pb.RedirectAction.TEMPORARY_REDIRECT: 307,
    pb.RedirectAction.PERMANENT_REDIRECT: 308,
}
_FAULT = "envoy.filters.http.fault"


def walk_table(table: RouteConfiguration, request: Request) -> Walk[Outcome]:
    """What a table does with a request."""
    by_domain = {domain: host for host in table.virtual_hosts for domain in host.domains}
    asked = request.host if table.ignore_port_in_host_matching else request.authority
    domain = best_domain(by_domain, asked)
    if domain is None:
        yield Step(part=Part.HOST, name=asked, held=False, because="no virtual host has it")
        return NO_HOST
    host = by_domain[domain]
    yield Step(
        part=Part.HOST,
        name=host.name,
        held=True,
        because=lambda: f"{asked} is its domain {domain}",
        origin=origin_of(host.metadata),
    )
    if host.require_tls == pb.VirtualHost.ALL and request.scheme != "https":
        where = f"https://{request.authority}{request.path}"
        return Redirected(route="", origin="", status=301, location=where)
    for number, route in enumerate(host.routes):
        held = route_holds(route.match, request)
        yield Step(
            part=Part.RULE,
            name=route.name or f"routes[{number}]",
            held=held,
            because=lambda route=route: why_not_route(route.match, request),  # type: ignore[misc]
            origin=origin_of(route.metadata),
        )
        if held:
            return _act(route, request)
    return NO_ROUTE


def _fault(route: pb.Route) -> HTTPFault | None:
    said = route.typed_per_filter_config.get(_FAULT)
    return None if said is None else HTTPFault.FromString(said.value)


def _delays(fault: HTTPFault | None) -> tuple[float, float] | None:
    if fault is None or not fault.HasField("delay"):
        return None
    held = fault.delay.fixed_delay
    return fault.delay.percentage.numerator / 10_000, held.seconds + held.nanos / 1e9


def _tries(action: pb.RouteAction) -> Tries | None:
    policy = action.retry_policy
    attempts = policy.num_retries.value if policy.HasField("num_retries") else 1
    if not action.HasField("retry_policy") or not attempts:
        return None
    each = policy.per_try_timeout
    return Tries(
        attempts=attempts,
        on=tuple(filter(None, policy.retry_on.split(","))),
        statuses=tuple(policy.retriable_status_codes),
        each=each.seconds + each.nanos / 1e9 if policy.HasField("per_try_timeout") else None,
    )


def _told(added: Iterable[HeaderValueOption], removed: Iterable[str]) -> HeaderChanges:
    every = [(each.append_action, (each.header.key, each.header.value)) for each in added]
    sets = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return HeaderChanges(
        set=tuple(pair for way, pair in every if way == sets),
        add=tuple(pair for way, pair in every if way != sets),
        remove=tuple(removed),
    )


def _some(*changes: HeaderChanges) -> tuple[HeaderChanges, ...]:
    return tuple(each for each in changes if each != NO_CHANGES)


def _changes(route: pb.Route) -> tuple[Changes, ...]:
    """What is done to headers, for each of the route's clusters; none where nothing is."""
    asked = _told(route.request_headers_to_add, route.request_headers_to_remove)
    answered = _told(route.response_headers_to_add, route.response_headers_to_remove)
    own = [
        (
            _told(each.request_headers_to_add, each.request_headers_to_remove),
            _told(each.response_headers_to_add, each.response_headers_to_remove),
        )
        for each in route.route.weighted_clusters.clusters
    ] or [(NO_CHANGES, NO_CHANGES)]
    every = tuple(
        Changes(request=_some(first, asked), response=_some(second, answered))
        for first, second in own
    )
    return every if any(each != Changes() for each in every) else ()


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


def _aborts(fault: HTTPFault | None) -> tuple[float, int] | None:
    if fault is None or not fault.HasField("abort"):
        return None
    share = fault.abort.percentage.numerator / 10_000
    by_status = fault.abort.WhichOneof("error_type") == "http_status"
    return share, fault.abort.http_status if by_status else 200


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
            raise not_modelled("HashPolicy", other)


def _act(route: pb.Route, request: Request) -> Outcome:
    if _preflight(route, request):
        return Answered(route=route.name, origin=origin_of(route.metadata), status=200)
    match route.WhichOneof("action"):
        case "redirect":
            return _redirected(route, request)
        case "direct_response":
            answer = route.direct_response
            return Answered(
                route=route.name,
                origin=origin_of(route.metadata),
                status=answer.status,
                body=answer.body.inline_string or answer.body.inline_bytes.decode(errors="replace"),
            )
        case "route":
            return _forwarded(route, request)
        case other:
            raise not_modelled("Route", other)


def _forwarded(route: pb.Route, request: Request) -> Forwarded:
    action, fault = route.route, _fault(route)
    authority = action.host_rewrite_literal or request.authority
    shares: tuple[tuple[str, int], ...] = ((action.cluster, 100),)
    own: tuple[str, ...] = ()
    match action.WhichOneof("cluster_specifier"):
        case "weighted_clusters":
            clusters = action.weighted_clusters.clusters
            shares = tuple((each.name, each.weight.value) for each in clusters)
            own = tuple(each.host_rewrite_literal or authority for each in clusters)
        case "cluster":
            pass
        case other:
            raise not_modelled("RouteAction", other)
    return Forwarded(
        route=route.name,
        origin=origin_of(route.metadata),
        shares=shares,
        path=_rewritten(route, request.path),
        authority=authority,
        mirrors=tuple(
            (each.cluster, each.runtime_fraction.default_value.numerator / 10_000)
            for each in action.request_mirror_policies
        ),
        aborts=_aborts(fault),
        hashed=tuple(map(_hashed, action.hash_policy)),
        timeout=action.timeout.seconds + action.timeout.nanos / 1e9,
        tries=_tries(action),
        delays=_delays(fault),
        changes=_changes(route),
        authorities=own if any(each != authority for each in own) else (),
    )
