"""Read the containers' log files backwards and forwards, lines joined that were cut.

In: STATE/logs/pods.    Out: the containers, their lines newest first, what is new in a file.
Before: logs/lines.py   After: logs/search.py, logs/following.py
Source: the CRI log format; `NS_POD_UID/CONTAINER/N.log`, turned as `N.log.1` ….
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lateen.telemetry.logs.lines import LogLine, told

_BLOCK = 64 * 1024
LONGEST_LINE = 256 * 1024  # characters that the parts of a line are joined to
Raw = tuple[str, str, str]  # time, stream, text


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Container:
    """A container that wrote something."""

    namespace: str
    pod: str
    uid: str
    container: str
    folder: Path

    def line(self, raw: Raw) -> LogLine:
        """A line of it, with what can be told of it."""
        time, stream, text = raw
        level, trace = told(text)
        return LogLine(
            time=time,
            pod=self.pod,
            namespace=self.namespace,
            container=self.container,
            stream=stream,
            text=text,
            level=level,
            trace=trace,
        )

    def newest_first(self) -> list[Path]:
        """Its files: runs from the last to the first, and of a run the turned ones after the newest."""
        found: list[tuple[int, int, Path]] = []
        for path in self.folder.iterdir():
            name, _, turn = path.name.partition(".log")
            if name.isdecimal() and (not turn or turn[1:].isdecimal()):
                found.append((-int(name), int(turn[1:] or 0), path))
        return [path for _, _, path in sorted(found)]


def containers_in(logs: Path, wanted: Callable[[Container], bool]) -> list[Container]:
    """The wanted ones of all whose logs are there."""
    found: list[Container] = []
    for pod in _folders(logs):
        parts = pod.name.split("_")
        if len(parts) != 3:
            continue
        namespace, name, uid = parts
        for folder in _folders(Path(pod.path)):
            made = Container(
                namespace=namespace,
                pod=name,
                uid=uid,
                container=folder.name,
                folder=Path(folder.path),
            )
            if wanted(made):
                found.append(made)
    return sorted(found)


def _folders(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def parsed(line: bytes) -> tuple[str, str, bool, str] | None:
    """Time, stream, whether it is the line's end, text; None for what is no CRI line."""
    parts = line.split(b" ", 3)
    if len(parts) != 4:
        return None
    time, stream, tag, text = parts
    words = time.decode("ascii", "replace"), stream.decode("ascii", "replace")
    return *words, tag != b"P", text.decode("utf-8", "replace")


def backwards(container: Container, spend: Callable[[int], bool]) -> Iterator[Raw]:
    """Its lines, newest first; `spend` is told of bytes before they are read, and may end it."""
    open_: dict[
        str, tuple[str, list[str]]
    ] = {}  # by stream: the end of a line, parts before it to come
    for path in container.newest_first():
        for line in _lines_backwards(path, spend):
            found = parsed(line)
            if found is None:
                continue
            time, stream, ends, text = found
            if ends or stream not in open_:
                if stream in open_:
                    yield _joined(stream, *open_[stream])
                open_[stream] = (time, [text])
            elif sum(map(len, open_[stream][1])) < LONGEST_LINE:
                open_[stream][1].append(text)
    for stream, (time, parts) in sorted(open_.items(), key=lambda each: each[1][0], reverse=True):
        yield _joined(stream, time, parts)


def _joined(stream: str, time: str, parts: list[str]) -> Raw:
    return time, stream, "".join(reversed(parts))


def _lines_backwards(path: Path, spend: Callable[[int], bool]) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:  # turned or removed meanwhile
        return
    with file:
        at = file.seek(0, os.SEEK_END)
        rest = b""
        while at > 0:
            size = min(_BLOCK, at)
            if not spend(size):
                return
            at -= size
            file.seek(at)
            first, *lines = (file.read(size) + rest).split(b"\n")
            yield from reversed([line for line in lines if line])
            rest = first
        if rest:
            yield rest


class Reader:
    """What is new in one container's files; begins at their end, or at the beginning."""

    def __init__(self, container: Container, *, at_end: bool) -> None:
        self.container = container
        self._inode, self._at = 0, 0
        self._rest = b""
        self._parts: dict[str, list[str]] = {}
        if at_end and (path := self._newest()):
            state = path.stat()
            self._inode, self._at = state.st_ino, state.st_size

    def _newest(self) -> Path | None:
        try:
            return next(iter(self.container.newest_first()), None)
        except FileNotFoundError:
            return None

    def new(self, most: int) -> Iterator[Raw]:
        """At most `most` bytes' worth of lines that came since the last time."""
        for path in self._unread():
            try:
                with path.open("rb") as file:
                    state = os.fstat(file.fileno())
                    if state.st_ino != self._inode:
                        self._inode, self._at, self._rest = state.st_ino, 0, b""
                    file.seek(self._at)
                    block = file.read(most)
            except FileNotFoundError:
                continue
            self._at += len(block)
            most -= len(block)
            *lines, self._rest = (self._rest + block).split(b"\n")
            yield from self._whole(lines)
            if most <= 0:
                return

    def _unread(self) -> list[Path]:
        """From the file last read to the newest."""
        try:
            files = self.container.newest_first()
            inodes = [path.stat().st_ino for path in files]
        except FileNotFoundError:
            return []
        last = inodes.index(self._inode) if self._inode in inodes else len(files) - 1
        return list(reversed(files[: last + 1]))

    def _whole(self, lines: list[bytes]) -> Iterator[Raw]:
        for line in lines:
            found = parsed(line)
            if found is None:
                continue
            time, stream, ends, text = found
            parts = self._parts.setdefault(stream, [])
            if sum(map(len, parts)) < LONGEST_LINE:
                parts.append(text)
            if ends:
                del self._parts[stream]
                yield time, stream, "".join(parts)
