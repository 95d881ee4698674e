"""Read the files, check what they say, and put what is sound into the store.

In: paths (and text from stdin).    Out: changes in the store; problems.
Before: sources/        After: cluster/applying.py

An object with an error is left as the store has it; the others go on.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lateen.api.objects import Obj
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.base.problem import Problem
from lateen.build.source import ImageSource
from lateen.check.objects import check_object
from lateen.check.together import check_together, refuses
from lateen.cluster.applying import Applied, apply_files
from lateen.sources.files import Loaded, read_paths
from lateen.sources.project import read_project
from lateen.store.interface import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to read: paths, stdin's text for `-`, the folder they are relative to."""

    paths: tuple[str, ...]
    stdin: str = ""
    folder: str = ""
    namespace: str = "default"


@dataclass(kw_only=True)
class Sourcing:
    """The sources of one mesh and what was found wrong in them the last time."""

    store: Store
    clock: Clock
    look_in: Callable[[dict[str, ImageSource], tuple[Path, ...]], None]
    problems: tuple[Problem, ...] = ()
    refused: tuple[ObjectKey, ...] = ()
    applied: bool = False
    files: tuple[Path, ...] = field(default=())

    def read(self, request: Request) -> Applied:
        """Read everything again and apply the difference; see `problems` and `refused` after."""
        if request.folder and Path(request.folder).is_dir():
            os.chdir(request.folder)
        loaded = read_paths(
            list(request.paths), stdin=io.StringIO(request.stdin), namespace=request.namespace
        )
        project, project_problems = read_project(list(request.paths))
        self.look_in(
            {name: ImageSource(build=Path(s.build), dockerfile=s.dockerfile)
             for name, s in project.images.items()},
            _search_roots(request.paths),
        )  # fmt: skip
        found, refused = self._check(loaded)
        self.problems = (*project_problems, *found)
        self.refused = refused
        sound = [obj for obj in loaded.objects if obj.key not in set(refused)]
        applied = apply_files(self.store, sound, self.clock, keep=refused)
        self.applied = True
        self.files = loaded.files
        return applied

    def _check(self, loaded: Loaded) -> tuple[tuple[Problem, ...], tuple[ObjectKey, ...]]:
        objects: tuple[Obj, ...] = loaded.objects
        partial = tuple(p.obj for p in loaded.partial)
        problems = dict.fromkeys(loaded.problems)
        for obj in (*objects, *partial):
            problems.update(dict.fromkeys(check_object(obj)))
        problems.update(dict.fromkeys(check_together((*objects, *partial))))
        refused = {p.obj.key for p in loaded.partial}
        refused |= {p.origin.key for p in problems if p.origin.key is not None and refuses(p)}
        return tuple(problems), tuple(sorted(refused))


def _search_roots(paths: tuple[str, ...]) -> tuple[Path, ...]:
    """Where images may have their source: the folders given, and the folders of the files given."""
    roots = [Path(p) if Path(p).is_dir() else Path(p).parent for p in paths if p != "-"]
    return tuple(dict.fromkeys(root.absolute() for root in (*roots, Path.cwd())))
