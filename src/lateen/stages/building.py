"""Build each image that some pod asks for, side by side, and anew when its source has changed.

In: image names.    Out: Built, or the reason why not; progress for the live view.
Before: stages/running.py        After: build/, stages/restarting.py

While something is built anew, and when that fails, what was built before is what pods get.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lateen.api.codes import NOT_BUILT, NOT_CARRIED_OUT
from lateen.base.errors import BuildFailed
from lateen.base.origin import Origin, Place
from lateen.base.problem import Level, Problem
from lateen.base.tasks import named
from lateen.build.builder import build, cores_gate
from lateen.build.built import Built, tools_of_this_machine
from lateen.build.source import ImageSource, find_source
from lateen.build.watching import source_changes

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Building:
    """The builds of one mesh: under way, done and failed, by image name."""

    cache: Path
    changed: Callable[[], None]
    rebuilt: Callable[[str], None] = lambda _: None  # what runs of the image is not the newest
    tell: Callable[[str], None] = lambda _: None
    _project: Mapping[str, ImageSource] = field(default_factory=dict)
    _search: Sequence[Path] = ()
    _done: dict[str, Built | str] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _behind: set[str] = field(default_factory=set)  # changed while they were being built
    _folders: dict[str, Path] = field(default_factory=dict)
    _sourceless: set[str] = field(default_factory=set)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    progress: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # why an older build goes on
    _gate: asyncio.Semaphore = field(default_factory=cores_gate)

    def look_in(self, project: Mapping[str, ImageSource], search: Sequence[Path]) -> None:
        """Say where sources are. What failed is tried again, as its cause may have been mended."""
        elsewhere = (project, search) != (self._project, self._search)
        self._project, self._search = project, search
        for image, result in list(self._done.items()):
            if isinstance(result, str):
                del self._done[image]
            elif elsewhere or image in self.faults:
                self._again(image)

    def result(self, image: str) -> Built | str | None:
        """Built, why it failed, or None: under way (and started, if it was not)."""
        if image not in self._done and image not in self._tasks:
            self._again(image)
        return self._done.get(image)

    def tools(self, image: str) -> Built | str | None:
        """As `result`; an image without a source is this machine's own tools, with a shell.

        Who debugs names an image such as busybox for what is in it, and every container sees that here.
        """
        found = self.result(image)
        return tools_of_this_machine(image) if image in self._sourceless else found

    def problems(self) -> tuple[Problem, ...]:
        """Sources that cannot be built any more, and what builds leave out of their Dockerfiles."""
        stale = (
            self._problem(
                image,
                NOT_BUILT,
                Level.ERROR,
                f"cannot be built anew, the older build goes on: {reason}",
            )
            for image, reason in sorted(self.faults.items())
        )
        left_out = (
            self._problem(image, NOT_CARRIED_OUT, Level.WARNING, warning)
            for image, built in sorted(self._done.items())
            if isinstance(built, Built)
            for warning in built.warnings
        )
        return (*stale, *left_out)

    def outputs(self) -> dict[str, str]:
        """The last output of the builds that failed, by image."""
        failed = {image for image, result in self._done.items() if isinstance(result, str)}
        return {i: self.logs[i] for i in sorted(failed | set(self.faults)) if self.logs.get(i)}

    def _problem(self, image: str, code: str, level: Level, words: str) -> Problem:
        place = Place(file=shown_folder(self._folders.get(image)))
        return Problem(
            code=code, level=level, origin=Origin(place=place), message=f"image {image}: {words}"
        )

    async def rebuilding(self) -> None:
        """Build anew what has changed on disk, until cancelled."""
        while True:
            folders = frozenset(f for f in self._folders.values() if f.is_dir())
            self._moved.clear()
            if not folders:
                await self._moved.wait()
                continue
            async for paths in source_changes(folders, stop=self._moved):
                for image, folder in list(self._folders.items()):
                    if any(path.is_relative_to(folder) for path in paths):
                        self._again(image)

    def _again(self, image: str) -> None:
        if image in self._tasks:
            self._behind.add(image)
        else:
            self._tasks[image] = named(f"build {image}", self._build(image))

    async def _build(self, image: str) -> None:
        before = self._done.get(image)
        try:
            built = await self._attempt(image)
            self._done[image] = built
            self.faults.pop(image, None)
            self.logs.pop(image, None)
            if isinstance(before, Built) and before.digest != built.digest:
                self.tell(f"built {image} anew in {built.seconds:.1f} s")
                self.rebuilt(image)
        except BuildFailed as failed:
            self.logs[image] = failed.log
            log.warning("build of %s failed: %s\n%s", image, failed.reason, failed.log)
            self._failed(image, before, failed.reason)
        except Exception as fault:  # else the pod would wait for ever, and the build start over
            log.exception("build of %s failed", image)
            self._failed(image, before, f"lateen could not build it: {fault}")
        finally:
            self._tasks.pop(image, None)
            self.progress.pop(image, None)
            if image in self._behind:
                self._behind.discard(image)
                self._again(image)
            self.changed()

    def _failed(self, image: str, before: Built | str | None, reason: str) -> None:
        if isinstance(before, Built):
            self.faults[image] = reason
        else:
            self._done[image] = reason

    async def _attempt(self, image: str) -> Built:
        source = await asyncio.to_thread(find_source, image, self._project, self._search)
        self._sourceless.discard(image)
        if source is None:
            self._sourceless.add(image)
            looked = ", ".join(str(folder) for folder in self._search) or "no folder"
            raise BuildFailed(
                f"no source for image {image}: name its folder in lateen.yaml "
                f"(images: {{{image.partition(':')[0]}: {{build: FOLDER}}}}); looked in {looked}"
            )

        if self._folders.get(image) != source.folder:
            self._folders[image] = source.folder
            self._moved.set()

        def say(line: str) -> None:
            self.progress[image] = line

        return await build(source, cache=self.cache, progress=say, gate=self._gate)


def shown_folder(folder: Path | None) -> str:
    """The folder, relative to the working directory if it lies inside."""
    if folder is None:
        return ""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
