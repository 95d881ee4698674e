"""Say all that is wrong with a set of manifests, and all that is surely not meant.

In: what decoding made.                                    Out: problems, in the order of files and lines.
Before: check/admission.py, check/advice/, check/verdict.py     After: cli/analyze.py

What `lateen up` refuses or warns of, and advice: what runs, and runs badly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from lateen.api.codes import NOT_CARRIED_OUT, NOT_YET_HONOURED, UNKNOWN_KIND
from lateen.api.decode import Decoded, Partial
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.base.problem import Level, Problem
from lateen.check.admission import admit
from lateen.check.advice import advise
from lateen.check.objects import follows

# These concern lateen's own reach, not the files: `up` warns of them, here they are remarks.
_OF_LATEEN = frozenset({UNKNOWN_KIND, NOT_YET_HONOURED, NOT_CARRIED_OUT})


def analyze(decoded: Decoded, existing: Iterable[Obj] = ()) -> tuple[Problem, ...]:
    """Every problem of what was decoded, alone and together with what exists."""
    beside = tuple(existing)
    partials = {part.obj.key: part for part in decoded.partial}
    advice = advise((*decoded.objects, *(part.obj for part in decoded.partial)), beside)
    sound = (p for p in advice if not _follows(p, partials))
    found = [*(_of_lateen(p) for p in admit(decoded, beside).problems), *sound]
    unique = {(p.code, p.origin, p.message): p for p in found}
    return tuple(sorted(unique.values(), key=_place))


def _follows(problem: Problem, partials: Mapping[ObjectKey, Partial]) -> bool:
    """Whether it is about a gap that decoding has reported already."""
    part = partials.get(problem.origin.key) if problem.origin.key else None
    return part is not None and follows(problem, part)


def _of_lateen(problem: Problem) -> Problem:
    if problem.code in _OF_LATEEN and problem.level is Level.WARNING:
        return replace(problem, level=Level.INFO)
    return problem


def _place(problem: Problem) -> tuple[str, int, int, str, str]:
    place = problem.origin.place
    where = (place.file, place.line, place.column) if place else ("", 0, 0)
    return (*where, problem.code, problem.message)
