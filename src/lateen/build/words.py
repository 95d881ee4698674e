"""Words and variables as a Dockerfile and a shell write them.

In: text.    Out: words, pairs, expanded text.
Before: -    After: build/dockerfile.py, build/commands.py
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from lateen.base.errors import BuildFailed
from lateen.base.origin import Place

_VARIABLE = re.compile(
    r"\\(?P<escaped>\$)|\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)(?::(?P<how>[-+])(?P<word>[^}]*))?\})"
)
_BETWEEN = frozenset({"&&", ";"})
_PUNCTUATION = frozenset("();<>|&")


def expand(text: str, scope: Mapping[str, str]) -> str:
    r"""Put in `$A`, `${A}`, `${A:-otherwise}` and `${A:+instead}`; an unset one is empty, `\$` is `$`."""

    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        known = scope.get(found["plain"] or found["braced"], "")
        match found["how"]:
            case "-":
                return known or expand(found["word"], scope)
            case "+":
                return expand(found["word"], scope) if known else ""
        return known

    return _VARIABLE.sub(value, text)


def words_of(text: str, place: Place) -> list[str]:
    """Split as a shell would, quotes taken off; raises BuildFailed for an open quote."""
    try:
        return shlex.split(text)
    except ValueError as fault:
        raise BuildFailed(f"{place}: {str(fault).lower()}: {text}") from None


def pairs_of(text: str, place: Place) -> list[tuple[str, str]]:
    """ENV's `a=b c="d e"`, or its old form `a b`."""
    first = text.split(maxsplit=1)
    if len(first) == 2 and "=" not in first[0]:
        return [(first[0], first[1])]
    pairs = [word.partition("=") for word in words_of(text, place)]
    if not pairs or any(not equals for _, equals, _ in pairs):
        raise BuildFailed(f"{place}: want ENV name=value: {text}")
    return [(key, value) for key, _, value in pairs]


def simple_commands(text: str) -> list[list[str]] | None:
    """The commands of `a && b; c`, each as words, variables not expanded.

    None when the text uses more of the shell than that (pipes, redirections, subshells), where the
    meaning of one word no longer tells what happens. `|| true` is let pass.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return None
    commands: list[list[str]] = [[]]
    at = 0
    while at < len(words):
        word = words[at]
        if word == "||" and words[at + 1 : at + 2] in (["true"], [":"]):
            at += 2
            continue
        if word in _BETWEEN:
            commands.append([])
        elif (word and set(word) <= _PUNCTUATION) or "`" in word or "$(" in word:
            return None
        else:
            commands[-1].append(word)
        at += 1
    return [command for command in commands if command]
