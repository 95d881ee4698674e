"""Build each image that some pod asks for, once, side by side.

In: image names.    Out: Built, or the reason why not; progress for the live view.
Before: stages/running.py        After: build/
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lateen.base.errors import BuildFailed
from lateen.base.tasks import named
from lateen.build.builder import build, cores_gate
from lateen.build.built import Built
from lateen.build.source import ImageSource, find_source

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Building:
    """The builds of one mesh: under way, done and failed, by image name."""

    cache: Path
    changed: Callable[[], None]
    _project: Mapping[str, ImageSource] = field(default_factory=dict)
    _search: Sequence[Path] = ()
    _done: dict[str, Built | str] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    progress: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=cores_gate)

    def look_in(self, project: Mapping[str, ImageSource], search: Sequence[Path]) -> None:
        """Say where sources are. What failed is tried again, as its cause may have been mended."""
        self._project, self._search = project, search
        for image in [i for i, result in self._done.items() if isinstance(result, str)]:
            del self._done[image]

    def result(self, image: str) -> Built | str | None:
        """Built, why it failed, or None: under way (and started, if it was not)."""
        if image not in self._done and image not in self._tasks:
            self._tasks[image] = named(f"build {image}", self._build(image))
        return self._done.get(image)

    async def _build(self, image: str) -> None:
        try:
            self._done[image] = await self._attempt(image)
        except BuildFailed as failed:
            self._done[image] = failed.reason
            self.logs[image] = failed.log
            log.warning("build of %s failed: %s\n%s", image, failed.reason, failed.log)
        except Exception as fault:  # else the pod would wait for ever, and the build start over
            self._done[image] = f"lateen could not build it: {fault}"
            log.exception("build of %s failed", image)
        finally:
            self._tasks.pop(image, None)
            self.progress.pop(image, None)
            self.changed()

    async def _attempt(self, image: str) -> Built:
        source = await asyncio.to_thread(find_source, image, self._project, self._search)
        if source is None:
            looked = ", ".join(str(folder) for folder in self._search) or "no folder"
            raise BuildFailed(
                f"no source for image {image}: name its folder in lateen.yaml "
                f"(images: {{{image.partition(':')[0]}: {{build: FOLDER}}}}); looked in {looked}"
            )

        def say(line: str) -> None:
            self.progress[image] = line

        return await build(source, cache=self.cache, progress=say, gate=self._gate)
