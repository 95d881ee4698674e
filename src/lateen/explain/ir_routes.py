"""Follow a made-up HTTP request through a route table of the plan.

In: RouteTable, Request.           Out: steps and Outcome.
Before: ir/routes.py, ir_match.py  After: walk_ir.py
"""

from __future__ import annotations

from typing import assert_never

from lateen.envoy import names
from lateen.explain.ir_match import matches, request_matches
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
from lateen.explain.words import unmet
from lateen.ir.match import Exact, Prefix, Present, Regex
from lateen.ir.routes import (
    BLACK_HOLE_STATUS,
    NO_CHANGES,
    CookieHash,
    Elsewhere,
    Fault,
    Forward,
    HashBy,
    HeaderChanges,
    HeaderHash,
    QueryHash,
    Redirect,
    Respond,
    Retries,
    Route,
    SourceHash,
    VirtualHost,
)

_HOST = frozenset({"host", ":authority"})
_BY_STATUS = "retriable-status-codes"


def walk_hosts(hosts: tuple[VirtualHost, ...], request: Request) -> Walk[Outcome]:
    """What a table of these hosts does with a request."""
    by_domain: dict[str, VirtualHost] = {d: host for host in hosts for d in host.domains}
    domain = best_domain(by_domain, request.host)
    if domain is None:
        yield Step(part=Part.HOST, name=request.host, held=False, because="no virtual host has it")
        return NO_HOST
    host = by_domain[domain]
    yield Step(
        part=Part.HOST,
        name=host.name,
        held=True,
        because=lambda: f"{request.host} is its domain {domain}",
        origin=host.origin,
    )
    if host.require_tls and request.scheme != "https":
        where = f"https://{request.authority}{request.path}"
        return Redirected(route="", origin="", status=301, location=where)
    for route in host.routes:
        held = request_matches(route.match, request)
        yield Step(
            part=Part.RULE,
            name=route.name,
            held=held,
            because=lambda route=route: unmet(route.match, request),  # type: ignore[misc]
            origin=route.origin,
        )
        if held:
            return _act(route, request)
    return NO_ROUTE


def _act(route: Route, request: Request) -> Outcome:
    name, origin = route.name, route.origin.text
    if _preflight(route, request):
        return Answered(route=name, origin=origin, status=200)
    match route.action:
        case Forward():
            return _forwarded(route, route.action, request)
        case Redirect():
            return _redirected(route, route.action, request)
        case Respond():
            action = route.action
            body = action.body or action.raw.decode(errors="replace")
            return Answered(route=name, origin=origin, status=action.status, body=body)
        case Elsewhere.PASSTHROUGH:
            return Forwarded(
                route=name,
                origin=origin,
                shares=((names.PASSTHROUGH, 100),),
                path=request.path,
                authority=request.authority,
            )
        case Elsewhere.BLACK_HOLE:
            return Answered(route=name, origin=origin, status=BLACK_HOLE_STATUS)
    assert_never(route.action)


def _forwarded(route: Route, forward: Forward, request: Request) -> Forwarded:
    changes = tuple(
        Changes(
            request=_told(split.request_headers, route.request_headers),
            response=_told(split.response_headers, route.response_headers),
        )
        for split in forward.splits
    )
    authority = _new_authority(route, forward) or request.authority
    own = tuple(_host_in(split.request_headers) or authority for split in forward.splits)
    return Forwarded(
        route=route.name,
        origin=route.origin.text,
        shares=tuple(
            (names.outbound_cluster(split.backend), split.weight) for split in forward.splits
        ),
        path=_new_path(route, forward, request.path),
        authority=authority,
        mirrors=tuple(
            (names.outbound_cluster(each.backend), each.percent) for each in forward.mirrors
        ),
        aborts=_aborts(route.fault),
        hashed=tuple(map(_hashed, forward.hashed)),
        timeout=forward.timeout,
        tries=_tries(forward.retries),
        delays=_delays(route.fault),
        changes=changes if any(each != Changes() for each in changes) else (),
        authorities=own if any(each != authority for each in own) else (),
    )


