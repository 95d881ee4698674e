"""Say all that is wrong with a set of manifests, and all that is surely not meant.

In: what decoding made.                                    Out: problems, in the order of files and lines.
Before: check/admission.py, check/advice/, check/verdict.py     After: cli/analyze.py

What `lateen up` refuses or warns of comes first; advice is what runs, and runs badly. An object that is not valid is
not advised about: its author has other work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lateen.api.codes import NOT_CARRIED_OUT, NOT_YET_HONOURED, UNKNOWN_KIND
from lateen.api.decode import Decoded
from lateen.api.objects import Obj
from lateen.base.problem import Level, Problem
from lateen.check.admission import admit
from lateen.check.advice import advise
from lateen.check.together import BETWEEN_OBJECTS

# These concern lateen's own reach, not the files: `up` warns of them, here they are remarks.
_OF_LATEEN = frozenset({UNKNOWN_KIND, NOT_YET_HONOURED, NOT_CARRIED_OUT})


def analyze(decoded: Decoded, existing: Iterable[Obj] = ()) -> tuple[Problem, ...]:
    """Every problem of what was decoded, alone and together with what exists."""
    beside = tuple(existing)
    admission = admit(decoded, beside)
    wrong = {p.origin.key for p in admission.problems if _of_one_object(p)}
    sound = tuple(obj for obj in decoded.objects if obj.key not in wrong)
    broken = tuple(obj for obj in decoded.objects if obj.key in wrong)
    known = (*beside, *broken, *(partial.obj for partial in decoded.partial))
    found = [*(_of_lateen(p) for p in admission.problems), *advise(sound, known)]
    unique = {(p.code, p.origin, p.message): p for p in found}
    return tuple(sorted(unique.values(), key=_place))


def _of_one_object(problem: Problem) -> bool:
    """Whether the object it is about is not sound even alone."""
    return problem.level is Level.ERROR and problem.code not in BETWEEN_OBJECTS


def _of_lateen(problem: Problem) -> Problem:
    if problem.code in _OF_LATEEN and problem.level is Level.WARNING:
        return replace(problem, level=Level.INFO)
    return problem


def _place(problem: Problem) -> tuple[str, int, int, str, str]:
    place = problem.origin.place
    where = (place.file, place.line, place.column) if place else ("", 0, 0)
    return (*where, problem.code, problem.message)
