"""Expressions in CEL, and regular expressions of RE2: compiled once, evaluated within a budget.

In: text and values.    Out: Rule; whether a text matches.
Before: api/cellibrary.py        After: api/structural.py, check/rules.py, check/policies.py

Source: the Common Expression Language; Kubernetes "Common Expression Language in Kubernetes".
The one module that knows the CEL library, which is loaded when the first expression is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from lateen.api.cellibrary import extension

VARIABLES = ("self", "oldSelf")  # of a rule in a schema


class BadRule(ValueError):
    """An expression that cannot be compiled or evaluated; the message is the library's."""


class Rule:
    """A compiled expression over the variables named."""

    def __init__(self, text: str, variables: tuple[str, ...]) -> None:
        self.text = text
        try:
            self._expression = _environment(variables).compile(text)
        except RuntimeError as fault:
            raise BadRule(_plain(str(fault))) from None

    @property
    def kind(self) -> str:
        """The type it evaluates to, as far as that is known: BOOL, STRING, DYN …."""
        return str(self._expression.return_type().name())

    def value(self, data: Mapping[str, Any]) -> Any:
        """What it evaluates to; raises BadRule when it fails or takes too many steps."""
        try:
            result = self._expression.eval(data=dict(data))
        except (RuntimeError, TypeError, ValueError) as fault:
            raise BadRule(_plain(str(fault))) from None
        if result.type().name() == "ERROR":
            raise BadRule(_plain(str(result.value())))
        return result.plain_value()


@lru_cache(maxsize=4096)
def rule_of(text: str, variables: tuple[str, ...] = VARIABLES) -> Rule:
    """The compiled expression; raises BadRule."""
    return Rule(text, variables)


def matches(pattern: str, text: str) -> bool:
    """Whether RE2 finds the pattern in the text; raises BadRule for one that is none."""
    return bool(rule_of("self.matches(oldSelf)").value({"self": text, "oldSelf": pattern}))


@cache
def _environment(variables: tuple[str, ...]) -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

    extensions = [
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_optional.ExtOptional(),
        ext_bindings.ExtBindings(),
        extension(cel),
    ]
    return cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN), extensions=extensions)


def _plain(text: str) -> str:
    """The library's words without its status codes."""
    for code in ("INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL", "OUT_OF_RANGE", "UNKNOWN"):
        text = text.removeprefix(f"{code}: ").removesuffix(f" [{code}]")
    return text
