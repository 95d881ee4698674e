"""Evaluate Envoy's matchers: texts, headers, routes.

In: matcher messages, Request.      Out: whether they hold.
Before: envoy/pb, request.py        After: walk_envoy.py

A matcher that is not known here raises NotModelled: a guess would be worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from lateen.base.errors import LateenError
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
from lateen.explain.symbolic.automata import full_match
from lateen.explain.tokens import claim_at


class NotModelled(LateenError):
    """A dump has something that lateen never writes, so that it cannot be told what would happen."""


def not_modelled(kind: str, which: str | None) -> NotModelled:
    """A part of Envoy's configuration that is not known here."""
    return NotModelled(f"a {kind} with {which or 'nothing'}")


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
            return full_match(wanted, text)
    raise not_modelled("StringMatcher", which)


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
        raise not_modelled("HeaderMatcher", which)
    if value is None and not matcher.treat_missing_header_as_empty:
        return False
    return text_holds(matcher.string_match, value or "") != matcher.invert_match


def claim_holds(matcher: MetadataMatcher, request: Request) -> bool:
    """Whether a MetadataMatcher on the claims of a token holds."""
    if matcher.filter != JWT_FILTER or matcher.path[0].key != JWT_PAYLOAD:
        raise not_modelled("MetadataMatcher", matcher.filter)
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
    raise not_modelled("ValueMatcher", which)


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
        return full_match(match.safe_regex.regex, path)
    if which == "path_separated_prefix":
        wanted = match.path_separated_prefix
        return path == wanted or path.startswith(f"{wanted}/")
    if which not in {"path", "prefix"}:
        raise not_modelled("RouteMatch", which)
    wanted = match.path if which == "path" else match.prefix
    if match.HasField("case_sensitive") and not match.case_sensitive.value:
        wanted, path = wanted.lower(), path.lower()
    return path == wanted if which == "path" else path.startswith(wanted)


def route_holds(match: RouteMatch, request: Request) -> bool:
    """Whether a RouteMatch holds."""
    return next(_unmet(match, request), None) is None


def why_not_route(match: RouteMatch, request: Request) -> str:
    """The first condition of a RouteMatch that does not hold, and what the request has instead."""
    unmet = next(_unmet(match, request), None)
    return unmet() if unmet else ""


def _unmet(match: RouteMatch, request: Request) -> Iterator[Callable[[], str]]:
    path, _, query = request.path.partition("?")
    if not _path_holds(match, path):
        yield lambda: f'path is "{path}", not {_wanted_path(match)}'
    for header in match.headers:
        if not header_holds(header, request):
            yield partial(_header_words, header, request)
    for wanted in match.query_parameters:
        if not _query_holds(wanted, query):
            yield partial('query "{}" does not fit {}'.format, query, wanted.name)
    for claim in match.dynamic_metadata:
        if not claim_holds(claim, request):
            names = ".".join(segment.key for segment in claim.path[1:])
            yield partial("claim {} does not fit".format, names)


def _wanted_path(match: RouteMatch) -> str:
    match match.WhichOneof("path_specifier"):
        case "path":
            return f'"{match.path}"'
        case "prefix":
            return f'"{match.prefix}*"'
        case "path_separated_prefix":
            return f'"{match.path_separated_prefix}" or below'
        case "safe_regex":
            return f'regex "{match.safe_regex.regex}"'
    return "what is asked for"


def _header_words(matcher: HeaderMatcher, request: Request) -> str:
    value = _header_of(request, matcher.name)
    found = "is absent" if value is None else f'is "{value}"'
    must = "must not be" if matcher.invert_match else "not"
    return f"header {matcher.name} {found}, {must} {text_words(matcher.string_match)}"


def text_words(matcher: StringMatcher) -> str:
    """A StringMatcher as people write it."""
    match matcher.WhichOneof("match_pattern"):
        case "exact":
            return f'"{matcher.exact}"'
        case "prefix":
            return f'"{matcher.prefix}*"'
        case "suffix":
            return f'"*{matcher.suffix}"'
        case "contains":
            return f'"*{matcher.contains}*"'
        case "safe_regex":
            return f'regex "{matcher.safe_regex.regex}"'
    return "any value"


def origin_of(metadata: Any) -> str:
    """The origin said in the metadata of a message, by lateen or by Istio; "" if it says none."""
    said = metadata.filter_metadata
    if "lateen" in said:
        return str(said["lateen"]["origin"])
    if "istio" in said and "config" in said["istio"]:
        return _of_istio(str(said["istio"]["config"]))
    return ""


def _of_istio(path: str) -> str:
    """`/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web` as `VirtualService shop/web`."""
    parts = path.strip("/").split("/")
    if len(parts) < 7 or parts[3] != "namespaces":
        return path
    kind = "".join(word.capitalize() for word in parts[5].split("-"))
    return f"{kind} {parts[4]}/{parts[6]}"
