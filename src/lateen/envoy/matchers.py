"""Turn conditions on texts, headers and requests into Envoy's matchers.

In: StringMatch, HeaderMatch, RequestMatch.    Out: StringMatcher, HeaderMatcher, RouteMatch.
Before: ir/match.py                            After: routes.py, rbac.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from google.protobuf.wrappers_pb2 import BoolValue

from lateen.envoy import names
from lateen.envoy.pb.envoy.config.route.v3.route_components_pb2 import (
    HeaderMatcher,
    QueryParameterMatcher,
    RouteMatch,
)
from lateen.envoy.pb.envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.string_pb2 import StringMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.value_pb2 import (
    ListMatcher,
    OrMatcher,
    ValueMatcher,
)
from lateen.ir.match import (
    Exact,
    HeaderMatch,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    RequestMatch,
    StringMatch,
    Suffix,
)


def regex(text: str) -> RegexMatcher:
    """An RE2 expression; Envoy matches it against the whole text."""
    return RegexMatcher(regex=text)


def text_matcher(match: Exact | Prefix | Suffix | Regex) -> StringMatcher:
    """A condition on a text that is there. An empty prefix or suffix is one Envoy refuses."""
    match match:
        case Exact(text):
            return StringMatcher(exact=text)
        case Prefix("") | Suffix(""):
            return StringMatcher(safe_regex=regex(".*"))
        case Prefix(text):
            return StringMatcher(prefix=text)
        case Suffix(text):
            return StringMatcher(suffix=text)
        case Regex(text):
            return StringMatcher(safe_regex=regex(text))
    assert_never(match)


def header_matcher(name: str, match: StringMatch, invert: bool = False) -> HeaderMatcher:
    """A condition on a header. An inverted one holds for an absent header, as in Istio."""
    if isinstance(match, Present):
        return HeaderMatcher(name=name, present_match=True, invert_match=invert)
    return HeaderMatcher(
        name=name,
        string_match=text_matcher(match),
        invert_match=invert,
        treat_missing_header_as_empty=invert,
    )


def claim_matcher(
    claim: Sequence[str], match: Exact | Prefix | Suffix | Regex, invert: bool = False
) -> MetadataMatcher:
    """A condition on a claim of the verified token: a text, or a list with such a text in it."""
    text = ValueMatcher(string_match=text_matcher(match))
    one = ValueMatcher(list_match=ListMatcher(one_of=text))
    return MetadataMatcher(
        filter=names.JWT_FILTER,
        path=[MetadataMatcher.PathSegment(key=key) for key in (names.JWT_PAYLOAD, *claim)],
        value=ValueMatcher(or_match=OrMatcher(value_matchers=[text, one])),
        invert=invert,
    )


def present(match: StringMatch) -> Exact | Prefix | Suffix | Regex:
    """The form in which `Present` asks for some text, where the text may be missing."""
    return Regex("(?s).+") if isinstance(match, Present) else match


def _query_matcher(query: QueryMatch) -> QueryParameterMatcher:
    if isinstance(query.match, Present):
        return QueryParameterMatcher(name=query.name, present_match=True)
    return QueryParameterMatcher(name=query.name, string_match=text_matcher(query.match))


def _header_matchers(match: RequestMatch) -> list[HeaderMatcher]:
    pseudo = (
        (":method", match.method),
        (":authority", match.authority),
        (":scheme", match.scheme),
    )
    made = [header_matcher(name, wanted) for name, wanted in pseudo if wanted is not None]
    return made + [_one_header(header) for header in match.headers]


def _one_header(header: HeaderMatch) -> HeaderMatcher:
    return header_matcher(header.name, header.match, header.invert)


def route_match(match: RequestMatch) -> RouteMatch:
    """All conditions of one rule. A path regex always minds the case, as in Istio."""
    made = RouteMatch(
        headers=_header_matchers(match),
        query_parameters=[_query_matcher(query) for query in match.queries],
        dynamic_metadata=[
            claim_matcher(each.claim, present(each.match), each.invert) for each in match.claims
        ],
    )
    match match.path:
        case None:
            made.prefix = "/"
            return made
        case Regex(text):
            made.safe_regex.regex = text
            return made
        case Exact(text):
            made.path = text
        case Prefix(text):
            made.prefix = text
        case _:
            assert_never(match.path)
    if match.ignore_case:
        made.case_sensitive.CopyFrom(BoolValue(value=False))
    return made
