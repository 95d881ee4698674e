"""Decide which of the objects read may be stored, and say all that is wrong with the rest.

In: what decoding made, and the objects there are.    Out: Admission: objects to store, problems.
Before: check/objects.py, check/together.py           After: app/, stages/, apiserver/
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from lateen.api.codes import NOT_AN_OBJECT
from lateen.api.decode import Decoded
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.base.problem import Problem
from lateen.check.inventory import OWN_HOSTS, OWN_WORKLOADS, Workload
from lateen.check.objects import check_object, check_partial, follows
from lateen.check.together import check_together, refuses


class Admission(Struct, frozen=True, kw_only=True):
    """The objects that may be stored, and every problem found, in the order of files and lines.

    `refused` are the objects that were meant but may not be stored, and `unreadable` the files part
    of which could not be read: what is stored of them already must stay, not be taken for deleted.
    """

    objects: tuple[Obj, ...]
    problems: tuple[Problem, ...]
    refused: frozenset[ObjectKey] = frozenset()
    unreadable: frozenset[str] = frozenset()


def admit(
    decoded: Decoded,
    existing: Iterable[Obj] = (),
    *,
    extra_hosts: Collection[str] = OWN_HOSTS,
    extra_workloads: Sequence[Workload] = OWN_WORKLOADS,
) -> Admission:
    """Check what was decoded, alone and together with what exists.

    An object of `existing` counts unless a sound new one takes its place.
    """
    problems = list(decoded.problems)
    refused = {problem.origin.key for problem in problems if refuses(problem)}
    for obj in decoded.objects:
        found = check_object(obj)
        problems += found
        refused |= {problem.origin.key for problem in found if refuses(problem)}
    for partial in decoded.partial:
        problems += check_partial(partial)
    sound = [obj for obj in decoded.objects if obj.key not in refused]
    everything = tuple({obj.key: obj for obj in (*existing, *sound)}.values())
    about = [*decoded.objects, *(partial.obj for partial in decoded.partial)]
    partials = {partial.obj.key: partial for partial in decoded.partial}
    for problem in check_together(
        everything, about=about, extra_hosts=extra_hosts, extra_workloads=extra_workloads
    ):
        partial_of = partials.get(problem.origin.key) if problem.origin.key else None
        if partial_of is None or not follows(problem, partial_of):
            problems.append(problem)
            refused |= {problem.origin.key} if refuses(problem) else set()
    return Admission(
        objects=tuple(obj for obj in sound if obj.key not in refused),
        problems=tuple(sorted(problems, key=_place)),
        refused=frozenset(key for key in refused if key is not None),
        unreadable=frozenset(
            problem.origin.place.file
            for problem in problems
            if problem.origin.place and _hides_objects(problem)
        ),
    )


def _hides_objects(problem: Problem) -> bool:
    """Whether it is unknown which object the problem is about, so that one may only seem deleted."""
    nameless = problem.origin.key is None or problem.code == NOT_AN_OBJECT
    return nameless and refuses(problem)


def _place(problem: Problem) -> tuple[str, int, int]:
    place = problem.origin.place
    return (place.file, place.line, place.column) if place else ("", 0, 0)
