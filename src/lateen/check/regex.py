"""Tell whether a regular expression is one RE2 takes.

In: the expression.    Out: None, or what RE2 would not take.    Source: github.com/google/re2 Syntax.
Before: -              After: check/httproute.py

Python's `re` does the parsing, after what only RE2 writes (`\\z`, `\\pL`, `[[:alpha:]]`, `\\Q…\\E`) is
written as Python would, and what only Python takes (lookaround, backreferences) is refused.
"""

from __future__ import annotations

import re
import warnings

MAX_LENGTH = 1024  # Istio's bound, which keeps a program under Envoy's limit
MAX_REPEAT = 1000  # RE2's
_REFUSED = (
    (re.compile(r"\(\?<?[=!]"), "lookahead and lookbehind are"),
    (re.compile(r"\(\?P="), "a backreference is"),
    (re.compile(r"\(\?>"), "an atomic group is"),
    (re.compile(r"\(\?\("), "a conditional is"),
    (re.compile(r"\(\?#"), "a comment is"),
    (re.compile(r"[*+?}]\+"), "a possessive quantifier is"),
)
_FLAGS = re.compile(r"\(\?([imsU]*)(-[imsU]+)?([:)])")
_PROPERTY = re.compile(r"\\[pP](\{\^?\w+\}|\w)")
_POSIX = re.compile(r"\[:\^?(\w+):\]")
_POSIX_NAMES = frozenset(
    [
        "alnum",
        "alpha",
        "ascii",
        "blank",
        "cntrl",
        "digit",
        "graph",
        "lower",
        "print",
        "punct",
        "space",
        "upper",
        "word",
        "xdigit",
    ]
)
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_KNOWN_ESCAPES = frozenset("aftnrvdDsSwWbBAzCx0E")
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")


def regex_fault(pattern: str) -> str | None:
    """None if RE2 takes the expression."""
    if not pattern:
        return "regex string match should not be empty"
    if len(pattern) > MAX_LENGTH:
        return f"regex is too large, max length allowed is {MAX_LENGTH}"
    quoted = re.sub(r"\\Q(.*?)(?:\\E|$)", lambda m: re.escape(m[1]), pattern, flags=re.DOTALL)
    bare, fault = _without_escapes(quoted)
    if fault:
        return _said(fault)
    structure = _CLASS.sub("a", bare)
    for construct, words in _REFUSED:
        if construct.search(structure):
            return _said(f"{words} not supported")
    for low, high in _REPEAT.findall(structure):
        if any(len(n) > 4 or int(n) > MAX_REPEAT for n in (low, high) if n):
            return _said(f"invalid repeat count: {{{low},{high}}} is more than {MAX_REPEAT}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(_FLAGS.sub(_unflagged, bare))
    except (re.error, OverflowError, RecursionError) as error:
        return _said(str(error))
    return None


def _said(fault: str) -> str:
    return f"{fault}; Envoy takes RE2 expressions (https://github.com/google/re2/wiki/Syntax)"


def _unflagged(found: re.Match[str]) -> str:
    return "(?:" if found[3] == ":" else "(?:)"


def _without_escapes(pattern: str) -> tuple[str, str | None]:
    """The expression with escapes and classes simplified, for its structure alone to be read."""
    simple = re.sub(r"\(\?<(?![=!])", "(?P<", _PROPERTY.sub("a", pattern))
    for name in _POSIX.findall(simple):
        if name not in _POSIX_NAMES:
            return pattern, f"invalid character class: [:{name}:]"
    simple = re.sub(r"\\x\{[0-9a-fA-F]{1,6}\}", "a", _POSIX.sub("a-z", simple))
    made: list[str] = []
    index = 0
    while index < len(simple):
        if simple[index] != "\\":
            made.append(simple[index])
            index += 1
            continue
        escaped = simple[index + 1 : index + 2]
        if not escaped:
            return pattern, "trailing backslash at end of expression"
        if escaped in "123456789kg":
            return pattern, "a backreference is not supported"
        if escaped.isascii() and escaped.isalnum() and escaped not in _KNOWN_ESCAPES:
            return pattern, f"invalid escape sequence: \\{escaped}"
        made.append(_plain(escaped))
        index += 2
    return "".join(made), None


def _plain(escaped: str) -> str:
    if escaped in "dDsSwW":
        return f"\\{escaped}"
    if escaped in "AzZbB":
        return "(?:)"
    return "a"
