"""The HTTP API as one aiohttp application.

In: the store and ApiDeps.    Out: web.Application, to be served by apiserver/serving.py.
Before: reading.py, writing.py, watching.py, podlogs.py, meshroutes.py        After: app/
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from lateen.apiserver.accessreviews import access_review_routes
from lateen.apiserver.accounttokens import AccountKey
from lateen.apiserver.attributes import attributes_of
from lateen.apiserver.authenticating import Authenticator
from lateen.apiserver.deleting import answer_delete, answer_delete_collection
from lateen.apiserver.deps import ApiDeps, Objects
from lateen.apiserver.discovery import has_scale
from lateen.apiserver.evicting import answer_eviction
from lateen.apiserver.faults import ApiFault, expired, status_of, unknown_path
from lateen.apiserver.guarding import Guard
from lateen.apiserver.listing import Snapshots
from lateen.apiserver.meshroutes import reading_routes, writing_routes
from lateen.apiserver.plainroutes import discovered, plain_routes
from lateen.apiserver.podlogs import answer_log
from lateen.apiserver.podmetrics import metrics_routes
from lateen.apiserver.reading import answer_get, answer_list
from lateen.apiserver.scaling import answer_scale
from lateen.apiserver.serializing import json_response
from lateen.apiserver.streaming import answer_stream
from lateen.apiserver.targets import Target, parse_target
from lateen.apiserver.tokenrequests import token_routes
from lateen.apiserver.watching import answer_watch
from lateen.apiserver.webhooks import POD_STREAMS
from lateen.apiserver.writing import answer_create, answer_patch, answer_update
from lateen.base.clock import Clock, SystemClock
from lateen.base.errors import Conflict, Expired, NotFound

LARGEST_BODY = 3 * 1024 * 1024  # bytes, as Kubernetes
_STREAMS = ("exec", "attach", "portforward", "log", "proxy")
_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    store: Objects,
    deps: ApiDeps,
    *,
    token: str = "",
    key: AccountKey | None = None,
    clock: Clock | None = None,
) -> web.Application:
    """The application. `token` is the admin's over TCP ("": none); `key` signs accounts' tokens."""
    time = clock or SystemClock()
    authenticator = Authenticator(
        store=store, key=key or AccountKey.make(), clock=time, admin_token=token
    )
    guard = Guard(authenticator=authenticator, store=store)
    app = web.Application(
        middlewares=[_timing(deps.timed, time), _answering_faults, guard.middleware()],
        client_max_size=LARGEST_BODY,
    )
    app[POD_STREAMS] = deps.open_stream

    snapshots = Snapshots()

    async def kubernetes(request: web.Request) -> web.StreamResponse:
        target = parse_target(request.path)
        if target is None:
            return discovered(request)
        return await _dispatch(request, target, store, deps, time, snapshots)

    app.router.add_routes(reading_routes(store, deps, time))
    app.router.add_routes(writing_routes(store, deps))
    app.router.add_routes(plain_routes(store))
    app.router.add_routes(access_review_routes(store))
    app.router.add_routes(token_routes(authenticator))
    app.router.add_routes(metrics_routes(store, deps.uses))
    for path in ("/api", "/apis", "/api/{rest:.*}", "/apis/{rest:.*}"):
        app.router.add_route("*", path, kubernetes)
    return app


def _timing(timed: Callable[[str, str, int, float], None], clock: Clock) -> Middleware:
    """Tell how long each answer about a resource took; what stays open says nothing of it."""

    @web.middleware
    async def timing(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = clock.monotonic()
        response = await handler(request)
        asked = attributes_of(request.method, request.path, request.query)
        if (
            response.status != 404
            and asked.resource
            and asked.verb != "watch"
            and asked.subresource not in _STREAMS
        ):
            timed(asked.verb, asked.full_resource, response.status, clock.monotonic() - began)
        return response

    return timing


async def _dispatch(
    request: web.Request,
    target: Target,
    store: Objects,
    deps: ApiDeps,
    clock: Clock,
    snapshots: Snapshots,
) -> web.StreamResponse:
    """Kubernetes' verbs, by method and by what the path names."""
    if target.subresource not in ("", "status"):
        return await _dispatch_below(request, target, store, deps, clock)
    _require_namespace_named(request, target)
    watching = request.query.get("watch") in ("true", "1")
    match request.method, bool(target.name):
        case (("GET" | "HEAD"), _) if watching:
            return await answer_watch(request, target, store, clock)
        case (("GET" | "HEAD"), False):
            return answer_list(request, target, store, clock, snapshots)
        case (("GET" | "HEAD"), True):
            return answer_get(request, target, store, clock)
        case "POST", False:
            return await answer_create(request, target, store, clock)
        case "PUT", True:
            return await answer_update(request, target, store, clock)
        case "PATCH", True:
            return await answer_patch(request, target, store, clock)
        case "DELETE", True if not target.subresource:
            return await answer_delete(request, target, store, deps.delete)
        case "DELETE", False:
            return await answer_delete_collection(request, target, store, deps.delete)
        case _:
            raise _not_allowed()


