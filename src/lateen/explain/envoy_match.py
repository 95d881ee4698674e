"""Evaluate Envoy's matchers: texts, headers, routes, RBAC.

In: matcher messages, Request.      Out: whether they hold.
Before: envoy/pb, request.py        After: walk_envoy.py

A matcher that lateen never writes raises Bug: a guess would be worse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lateen.base.errors import Bug
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Principal
from lateen.envoy.pb.envoy.config.route.v3.route_components_pb2 import (
    HeaderMatcher,
    QueryParameterMatcher,
    RouteMatch,
)
from lateen.envoy.pb.envoy.type.matcher.v3.string_pb2 import StringMatcher
from lateen.explain.request import Denied, Request


def _unknown(kind: str, which: str | None) -> Bug:
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
    raise _unknown("StringMatcher", which)


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
        raise _unknown("HeaderMatcher", which)
    if value is None and not matcher.treat_missing_header_as_empty:
        return False
    return text_holds(matcher.string_match, value or "") != matcher.invert_match


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
        raise _unknown("RouteMatch", which)
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
    )


def _principal_holds(principal: Principal, peer: str) -> bool:
    which = principal.WhichOneof("identifier")
    match which:
        case "any":
            return True
        case "and_ids":
            return all(_principal_holds(each, peer) for each in principal.and_ids.ids)
        case "or_ids":
            return any(_principal_holds(each, peer) for each in principal.or_ids.ids)
        case "not_id":
            return not _principal_holds(principal.not_id, peer)
        case "authenticated":
            return bool(peer) and text_holds(principal.authenticated.principal_name, peer)
    raise _unknown("Principal", which)


def _permission_holds(permission: Permission, request: Request) -> bool:
    which = permission.WhichOneof("rule")
    match which:
        case "any":
            return True
        case "and_rules":
            return all(_permission_holds(each, request) for each in permission.and_rules.rules)
        case "or_rules":
            return any(_permission_holds(each, request) for each in permission.or_rules.rules)
        case "not_rule":
            return not _permission_holds(permission.not_rule, request)
        case "header":
            return header_holds(permission.header, request)
        case "url_path":
            return text_holds(permission.url_path.path, request.path.partition("?")[0])
    raise _unknown("Permission", which)


def _holding(rules: RBAC, request: Request) -> Iterable[str]:
    for name, policy in sorted(rules.policies.items()):
        if any(_permission_holds(each, request) for each in policy.permissions) and any(
            _principal_holds(each, request.peer) for each in policy.principals
        ):
            yield name


def judged(rules: RBAC, request: Request) -> Denied | None:
    """The refusal of a request by one RBAC, or None."""
    name = next(iter(_holding(rules, request)), None)
    if rules.action == RBAC.DENY:
        return Denied(rule=name) if name else None
    return None if name else Denied(rule="none")


def origin_of(metadata: Any) -> str:
    """The origin said in the metadata of a message, or "" if it says none."""
    said = metadata.filter_metadata
    return str(said["lateen"]["origin"]) if "lateen" in said else ""
