"""Check the CORS policy of an HTTP rule.

In: CorsPolicy.    Out: problems.    Source: Istio validateCORSPolicy.
Before: check/routeparts.py    After: check/httproute.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lateen.api.virtualservice import CorsPolicy
from lateen.base.problem import Problem
from lateen.check.at import At, one_of
from lateen.check.routeparts import check_duration, check_text

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*")
_NAME = re.compile(r"[-_A-Za-z0-9!#$%&'*+.^`|~]+")


def check_cors(cors: CorsPolicy, at: At) -> Iterator[Problem]:
    """Every fault of one policy."""
    for index, origin in enumerate(cors.allow_origins):
        yield from check_text(origin, at.key("allowOrigins").item(index))
    for index, method in enumerate(cors.allow_methods):
        yield from one_of(at.key("allowMethods").item(index), method, _METHODS)
    for name, headers in (
        ("allowHeaders", cors.allow_headers),
        ("exposeHeaders", cors.expose_headers),
    ):
        for index, header in enumerate(headers):
            if not _NAME.fullmatch(header):
                yield at.key(name).item(index).error(f"header name {header} is not valid")
    yield from check_duration(at.key("maxAge"), cors.max_age, zero=True)
    if cors.max_age and cors.max_age.seconds != int(cors.max_age.seconds):
        yield at.key("maxAge").error("max_age duration is accurate only to seconds precision")
    words = ("", "UNSPECIFIED", "FORWARD", "IGNORE")
    yield from one_of(at.key("unmatchedPreflights"), cors.unmatched_preflights, words)
