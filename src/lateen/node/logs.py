"""Write what containers print as log files in the CRI format.

In: chunks of stdout and stderr.    Out: `STATE/logs/pods/NS_POD_UID/CONTAINER/RESTART.log`.
Before: base/clock.py        After: node/containers.py

A line is `2026-01-01T00:00:00.000000000Z stdout F text`; a part of a line longer than 16 KiB is
marked P instead of F. Files are rotated at 10 MiB, five are kept (`0.log`, `0.log.1` … `0.log.4`).
Source: kubernetes/design-proposals-archive, kubelet-cri-logging.md.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from msgspec import Struct

from lateen.base.clock import Clock

MAX_LINE = 16 * 1024
MAX_FILE = 10 * 1024 * 1024
KEPT_FILES = 5
_LAST_LINES, _LAST_BYTES = 80, 2048


class Split(Struct, frozen=True):
    """Complete pieces, each with its tag (F or P), and the rest that waits for more."""

    pieces: tuple[tuple[bytes, bytes], ...]
    rest: bytes


def split_lines(rest: bytes, chunk: bytes) -> Split:
    """Cut what was kept from before and a new chunk into lines and parts of at most MAX_LINE bytes."""
    *lines, last = (rest + chunk).split(b"\n")
    pieces: list[tuple[bytes, bytes]] = []
    for line in lines:
        parts = [line[i : i + MAX_LINE] for i in range(0, len(line), MAX_LINE)] or [b""]
        pieces.extend((b"P", part) for part in parts[:-1])
        pieces.append((b"F", parts[-1]))
    while len(last) > MAX_LINE:
        pieces.append((b"P", last[:MAX_LINE]))
        last = last[MAX_LINE:]
    return Split(tuple(pieces), last)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with nine digits of a second, as CRI wants."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def last_lines(path: Path) -> str:
    """The end of a log for a termination message: at most 80 lines and 2 KiB.

    Source: core/v1 Container.terminationMessagePolicy, FallbackToLogsOnError.
    """
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES * 4))
        lines = file.read().split(b"\n")[-_LAST_LINES - 1 :]
    texts = [parts[3] for line in lines if len(parts := line.split(b" ", 3)) == 4]
    return b"".join(text + b"\n" for text in texts)[-_LAST_BYTES:].decode(errors="replace")


class ContainerLog:
    """The log of one run of a container."""

    def __init__(self, folder: Path, restart: int, clock: Clock, max_file: int = MAX_FILE) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{restart}.log"
        self._clock = clock
        self._max = max_file
        self._rest = {b"stdout": b"", b"stderr": b""}
        self._file, self._size = self._open()

    def stdout(self, chunk: bytes) -> None:
        """Take what the process wrote to its standard output."""
        self._take(b"stdout", chunk)

    def stderr(self, chunk: bytes) -> None:
        """Take what the process wrote to its standard error."""
        self._take(b"stderr", chunk)

    def close(self) -> None:
        """Write lines left without an end, and close the file."""
        for stream, rest in self._rest.items():
            if rest:
                self._write(stream, ((b"F", rest),))
        self._file.close()

    def _take(self, stream: bytes, chunk: bytes) -> None:
        if self._file.closed:
            return
        split = split_lines(self._rest[stream], chunk)
        self._rest[stream] = split.rest
        self._write(stream, split.pieces)

    def _write(self, stream: bytes, pieces: tuple[tuple[bytes, bytes], ...]) -> None:
        if not pieces:
            return
        head = timestamp(self._clock.now()).encode() + b" " + stream + b" "
        for tag, text in pieces:
            line = head + tag + b" " + text + b"\n"
            # A full disk must not break the pipe of an app that only wants to print.
            with contextlib.suppress(OSError):
                if self._size and self._size + len(line) > self._max:
                    self._rotate()
                self._file.write(line)
                self._size += len(line)

    def _rotate(self) -> None:
        self._file.close()
        for number in range(KEPT_FILES - 2, 0, -1):
            older = Path(f"{self.path}.{number}")
            if older.exists():
                older.rename(f"{self.path}.{number + 1}")
        self.path.rename(f"{self.path}.1")
        self._file, self._size = self._open()

    def _open(self) -> tuple[FileIO, int]:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return FileIO(fd, "ab"), os.fstat(fd).st_size
