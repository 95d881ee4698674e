"""What Envoy does to hosts, paths and locations, whoever asks.

In: texts.     Out: texts.
Before: -      After: walk_ir.py, walk_envoy.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

_UNRESERVED = re.compile(
    r"%(2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aA]|5[fF]|6[1-9a-fA-F]|7[0-9aA]|7[eE])"
)
_PARAMETERS = re.compile(r"(?<=/)(\.\.?);[^/]*")  # of dots alone, before escapes are undone
_SLASH = re.compile(r"%2f|%5c", re.IGNORECASE)


def normalized(path: str, *, resolve: bool, merge: bool, unescape: bool) -> str:
    """A path as the proxy reads it: escapes of plain letters undone, dots resolved, slashes merged.

    Source: Envoy's `normalize_path`, `merge_slashes` and `path_with_escaped_slashes_action`.
    """
    bare, mark, query = path.partition("?")
    if unescape:
        bare = _SLASH.sub(lambda found: "/" if found[0].lower() == "%2f" else "\\", bare)
    if resolve:
        bare = _PARAMETERS.sub(r"\1", bare)
        bare = _UNRESERVED.sub(lambda found: unquote(found[0]), bare).replace("\\", "/")
        bare = _without_dots(bare)
    return (_merged(bare) if merge else bare) + mark + query


def unreadable(path: str, *, resolve: bool) -> str:
    """Why Envoy answers a path with 400, whatever its routes say; "" if it does not.

    Source: Envoy's `http_reject_path_with_fragment`, and `normalize_path` of an escaped NUL.
    """
    bare = path.partition("?")[0]
    if "#" in path:
        return "a path with a fragment is refused"
    if not bare.startswith("/"):
        return "a path begins with /"
    return "a path with %00 is refused" if resolve and "%00" in bare else ""


def _merged(path: str) -> str:
    """Slashes next to one another as one; but a path of nothing else keeps two.

    Source: Envoy's PathUtil::mergeSlashes, which puts back a slash at the start and one at the end.
    """
    return "//" if len(path) > 1 and not path.strip("/") else re.sub("/+", "/", path)


def _without_dots(path: str) -> str:
    kept: list[str] = []
    parts = path.split("/")[1:]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part in {".", ".."}:
            if part == ".." and kept:
                kept.pop()
            if last:
                kept.append("")
        else:
            kept.append(part)
    return "/" + "/".join(kept)


def best_domain(domains: Iterable[str], authority: str) -> str | None:
    """The domain that Envoy takes: exact, then the longest `*.suffix`, then `prefix*`, then `*`."""
    name = authority.lower()
    best = max(domains, key=lambda domain: _rank(domain, name), default=None)
    return None if best is None or _rank(best, name) == _NO_FIT else best


_NO_FIT = (0, 0)


def _rank(domain: str, name: str) -> tuple[int, int]:
    """How well a domain fits a name."""
    lower = domain.lower()
    if lower == name:
        return (4, 0)
    if lower == "*":
        return (1, 0)
    if lower.startswith("*") and name.endswith(lower[1:]) and len(name) > len(lower) - 1:
        return (3, len(lower))
    if lower.endswith("*") and name.startswith(lower[:-1]) and len(name) > len(lower) - 1:
        return (2, len(lower))
    return _NO_FIT


def location(
    *, old_scheme: str, scheme: str, authority: str, port: int, new_host: str, path: str
) -> str:
    """Where a redirect leads. A default port of the scheme is left out.

    Source: Envoy's Http::Utility::newUri: the old scheme's own port goes when the scheme changes.
    """
    name, _, old_port = authority.partition(":")
    end = scheme or old_scheme
    if new_host:
        name, _, old_port = new_host.partition(":")
    elif end != old_scheme and old_port == {"http": "80", "https": "443"}[old_scheme]:
        old_port = ""
    chosen = str(port) if port else old_port
    if chosen == {"http": "80", "https": "443"}.get(end):
        chosen = ""
    return f"{end}://{name}{':' + chosen if chosen else ''}{path}"


def replaced(pattern: str, substitution: str, path: str) -> str:
    """The path with all that an RE2 expression finds in it replaced; the query stays.

    Source: Envoy's `regex_rewrite`; `\\1` stands for a group.
    """
    bare, mark, query = path.partition("?")
    return re.sub(pattern, substitution, bare) + mark + query


def with_query_of(new_path: str, old_path: str) -> str:
    """The new path with the request's query, unless it brings its own."""
    _, mark, query = old_path.partition("?")
    return new_path if "?" in new_path else new_path + mark + query
