"""Check one HTTP rule of a VirtualService.

In: HTTPRoute.    Out: problems.    Source: Istio validateHTTPRoute.
Before: check/routeparts.py, check/cors.py    After: check/virtualservice.py

Weights are Istio's: none below 0, and of several not all 0; they need not add up to 100.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from lateen.api.names import label_fault, label_faults
from lateen.api.virtualservice import (
    HTTPDirectResponse,
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
    HTTPRouteDestination,
    claim_of,
)
from lateen.base.problem import Problem
from lateen.check.at import MAX_INT32, At, between, one_of, port_number
from lateen.check.cors import check_cors
from lateen.check.headers import check_authority, check_headers
from lateen.check.hosts import gateway_name_fault
from lateen.check.regex import regex_fault
from lateen.check.routeparts import check_destination, check_duration, check_percentage, check_text

RETRY_ON = frozenset(
    [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    ]
)
GRPC_STATUSES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS"
    " PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED"
    " INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
)
_HEADER_NAME = re.compile(r"[-_A-Za-z0-9!#$%&'*+.^`|~]+")
_PSEUDO_HEADERS = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
_MEGABYTE = 1024 * 1024


def check_http_route(route: HTTPRoute, at: At) -> Iterator[Problem]:
    """Every fault of one rule."""
    yield from _what_it_does(route, at)
    for index, match in enumerate(route.match):
        yield from _match(match, at.key("match").item(index))
    yield from _destinations(route.route, at.key("route"))
    if route.redirect:
        yield from _redirect(route.redirect, at.key("redirect"))
    if route.direct_response:
        yield from _direct_response(route.direct_response, at.key("directResponse"))
    if route.rewrite:
        yield from _rewrite(route.rewrite, at.key("rewrite"))
    yield from check_duration(at.key("timeout"), route.timeout)
    if route.retries:
        yield from _retries(route.retries, at.key("retries"))
    if route.fault:
        yield from _fault(route.fault, at.key("fault"))
    yield from _mirrors(route, at)
    if route.cors_policy:
        yield from check_cors(route.cors_policy, at.key("corsPolicy"))
    yield from check_headers(route.headers, at.key("headers"))
    yield from check_authority(route, at)


def _what_it_does(route: HTTPRoute, at: At) -> Iterator[Problem]:
    """One of route, redirect, direct response; a delegate stands for any of them."""
    if route.delegate is not None:
        if route.route or route.redirect or route.direct_response:
            yield at.key("delegate").error(
                "a rule with delegate must not specify route or redirect"
            )
        if not route.delegate.name:
            yield at.key("delegate", "name").required()
        if route.delegate.namespace and label_fault(route.delegate.namespace):
            yield at.key("delegate", "namespace").error("invalid namespace")
        return
    if not (route.redirect or route.direct_response):
        if not route.route:
            yield at.error("HTTP route, redirect or direct_response is required")
        return
    other = "redirect" if route.redirect else "direct_response"
    for name, given in (("route", route.route), ("fault", route.fault), ("rewrite", route.rewrite)):
        if given:
            yield at.key(name).error(f"HTTP route cannot contain both {name} and {other}")
    if route.redirect and route.direct_response:
        words = "HTTP route rule cannot contain both direct_response and redirect"
        yield at.key("directResponse").error(words)


def _match(match: HTTPMatchRequest, at: At) -> Iterator[Problem]:
    for name, condition in (
        ("uri", match.uri),
        ("scheme", match.scheme),
        ("method", match.method),
        ("authority", match.authority),
    ):
        if condition:
            yield from check_text(condition, at.key(name), empty_prefix=name == "uri")
    for name, conditions in (
        ("headers", match.headers),
        ("withoutHeaders", match.without_headers),
        ("queryParams", match.query_params),
    ):
        for key, condition in conditions.items():
            where = at.key(name, key)
            if name != "queryParams" and not _header_name(key):
                yield where.error(f"header name {key} is not a valid header name")
            # `*` is not a regular expression here: it asks for the header's presence.
            if name == "withoutHeaders" and condition.regex == "*":
                continue
            yield from check_text(condition, where, present=True)
    yield from port_number(at.key("port"), match.port)
    for key, text, words in label_faults(match.source_labels):
        yield at.key("sourceLabels", key).invalid(text, words)
    if match.source_namespace and label_fault(match.source_namespace):
        words = f"sourceNamespace match {match.source_namespace} is invalid"
        yield at.key("sourceNamespace").error(words)
    for index, gateway in enumerate(match.gateways):
        if fault := gateway_name_fault(gateway):
            yield at.key("gateways").item(index).error(fault)


def _header_name(name: str) -> bool:
    return bool(_HEADER_NAME.fullmatch(name)) or name in _PSEUDO_HEADERS or bool(claim_of(name))


def _destinations(routes: tuple[HTTPRouteDestination, ...], at: At) -> Iterator[Problem]:
    for index, route in enumerate(routes):
        here = at.item(index)
        yield from check_destination(route.destination, here.key("destination"))
        if route.weight < 0:
            words = f"weight {route.weight} < 0: wanted a whole number, 0 or more"
            yield here.key("weight").error(words)
        elif route.weight > MAX_INT32:
            yield here.key("weight").invalid(route.weight, f"must be {MAX_INT32} or less")
        yield from check_headers(route.headers, here.key("headers"))
    if len(routes) > 1 and sum(route.weight for route in routes) == 0:
        fix = "give each destination a weight, such as 90 and 10"
        yield at.error("total destination weight = 0", fix)


def _mirrors(route: HTTPRoute, at: At) -> Iterator[Problem]:
    if route.mirror and route.mirrors:
        yield at.key("mirrors").error("HTTP route cannot contain both mirror and mirrors")
    if route.mirror:
        yield from check_destination(route.mirror, at.key("mirror"))
    yield from check_percentage(route.mirror_percentage, at.key("mirrorPercentage", "value"))
    yield from between(at.key("mirrorPercent"), route.mirror_percent, 0, 100)
    for index, mirror in enumerate(route.mirrors):
        here = at.key("mirrors").item(index)
        yield from check_destination(mirror.destination, here.key("destination"))
        yield from check_percentage(mirror.percentage, here.key("percentage", "value"))


def _redirect(redirect: HTTPRedirect, at: At) -> Iterator[Problem]:
    target = (redirect.uri, redirect.authority, redirect.port, redirect.derive_port)
    if not any((*target, redirect.scheme, redirect.prefix_rewrite)):
        yield at.error("redirect must specify URI, authority, scheme, or port")
    if redirect.uri and redirect.prefix_rewrite:
        yield at.key("prefixRewrite").error("only one of uri and prefixRewrite can be set")
    if redirect.redirect_code and not 300 <= redirect.redirect_code <= 399:
        words = f"{redirect.redirect_code} is not a valid redirect code, must be 3xx"
        yield at.key("redirectCode").error(words)
    yield from one_of(at.key("scheme"), redirect.scheme, ("", "http", "https"))
    ports = ("", "FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")
    yield from one_of(at.key("derivePort"), redirect.derive_port, ports)
    if redirect.port and redirect.derive_port:
        yield at.key("derivePort").error("only one of port and derivePort can be set")
    yield from port_number(at.key("port"), redirect.port)


def _direct_response(response: HTTPDirectResponse, at: At) -> Iterator[Problem]:
    yield from _http_status(at.key("status"), response.status)
    if response.body and response.body.string and len(response.body.string) > _MEGABYTE:
        words = "large direct_responses may impact control plane performance, must be less than 1MB"
        yield at.key("body").error(words)
    body = response.body
    if body and body.string is not None and body.bytes is not None:
        yield at.key("body").error("only one of string and bytes can be set")
    if body and body.bytes is not None and not _is_base64(body.bytes):
        yield at.key("body", "bytes").error("wanted base64")


def _rewrite(rewrite: HTTPRewrite, at: At) -> Iterator[Problem]:
    if rewrite.uri and rewrite.uri_regex_rewrite:
        yield at.error("rewrite may only contain one of URI or UriRegexRewrite")
    if not (rewrite.uri or rewrite.authority or rewrite.uri_regex_rewrite):
        yield at.error("rewrite must specify at least one of URI, UriRegexRewrite, or authority")
    if regex := rewrite.uri_regex_rewrite:
        here = at.key("uriRegexRewrite")
        if not (regex.match and regex.rewrite):
            yield here.error(
                "UriRegexRewrite requires both Rewrite and Match fields to be specified"
            )
        elif fault := regex_fault(regex.match):
            yield here.key("match").error(fault)


def _retries(retries: HTTPRetry, at: At) -> Iterator[Problem]:
    if retries.attempts < 0:
        yield at.key("attempts").error("attempts cannot be negative")
    if retries.attempts == 0 and (retries.per_try_timeout or retries.retry_on):
        words = "http retry policy configured when attempts are set to 0 (disabled)"
        yield at.key("attempts").error(words)
    yield from between(at.key("attempts"), max(retries.attempts, 0), 0)
    yield from check_duration(at.key("perTryTimeout"), retries.per_try_timeout)
    yield from check_duration(at.key("backoff"), retries.backoff)
    for policy in retries.retry_on.split(",") if retries.retry_on else ():
        is_status = policy.isascii() and policy.isdigit() and 100 <= int(policy[:4]) <= 599
        if policy not in RETRY_ON and not is_status:
            fix = f"wanted statuses or: {', '.join(sorted(RETRY_ON))}, without blanks"
            yield at.key("retryOn").error(f'"{policy}" is not a valid retryOn policy', fix)


def _fault(fault: HTTPFaultInjection, at: At) -> Iterator[Problem]:
    delay, abort = fault.delay, fault.abort
    if not (delay or abort):
        yield at.error("HTTP fault injection must have an abort and/or a delay")
    if delay:
        here = at.key("delay")
        yield from check_percentage(delay.percentage, here.key("percentage", "value"))
        yield from between(here.key("percent"), delay.percent, 0, 100)
        yield from check_duration(here.key("fixedDelay"), delay.fixed_delay)
        if delay.exponential_delay:
            yield here.key("exponentialDelay").error(
                "exponentialDelay not supported yet", "fixedDelay"
            )
    if abort:
        here = at.key("abort")
        yield from check_percentage(abort.percentage, here.key("percentage", "value"))
        if abort.http_status is None and abort.grpc_status is None:
            yield here.warning("abort configured, but error type not set", "give httpStatus")
        if abort.http2_error:
            words = "HTTP/2 abort fault injection not supported yet"
            yield here.key("http2Error").error(words, "httpStatus, or grpcStatus")
        if abort.http_status is not None:
            yield from _http_status(here.key("httpStatus"), abort.http_status)
        if abort.grpc_status is not None:
            yield from one_of(
                here.key("grpcStatus"), abort.grpc_status, tuple(GRPC_STATUSES.split())
            )
        if abort.http_status is not None and abort.grpc_status is not None:
            yield here.error("only one of httpStatus and grpcStatus can be set")


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _http_status(at: At, status: int) -> Iterator[Problem]:
    if not 200 <= status <= 599:
        yield at.error(f"HTTP status {status} is not in range 200-599")
