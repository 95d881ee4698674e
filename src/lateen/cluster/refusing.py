"""Judge what a file says of an object as the API judges what a user writes.

In: an object of a file, the tree that would be stored, what is there.    Out: Judged.
Before: check/newcomers.py, check/changes.py, check/policies.py        After: cluster/applying.py

Files are the owner's: nothing is asked of their rights, but bounds, quotas, levels and policies of a namespace hold
for what they make, and what may never change stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from lateen.api.codes import BAD_FIELD, NOT_ADMITTED
from lateen.api.kinds import kind_of
from lateen.api.objects import Obj
from lateen.base.problem import Level, Problem
from lateen.check.changes import broken_by_change
from lateen.check.newcomers import welcome
from lateen.check.policies import Judging, judged
from lateen.store.interface import Store

_OWNER = {
    "username": "kubernetes-admin",
    "groups": ["system:masters", "system:authenticated"],
}


class Judged(Struct, frozen=True, kw_only=True):
    """The tree that may be stored, None if none may, and what to say of it."""

    tree: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()


def judge(store: Store, obj: Obj, tree: dict[str, Any], live: Obj | None) -> Judged:
    """Judge a new object, or (`live` given) a change that is one."""
    problems = list(_changed(obj, tree, live)) if live else []
    if live is None:
        newcomer = welcome(store, obj.key, tree)
        tree = newcomer.raw
        if newcomer.refusal:
            problems.append(_problem(obj, Level.ERROR, f"is forbidden: {newcomer.refusal}"))
        problems += [_problem(obj, Level.WARNING, words) for words in newcomer.warnings]
    problems += _policed(store, obj, tree, live)
    refused = any(problem.level is Level.ERROR for problem in problems)
    return Judged(tree=None if refused else tree, problems=tuple(problems))


def _changed(obj: Obj, tree: Mapping[str, Any], live: Obj) -> Iterator[Problem]:
    kind = kind_of(obj.key.group, obj.key.kind)
    if kind is None:
        return
    name = f"{obj.key.kind.lower()}/{obj.key.name}"
    fix = (
        f"kubectl delete {name} -n {obj.key.namespace}, and it is made anew"
        if obj.key.namespace
        else ""
    )
    for broken in broken_by_change(kind, tree, live.raw):
        yield Problem(
            code=BAD_FIELD,
            level=Level.ERROR,
            origin=obj.origin(broken.path),
            message=broken.message,
            fix=fix,
        )


def _policed(
    store: Store, obj: Obj, tree: Mapping[str, Any], live: Obj | None
) -> Iterator[Problem]:
    kind = kind_of(obj.key.group, obj.key.kind)
    if kind is None:
        return
    verdict = judged(
        store,
        Judging(
            operation="UPDATE" if live else "CREATE",
            kind=kind,
            version=str(tree["apiVersion"]).rpartition("/")[2],
            name=obj.key.name,
            namespace=obj.key.namespace,
            object=tree,
            old=live.raw if live else None,
            user=_OWNER,
        ),
    )
    if verdict.refusal:
        yield _problem(obj, Level.ERROR, f"is forbidden: {verdict.refusal}")
    for words in verdict.warnings:
        yield _problem(obj, Level.WARNING, words)


def _problem(obj: Obj, level: Level, words: str) -> Problem:
    return Problem(code=NOT_ADMITTED, level=level, origin=obj.origin(), message=words)
