"""`lateen diff`: what traffic changes between two sets of files.

In: two sets of paths, revisions, or a running mesh.     Out: text, JSON or Markdown, and an exit status.
Before: explain/differing/whole.py, cli/difftext.py      After: cli/commands/comparing.py
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.codes import NOT_YAML
from lateen.api.objects import Obj
from lateen.base.errors import LateenError
from lateen.base.problem import Level
from lateen.cli.difftext import as_json, as_markdown, as_text, push_as_text
from lateen.explain.differing.changes import Change, Difference
from lateen.explain.differing.meshes import Mesh
from lateen.explain.differing.whole import difference
from lateen.stages.drafts import Draft, draft_from, draft_of_objects

RUNNING = "mesh:"


class Comparison(Struct, frozen=True, kw_only=True):
    """What is asked for. A side is a path, `REVISION:PATH`, or `mesh:NAME`; `form` text, json or markdown.

    `mesh` is the running mesh that is meant by `mesh:` alone.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    namespace: str = "default"
    mesh: str = "default"
    form: str = "text"
    exit_zero: bool = False
    with_push: bool = True


def run_diff(asked: Comparison) -> int:
    """Print what changes; exit status 1 if anything does, 2 if one side could not be read."""
    gc.disable()  # a command that ends soon leaves nothing worth looking for
    with tempfile.TemporaryDirectory(prefix="lateen-diff-") as folder:
        names: dict[str, str] = {}
        try:
            old = _side(asked, asked.old, Path(folder) / "old", names)
            new = _side(asked, asked.new, Path(folder) / "new", names)
        except LateenError as fault:
            print(f"lateen diff: {fault}", file=sys.stderr)
            return 2
        # A running mesh has given its Services addresses of its own: what it would be sent cannot be told.
        running = any(side.startswith(RUNNING) for side in (*asked.old, *asked.new))
        found = compare(old, new, with_push=False)
        found = replace(found, changes=tuple(_renamed(change, names) for change in found.changes))
        if asked.form == "text":
            print(as_text(found), flush=True)  # what is pushed takes a while to be worked out
        if asked.with_push and not running:
            found = _with_push(found, old, new)
    match asked.form:
        case "json":
            print(json.dumps(as_json(found), indent=2))
        case "markdown":
            print(as_markdown(found))
        case _ if found.push:
            print(push_as_text(found))
    return 0 if found.same or asked.exit_zero else 1


def compare(old: Draft, new: Draft, *, with_push: bool = True) -> Difference:
    """What changes from one draft to another."""
    found = difference(*(Mesh(world=draft.world, plans=draft.plans) for draft in (old, new)))
    empty = () if old.plans or new.plans else (_NO_PODS,)
    found = replace(found, doubts=(*empty, *found.doubts))
    return _with_push(found, old, new) if with_push else found


def _with_push(found: Difference, old: Draft, new: Draft) -> Difference:
    from lateen.explain.differing.pushing import push

    both = (old.resources, partial(new.resources, memo=old.memo))
    return replace(found, push=push(old.plans, new.plans, both))


_NO_PODS = "no workload stands in either: rules without the pods they are for do nothing; give the manifests of the workloads, too"


def _side(asked: Comparison, operands: Sequence[str], folder: Path, names: dict[str, str]) -> Draft:
    """The draft of one side; `names` learns what to call a folder that files were put into."""
    paths: list[str] = []
    for operand in operands:
        if operand.startswith(RUNNING) and not Path(operand).exists():
            from lateen.cli.meshobjects import objects_of_mesh

            there = objects_of_mesh(operand.removeprefix(RUNNING) or asked.mesh)
            return draft_of_objects([obj for obj in there if not _is_own(obj)])
        revision, mark, path = operand.partition(":")
        if not mark or Path(operand).exists():
            paths.append(operand)
            continue
        from lateen.sources.revisions import check_out

        folder.mkdir(exist_ok=True)
        paths += check_out(revision, [path or "."], folder)
        names[f"{folder}/"] = f"{revision}:"
    draft = draft_from(paths, stdin=sys.stdin, namespace=asked.namespace)
    for problem in draft.problems if draft.refused else ():
        if problem.level is Level.ERROR:
            print(_told(str(problem), names), file=sys.stderr)
    if any(problem.code == NOT_YAML for problem in draft.problems):
        raise LateenError(f"{', '.join(operands)}: what cannot be read cannot be compared")
    if not draft.files:
        said = "; ".join(problem.message for problem in draft.problems)
        raise LateenError(f"{', '.join(operands)}: {said or 'there is nothing to read'}")
    return draft


def _is_own(obj: Obj) -> bool:
    """Whether a running mesh has it without being given it: the Service of its own API."""
    return (obj.key.namespace, obj.key.name) == ("default", "kubernetes")


def _renamed(change: Change, names: dict[str, str]) -> Change:
    return replace(change, because=tuple(_told(each, names) for each in change.because))


def _told(text: str, names: dict[str, str]) -> str:
    for folder, name in names.items():
        text = text.replace(folder, name)
    return text
