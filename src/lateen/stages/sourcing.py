"""Read the files, check what they say, and put what is sound into the store.

In: paths (and text from stdin).    Out: changes in the store; problems.
Before: sources/        After: cluster/applying.py

An object with an error is left as the store has it; the others go on.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.base.problem import Problem
from lateen.build.source import ImageSource
from lateen.check.admission import admit
from lateen.cluster.applying import Applied, apply_files
from lateen.sources.files import read_paths
from lateen.sources.project import Project, read_project
from lateen.store.interface import Store
from lateen.world.needs import Needs

_NAMED = 5  # objects in a line of news
# What the files themselves said before, and what follows from it, is not there to refer to.
_NOT_ASKED = ("files", "controllers")


class Request(Struct, frozen=True, kw_only=True):
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
    tell: Callable[[str], None] = lambda _: None
    needed: Callable[[], None] = lambda: None  # other needs than before are said
    problems: tuple[Problem, ...] = ()
    refused: tuple[ObjectKey, ...] = ()
    applied: bool = False
    needs: Needs = field(default_factory=dict)  # what lateen.yaml says that workloads call

    def read(self, request: Request) -> Applied:
        """Read everything again and apply the difference; see `problems` and `refused` after."""
        # Paths are whole; only messages are shorter there. It may be gone, or closed to this user.
        with contextlib.suppress(OSError):
            os.chdir(request.folder)
        loaded = read_paths(
            request.paths, stdin=io.StringIO(request.stdin), namespace=request.namespace
        )
        project, project_problems = read_project(request.paths)
        self.look_in(_images(project), project.folders)
        if project.needs != self.needs:
            self.needs = project.needs
            self.needed()
        others = (o for o in self.store.list() if self.store.source_of(o.key) not in _NOT_ASKED)
        admission = admit(loaded.decoded, others)
        self.problems = (*project_problems, *admission.problems)
        self.refused = tuple(sorted(admission.refused))
        applied = apply_files(
            self.store,
            admission.objects,
            self.clock,
            keep=admission.refused | self._in(admission.unreadable),
        )
        self.problems = (*self.problems, *applied.problems)
        self.refused = tuple(sorted({*self.refused, *applied.refused}))
        if self.applied and (words := difference(applied)):
            self.tell(f"applied: {words}")
        self.applied = True
        return applied

    def _in(self, files: frozenset[str]) -> frozenset[ObjectKey]:
        """What the store has from these files."""
        return frozenset(o.key for o in self.store.list() if o.places and o.places.file in files)


def difference(applied: Applied) -> str:
    """`VirtualService shop/web changed, Pod shop/x deleted, 3 more`; empty when nothing changed."""
    done = {"created": applied.created, "changed": applied.changed, "deleted": applied.deleted}
    words = [f"{key} {what}" for what, keys in done.items() for key in keys]
    more = [f"{len(words) - _NAMED} more"] if len(words) > _NAMED else []
    return ", ".join([*words[:_NAMED], *more])


def _images(project: Project) -> dict[str, ImageSource]:
    return {
        image: ImageSource(build=source.folder, dockerfile=source.dockerfile or "Dockerfile")
        for image, source in project.images.items()
    }