async def _dispatch_below(
    request: web.Request, target: Target, store: Objects, deps: ApiDeps, clock: Clock
) -> web.StreamResponse:
    match target.kind.kind, target.subresource:
        case "Pod", "log" if request.method == "GET":
            return await answer_log(request, target, store, deps.read_log, clock)
        case "Pod", "exec" | "attach" | "portforward" if request.method in ("GET", "POST"):
            return await answer_stream(request, target, store, deps.open_stream)
        case "Pod", "eviction" if request.method == "POST":
            return await answer_eviction(request, target, store, deps.delete, clock)
        case "Pod", "ephemeralcontainers":
            return await _dispatch_ephemerals(request, target, store, clock)
        case _, "scale" if has_scale(target.kind):
            return await answer_scale(request, target, store, clock)
        case "Pod", ("exec" | "attach" | "portforward" | "proxy"):
            raise ApiFault(501, f"pods/{target.subresource} is not served by lateen yet")
        case _:
            raise unknown_path()


async def _dispatch_ephemerals(
    request: web.Request, target: Target, store: Objects, clock: Clock
) -> web.StreamResponse:
    match request.method:
        case "GET" | "HEAD":
            return answer_get(request, target, store, clock)
        case "PUT":
            return await answer_update(request, target, store, clock)
        case "PATCH":
            return await answer_patch(request, target, store, clock)
        case _:
            raise _not_allowed()


def _require_namespace_named(request: web.Request, target: Target) -> None:
    if request.method in ("GET", "HEAD") or not target.kind.namespaced or target.namespace:
        return
    raise _not_allowed()


def _not_allowed() -> ApiFault:
    return ApiFault(405, "the server does not allow this method on the requested resource")


@web.middleware
async def _answering_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong becomes a Status; nothing of a bug's inside is told to the caller."""
    try:
        return await handler(request)
    except ApiFault as fault:
        return _refusal(fault)
    except web.HTTPException as fault:
        if fault.status < 400:
            raise
        unknown = fault.status == 404
        return _refusal(unknown_path() if unknown else ApiFault(fault.status, fault.reason))
    except NotFound as fault:
        return _refusal(ApiFault(404, str(fault)))
    except Conflict as fault:
        return _refusal(ApiFault(409, str(fault)))
    except Expired as fault:
        return _refusal(expired(str(fault)))
    except Exception:
        # A bug in one handler must not look like a broken connection to a client library.
        _log.exception("%s %s failed", request.method, request.path)
        return _refusal(ApiFault(500, "Internal error occurred: see lateen's log"))


def _refusal(fault: ApiFault) -> web.Response:
    response = json_response(status_of(fault), fault.code)
    if fault.code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