def _told(*changes: HeaderChanges) -> tuple[HeaderChanges, ...]:
    """The changes that are any, less a new host, which is told apart."""
    bare = (
        HeaderChanges(
            set=tuple(pair for pair in each.set if pair[0].lower() not in _HOST),
            add=tuple(pair for pair in each.add if pair[0].lower() not in _HOST),
            remove=each.remove,
        )
        for each in changes
    )
    return tuple(each for each in bare if each != NO_CHANGES)


def _host_in(changes: HeaderChanges) -> str:
    pairs = (*changes.set, *changes.add)
    return next((value for name, value in pairs if name.lower() in _HOST), "")


def _new_authority(route: Route, forward: Forward) -> str:
    if forward.rewrite and forward.rewrite.authority:
        return forward.rewrite.authority
    return _host_in(route.request_headers)


def _new_path(route: Route, forward: Forward, path: str) -> str:
    rewrite = forward.rewrite
    if rewrite and rewrite.pattern:
        return replaced(rewrite.pattern, rewrite.substitution, path)
    return _with_prefix(route, rewrite.path, path) if rewrite and rewrite.path else path


def _with_prefix(route: Route, new: str, path: str) -> str:
    """The path with what the route's match took of it replaced."""
    bare, mark, query = path.partition("?")
    match route.match.path:
        case Exact() | Regex():
            rest = ""
        case Prefix(prefix):
            rest = bare[len(prefix) :]
        case None:
            rest = bare[1:]
        case _:
            assert_never(route.match.path)
    return new + rest + mark + query


def _redirected(route: Route, redirect: Redirect, request: Request) -> Redirected:
    strips = redirect.strip_port and redirect.scheme and not redirect.authority
    authority = request.host if strips else request.authority
    return Redirected(
        route=route.name,
        origin=route.origin.text,
        status=redirect.code,
        location=location(
            old_scheme=request.scheme,
            scheme=redirect.scheme,
            authority=authority,
            port=redirect.port or 0,
            new_host=redirect.authority,
            path=_redirect_path(route, redirect, request.path),
        ),
    )


def _redirect_path(route: Route, redirect: Redirect, path: str) -> str:
    if redirect.prefix:
        return _with_prefix(route, redirect.prefix, path)
    return with_query_of(redirect.path, path) if redirect.path else path


def _preflight(route: Route, request: Request) -> bool:
    """Whether a preflight is answered here: for an origin that may call, or one that must not."""
    headers = dict(request.headers)
    asks = bool(headers.get("origin") and headers.get("access-control-request-method"))
    if route.cors is None or request.method != "OPTIONS" or not asks:
        return False
    wanted = [each for each in route.cors.origins if not isinstance(each, Present)]
    known = any(matches(each, "*") or matches(each, headers["origin"]) for each in wanted)
    return known or not route.cors.forward_unmatched


def _aborts(fault: Fault | None) -> tuple[float, int] | None:
    if fault is None or not fault.abort_percent or not (fault.abort_status or fault.abort_grpc):
        return None
    return fault.abort_percent, 200 if fault.abort_grpc else fault.abort_status


def _delays(fault: Fault | None) -> tuple[float, float] | None:
    if fault is None or not fault.delay or not fault.delay_percent:
        return None
    return fault.delay_percent, fault.delay


def _tries(retries: Retries | None) -> Tries | None:
    if retries is None or not retries.attempts:
        return None
    by_status = (_BY_STATUS,) if retries.statuses and _BY_STATUS not in retries.on else ()
    return Tries(
        attempts=retries.attempts,
        on=retries.on + by_status,
        statuses=retries.statuses,
        each=retries.per_try_timeout,
    )


def _hashed(by: HashBy) -> str:
    match by:
        case HeaderHash(name):
            return f"header {name}"
        case CookieHash():
            return f"cookie {by.name}"
        case QueryHash(name):
            return f"query parameter {name}"
        case SourceHash():
            return "source address"
    assert_never(by)
