"""Evaluate Envoy's matchers: texts, headers, routes.

In: matcher messages, Request.      Out: whether they hold.
Before: envoy/pb, request.py        After: walk_envoy.py

A matcher that lateen never writes raises Bug: a guess would be worse.
"""

from __future__ import annotations

import re
from typing import Any

from lateen.base.errors import Bug
from lateen.envoy.names import JWT_FILTER, JWT_PAYLOAD
from lateen.envoy.pb.envoy.config.route.v3.route_components_pb2 import (
    HeaderMatcher,
    QueryParameterMatcher,
    RouteMatch,
)
from lateen.envoy.pb.envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.string_pb2 import StringMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from lateen.explain.request import Request
from lateen.explain.tokens import claim_at


def unknown(kind: str, which: str | None) -> Bug:
    """A matcher that lateen never writes."""
    return Bug(f"explain cannot judge a {kind} with {which}")


def text_holds(matcher: StringMatcher, text: str) -> bool:
    """Whether a StringMatcher holds."""
    which = matcher.WhichOneof("match_pattern")
    wanted = (
        matcher.safe_regex.regex if which == "safe_regex" else getattr(matcher, which or "", "")
    )
    if matcher.ignore_case and which != "safe_regex":
        wanted, text = wanted.lower(), text.lower()
    match which:
        case "exact":
            return text == wanted
        case "prefix":
            return text.startswith(wanted)
        case "suffix":
            return text.endswith(wanted)
        case "contains":
            return wanted in text
        case "safe_regex":
            return re.fullmatch(wanted, text) is not None
    raise unknown("StringMatcher", which)


def _header_of(request: Request, name: str) -> str | None:
    pseudo = {
        ":method": request.method,
        ":authority": request.authority,
        ":scheme": request.scheme,
        ":path": request.path,
    }
    return pseudo.get(name) or dict(request.headers).get(name)


def header_holds(matcher: HeaderMatcher, request: Request) -> bool:
    """Whether a HeaderMatcher holds."""
    value = _header_of(request, matcher.name)
    which = matcher.WhichOneof("header_match_specifier")
    if which == "present_match":
        found = (value is not None) == matcher.present_match
        return found != matcher.invert_match
    if which != "string_match":
        raise unknown("HeaderMatcher", which)
    if value is None and not matcher.treat_missing_header_as_empty:
        return False
    return text_holds(matcher.string_match, value or "") != matcher.invert_match


def claim_holds(matcher: MetadataMatcher, request: Request) -> bool:
    """Whether a MetadataMatcher on the claims of a token holds."""
    if matcher.filter != JWT_FILTER or matcher.path[0].key != JWT_PAYLOAD:
        raise unknown("MetadataMatcher", matcher.filter)
    value = claim_at(request.claims, (segment.key for segment in matcher.path[1:]))
    return _value_holds(matcher.value, value) != matcher.invert


def _value_holds(matcher: ValueMatcher, value: Any) -> bool:
    which = matcher.WhichOneof("match_pattern")
    match which:
        case "or_match":
            return any(_value_holds(each, value) for each in matcher.or_match.value_matchers)
        case "list_match":
            within = value if isinstance(value, list) else []
            return any(_value_holds(matcher.list_match.one_of, each) for each in within)
        case "string_match":
            return isinstance(value, str) and text_holds(matcher.string_match, value)
    raise unknown("ValueMatcher", which)


def _query_holds(matcher: QueryParameterMatcher, query: str) -> bool:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if pair and name == matcher.name:
            if matcher.WhichOneof("query_parameter_match_specifier") == "present_match":
                return matcher.present_match
            return text_holds(matcher.string_match, value)
    return False


def _path_holds(match: RouteMatch, path: str) -> bool:
    which = match.WhichOneof("path_specifier")
    if which == "safe_regex":
        return re.fullmatch(match.safe_regex.regex, path) is not None
    if which not in {"path", "prefix"}:
        raise unknown("RouteMatch", which)
    wanted = match.path if which == "path" else match.prefix
    if match.HasField("case_sensitive") and not match.case_sensitive.value:
        wanted, path = wanted.lower(), path.lower()
    return path == wanted if which == "path" else path.startswith(wanted)


def route_holds(match: RouteMatch, request: Request) -> bool:
    """Whether a RouteMatch holds."""
    path, _, query = request.path.partition("?")
    return (
        _path_holds(match, path)
        and all(header_holds(header, request) for header in match.headers)
        and all(_query_holds(wanted, query) for wanted in match.query_parameters)
        and all(claim_holds(wanted, request) for wanted in match.dynamic_metadata)
    )


def origin_of(metadata: Any) -> str:
    """The origin said in the metadata of a message, or "" if it says none."""
    said = metadata.filter_metadata
    return str(said["lateen"]["origin"]) if "lateen" in said else ""
