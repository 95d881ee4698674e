"""Keep what containers wrote, and lateen's own processes, within bounds of age and size.

In: STATE/logs, the pods there are.    Out: files removed or made shorter.
Before: logs/files.py                  After: app/observedlogs.py

While a container writes, its files are turned by who writes them; what ended, of restarts and of pods long gone, stays until it
is too old or too much. The oldest goes first. What was written a moment ago is never touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lateen.telemetry.logs.files import Container, containers_in

MOST_RUNS = 5  # of a container, the one that runs among them
OWN_BYTES = 16 * 1024 * 1024  # of a process of lateen's own, and as much again that was before
_YOUNG = 60.0  # seconds in which a pod may be one that is not known yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds since the last line of a file, bytes of all files."""

    age: float
    largest: int


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    written: float
    size: int
    run: int  # how many runs of its container came after
    in_use: bool


def tidy(logs: Path, bounds: Bounds, now: float, runs: Callable[[Container], bool]) -> int:
    """Remove what is too old or too much below STATE/logs/pods; gives the bytes removed.

    `runs`: whether the container's pod is there still. `now` in seconds since 1970.
    """
    files = [
        file
        for container in containers_in(logs, lambda _: True)
        for file in _files_of(container, runs(container))
    ]
    total = removed = 0
    kept = []
    for file in sorted(files, key=lambda each: each.written):
        old = file.written < now - bounds.age or file.run >= MOST_RUNS
        if old and not file.in_use and file.written < now - _YOUNG:
            removed += _remove(file)
        else:
            kept.append(file)
            total += file.size
    for file in kept:
        if total <= bounds.largest:
            break
        if not file.in_use and file.written < now - _YOUNG:
            total -= file.size
            removed += _remove(file)
    return removed


def _files_of(container: Container, running: bool) -> list[_File]:
    made: list[_File] = []
    runs: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        for path in container.newest_first():
            run = path.name.partition(".")[0]
            if run not in runs:
                runs.append(run)
            state = path.stat()
            made.append(
                _File(
                    path=path,
                    written=state.st_mtime,
                    size=state.st_size,
                    run=len(runs) - 1,
                    in_use=running and not made,
                )
            )
    return made


def _remove(file: _File) -> int:
    """The bytes of a file that is gone now, with folders that are empty without it."""
    with contextlib.suppress(OSError):  # another look may have been faster
        file.path.unlink()
        for folder in (file.path.parent, file.path.parent.parent):
            folder.rmdir()
    return file.size


def shorten_own(logs: Path, largest: int = OWN_BYTES) -> None:
    """Turn the logs of lateen's own processes (STATE/logs/*.log), which go on writing to the same file."""
    for path in logs.glob("*.log"):
        if path.stat().st_size > largest:
            before = path.with_name(f"{path.name}.1")
            shutil.copyfile(path, before)
            before.chmod(0o600)
            os.truncate(path, 0)
