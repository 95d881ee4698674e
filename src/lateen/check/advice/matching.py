"""Compare matches of HTTP rules: does one take in all that another does?

In: HTTPMatchRequest.     Out: yes, or not for certain.
Before: check/at.py       After: check/advice/routes.py, check/advice/gateways.py

Where two regular expressions differ, or a regular expression meets a prefix, the answer is no: advice that is wrong
is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from lateen.api.virtualservice import HTTPMatchRequest, HTTPRoute, StringMatch

_EVERYTHING = (".*", "^.*$", "/.*", "^/.*$")


def takes_everything(route: HTTPRoute) -> bool:
    """Whether no request can pass the rule by."""
    return not route.match or any(covers(match, HTTPMatchRequest()) for match in route.match)


def covers(outer: HTTPMatchRequest, inner: HTTPMatchRequest) -> bool:
    """Whether every request that `inner` takes is taken by `outer`, too."""
    if outer.ignore_uri_case != inner.ignore_uri_case and outer.uri and not _any_path(outer.uri):
        return False
    if outer.uri and not _any_path(outer.uri) and not _text(outer.uri, inner.uri):
        return False
    for one, other in (
        (outer.scheme, inner.scheme),
        (outer.method, inner.method),
        (outer.authority, inner.authority),
    ):
        if one and not _text(one, other):
            return False
    return (
        _all(outer.headers, inner.headers)
        and _all(outer.query_params, inner.query_params)
        and outer.without_headers.items() <= inner.without_headers.items()
        and outer.port in (None, inner.port)
        and outer.source_labels.items() <= inner.source_labels.items()
        and outer.source_namespace in ("", inner.source_namespace)
        and (not outer.gateways or set(inner.gateways) == set(outer.gateways))
    )


def _any_path(match: StringMatch) -> bool:
    return match.prefix == "/" or match.regex in _EVERYTHING


def _all(outer: Mapping[str, StringMatch], inner: Mapping[str, StringMatch]) -> bool:
    lower = {name.lower(): match for name, match in inner.items()}
    return all(
        name.lower() in lower and (_presence(match) or _text(match, lower[name.lower()]))
        for name, match in outer.items()
    )


def _presence(match: StringMatch) -> bool:
    """An empty condition asks only that the header is there."""
    return match.exact is None and match.prefix is None and match.regex is None


def _text(outer: StringMatch, inner: StringMatch | None) -> bool:
    if inner is None:
        return False
    if outer == inner:
        return True
    known = inner.exact if inner.exact is not None else inner.prefix
    if outer.prefix is not None:
        return known is not None and known.startswith(outer.prefix)
    if outer.regex is not None and inner.exact is not None:
        pattern = _compiled(outer.regex)
        return pattern is not None and pattern.fullmatch(inner.exact) is not None
    return outer.regex in _EVERYTHING[:2] and known is not None


@lru_cache(maxsize=1024)
def _compiled(regex: str) -> re.Pattern[str] | None:
    try:
        return re.compile(regex)
    except re.error:
        return None
