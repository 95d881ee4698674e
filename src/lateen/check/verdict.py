"""Decide which problems count: what is suppressed, how much each weighs, and whether the whole fails.

In: problems, objects, what the user asked for.    Out: the problems that are shown; whether they fail.
Before: check/analysis.py                          After: cli/analyze.py
Source: Istio's `istioctl analyze` (`--suppress`, `--failure-threshold`, galley.istio.io/analyze-suppress).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.base.problem import Level, Problem

ANNOTATION = "galley.istio.io/analyze-suppress"
_WEIGHT: Mapping[Level, int] = {Level.INFO: 0, Level.WARNING: 1, Level.ERROR: 2}


class BadSuppression(ValueError):
    """A `--suppress` of another form than `CODE` or `CODE=KIND NAME[.NAMESPACE]`."""


class Suppression(Struct, frozen=True, kw_only=True):
    """Leave out a code, of all objects or of those whose `KIND NAME.NAMESPACE` fits a pattern."""

    code: str
    who: str = "*"

    def covers(self, problem: Problem) -> bool:
        """Whether the problem is left out."""
        if not fnmatchcase(problem.code, self.code):
            return False
        if self.who == "*":
            return True
        key = problem.origin.key
        return key is not None and any(fnmatchcase(name, self.who) for name in _names(key))


def suppression_of(text: str) -> Suppression:
    """`IST0103`, `LAT03*`, `IST0101=VirtualService reviews.shop` or `IST0102=Namespace *`; raises BadSuppression."""
    code, equals, who = (part.strip() for part in text.partition("="))
    if not code or (equals and len(who.split()) != 2):
        raise BadSuppression(f'wanted CODE or "CODE=KIND NAME.NAMESPACE", got "{text}"')
    return Suppression(code=code, who=" ".join(who.split()) or "*")


def shown_of(
    problems: Iterable[Problem],
    objects: Sequence[Obj],
    suppressions: Sequence[Suppression] = (),
    *,
    strict: bool = False,
) -> tuple[Problem, ...]:
    """Without what is suppressed, by option or by the objects' own annotation; `strict` makes warnings errors."""
    own = {obj.key: said for obj in objects if (said := _annotated(obj))}
    kept = (
        p
        for p in problems
        if not any(s.covers(p) for s in suppressions)
        and not (p.origin.key in own and any(fnmatchcase(p.code, c) for c in own[p.origin.key]))
    )
    return tuple(_raised(p) if strict else p for p in kept)


def at_least(problems: Iterable[Problem], level: Level) -> tuple[Problem, ...]:
    """The problems that weigh as much as the level, or more."""
    return tuple(p for p in problems if _WEIGHT[p.level] >= _WEIGHT[level])


def _raised(problem: Problem) -> Problem:
    return replace(problem, level=Level.ERROR) if problem.level is Level.WARNING else problem


def _names(key: ObjectKey) -> tuple[str, ...]:
    """As Istio writes them; a name alone means that of any namespace's object."""
    whole = f"{key.kind} {key.name}.{key.namespace}" if key.namespace else f"{key.kind} {key.name}"
    return (whole, f"{key.kind} {key.name}")


def _annotated(obj: Obj) -> tuple[str, ...]:
    text = obj.meta.annotations.get(ANNOTATION, "")
    return tuple(code.strip() for code in text.split(",") if code.strip())
