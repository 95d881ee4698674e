"""Read Envoy's words when it refuses a push: which resources, and what is worth showing.

In: error_detail.message, the names in the push.    Out: the refused names, the text without noise.
Before: -                                           After: xds/channel.py, xds/stream.py

Envoy names a refused listener or cluster as `NAME: reason` (source/common/listener_manager/lds_api.cc,
source/common/upstream/cds_api_helper.cc). It never names a route configuration, an endpoint
assignment or a secret, nor what made it refuse a whole push; then no name is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAMING = re.compile(r"^Error adding/updating (?:listener|cluster)\(s\) ", re.MULTILINE)
# Protobuf text meant for people begins with a random mark, so that no program relies on its form.
_DEBUG_MARK = re.compile(r"goo\.gle/debug\w+[ \t]*")
# The whole message that broke a constraint, between who says so and which constraint it is.
_DUMP = re.compile(r":\n(?:[a-z]\w*(?: \{|: [^\n]*)\n|\}\n)+: ")
_SPACES = re.compile(r"[ \t]*\n\s*")


def clean(message: str, *, limit: int = 2000) -> str:
    """Envoy's text without its randomised mark, on one line per fault, at most `limit` characters.

    A dump of the refused message is left out where the reason follows it.
    """
    text = _DUMP.sub(": ", _SPACES.sub("\n", _DEBUG_MARK.sub("", message))).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def refused_among(message: str, names: Iterable[str]) -> frozenset[str]:
    """Those of `names` the message names as refused; empty when it does not say."""
    start = _NAMING.search(message)
    if start is None:
        return frozenset()
    body = message[start.end() :]
    return frozenset(
        name for name in names if re.search(rf"(?:^|, ){re.escape(name)}: ", body, re.MULTILINE)
    )
