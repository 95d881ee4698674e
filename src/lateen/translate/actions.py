"""What a VirtualService's rule does to a request, apart from where it sends it.

In: HTTPRedirect, HTTPRetry, HTTPFaultInjection, Headers ….    Out: Redirect, Retries, Fault, HeaderChanges.
Before: api/virtualservice.py                                  After: translate/routes.py
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from http import HTTPStatus

from msgspec.structs import replace

from lateen.api.virtualservice import (
    CorsPolicy,
    HeaderOperations,
    HTTPDirectResponse,
    HTTPFaultInjection,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
)
from lateen.base.origin import BUILT_IN, Origin
from lateen.base.problem import Problem
from lateen.ir.match import Exact, StringMatch
from lateen.ir.routes import (
    NO_CHANGES,
    Cors,
    Fault,
    HeaderChanges,
    Redirect,
    Respond,
    Retries,
    Rewrite,
)
from lateen.translate.faults import harmless
from lateen.translate.matches import Place, text_match
from lateen.translate.settings import seconds

# Source: Istio's default retry policy (pilot, route/retry).
RETRY_ON = (
    "connect-failure",
    "refused-stream",
    "unavailable",
    "cancelled",
    "retriable-status-codes",
)
DEFAULT_RETRIES = Retries(attempts=2, on=RETRY_ON, origin=BUILT_IN)
_BY_CODE = "retriable-status-codes"
_CODES = {status.value for status in HTTPStatus}
_STANDARD_PORTS = {("http", 80), ("https", 443)}


def translate_retries(retries: HTTPRetry | None, origin: Origin, *, sticky: bool) -> Retries | None:
    """Istio's default without `retries`; none for `attempts: 0`.

    `sticky`: a hash decides about the endpoint, so that attempts go to the same one.
    """
    if retries is None:
        return replace(DEFAULT_RETRIES, same_host=True) if sticky else DEFAULT_RETRIES
    ignore = retries.retry_ignore_previous_hosts
    if retries.attempts <= 0:
        return None
    words = [w.strip() for w in retries.retry_on.split(",") if w.strip()]
    statuses = tuple(int(w) for w in words if w.isdigit() and int(w) in _CODES)
    on = tuple(w for w in words if not (w.isdigit() and int(w) in _CODES))
    if statuses and _BY_CODE not in on:
        on = (*on, _BY_CODE)
    return Retries(
        attempts=retries.attempts,
        per_try_timeout=seconds(retries.per_try_timeout),
        on=on if words else RETRY_ON,
        statuses=statuses,
        same_host=sticky if ignore is None else not ignore,
        other_priorities=bool(retries.retry_remote_localities),
        backoff=seconds(retries.backoff),
        origin=origin,
    )


def translate_redirect(redirect: HTTPRedirect, place: Place) -> Redirect:
    """A redirect; `derivePort: FROM_REQUEST_PORT` is this listener's port."""
    port = redirect.port
    if redirect.derive_port == "FROM_REQUEST_PORT":
        port = place.port
    scheme = redirect.scheme or ("https" if place.tls else "http")
    if port is not None and (scheme, port) in _STANDARD_PORTS:
        port = None
    return Redirect(
        code=redirect.redirect_code or 301,
        path="" if redirect.prefix_rewrite else redirect.uri,
        prefix=redirect.prefix_rewrite,
        authority=redirect.authority,
        port=port,
        scheme=redirect.scheme,
    )


def translate_rewrite(rewrite: HTTPRewrite | None, authority: str) -> Rewrite | None:
    """A new path and authority; a `Host` that header rules set counts unless one is given here."""
    regex = rewrite.uri_regex_rewrite if rewrite else None
    path = rewrite.uri if rewrite and not regex else ""
    host = (rewrite.authority if rewrite else "") or authority
    if regex:
        return Rewrite(pattern=regex.match, substitution=regex.rewrite, authority=host)
    return Rewrite(path=path, authority=host) if path or host else None


def translate_response(response: HTTPDirectResponse) -> Respond:
    """An answer at once; a body in base64 that cannot be read is refused before it comes here."""
    body = response.body
    raw = base64.b64decode(body.bytes) if body and body.bytes else b""
    return Respond(status=response.status, body=(body.string or "") if body else "", raw=raw)


def translate_cors(cors: CorsPolicy | None) -> Cors | None:
    """Which origins may call; `allowOrigin` counts only without `allowOrigins`, as in Istio."""
    if cors is None:
        return None
    said: tuple[StringMatch, ...] = tuple(text_match(each) for each in cors.allow_origins)
    return Cors(
        origins=said or tuple(Exact(each) for each in cors.allow_origin),
        methods=cors.allow_methods,
        headers=cors.allow_headers,
        exposed=cors.expose_headers,
        max_age=int(cors.max_age.seconds) if cors.max_age else None,
        credentials=cors.allow_credentials,
        forward_unmatched=cors.unmatched_preflights != "IGNORE",
    )


def mirror_share(route: HTTPRoute) -> float:
    """The percent of requests that `mirror` copies: all of them unless said otherwise."""
    if route.mirror_percentage is not None:
        return route.mirror_percentage.value
    return 100.0 if route.mirror_percent is None else float(route.mirror_percent)


def translate_fault(
    fault: HTTPFaultInjection | None, origin: Callable[[str], Origin]
) -> tuple[Fault | None, tuple[Problem, ...]]:
    """Faults; a share that is not given is none, as in Istio (and worth a warning)."""
    if fault is None:
        return None, ()
    problems: list[Problem] = []
    delay, abort = fault.delay, fault.abort
    delay_share = abort_share = 0.0
    if delay:
        delay_share = delay.percentage.value if delay.percentage else float(delay.percent or 0)
        if delay.percentage is None and delay.percent is None:
            problems.append(harmless(origin("delay"), "delay"))
    if abort:
        abort_share = abort.percentage.value if abort.percentage else 0.0
        if abort.percentage is None:
            problems.append(harmless(origin("abort"), "abort"))
    made = Fault(
        delay=delay.fixed_delay.seconds if delay else 0.0,
        delay_percent=delay_share,
        abort_status=(abort.http_status or 0) if abort else 0,
        abort_grpc=(abort.grpc_status or "") if abort else "",
        abort_percent=abort_share,
    )
    return made, tuple(problems)


def header_changes(operations: HeaderOperations) -> HeaderChanges:
    """Changes to ordinary headers; `Host` and pseudo headers are not among them."""
    made = HeaderChanges(
        set=_ordinary(operations.set),
        add=_ordinary(operations.add),
        remove=tuple(name for name in operations.remove if not _internal(name)),
    )
    return NO_CHANGES if made == NO_CHANGES else made


def authority_of(operations: HeaderOperations) -> str:
    """The authority that header rules give: `Host` or `:authority`, set before added."""
    for given in (operations.set, operations.add):
        for name, value in given.items():
            if name.lower() in ("host", ":authority"):
                return value
    return ""


def _ordinary(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((n, v) for n, v in sorted(headers.items()) if not _internal(n))


def _internal(name: str) -> bool:
    return name.startswith(":") or name.lower() == "host"
