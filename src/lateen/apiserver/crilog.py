"""Read a container's log as the kubelet would give it.

In: the folder of pod logs (STATE/logs/pods) and a LogRequest.    Out: chunks of text.
Before: apiserver/deps.py        After: apiserver/podlogs.py; the application plugs `log_reader` in

Source: the CRI log format: `2026-01-01T00:00:00.000000000Z stdout F text`; P instead of F means that
the line goes on. One file for each run of the container: NS_POD_UID/CONTAINER/N.log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from lateen.apiserver.ages import parse_time
from lateen.apiserver.deps import LogRequest, ReadLog
from lateen.base.clock import Clock
from lateen.base.errors import NotFound

POLL_SECONDS = 0.2
_BLOCK = 64 * 1024


def log_reader(folder: Path, clock: Clock) -> ReadLog:
    """The reader of the logs below this folder."""

    async def read_log(request: LogRequest, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
        path = _file_of(folder, request)
        left = request.limit_bytes
        async for chunk in _chunks(path, request, ended, clock):
            if left is None:
                yield chunk
                continue
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return

    return read_log


def _file_of(folder: Path, request: LogRequest) -> Path:
    container = folder / f"{request.namespace}_{request.pod}_{request.uid}" / request.container
    runs = sorted(int(p.stem) for p in container.glob("*.log") if p.stem.isdecimal())
    wanted = runs[:-1] if request.previous else runs
    if not wanted:
        which = "previous terminated container" if request.previous else "container"
        raise NotFound(f'{which} "{request.container}" in pod "{request.pod}" not found')
    return container / f"{wanted[-1]}.log"


async def _chunks(
    path: Path, request: LogRequest, ended: Callable[[], bool], clock: Clock
) -> AsyncIterator[bytes]:
    since = clock.now() - timedelta(seconds=request.since_seconds or 0)
    render = _Render(request.timestamps, since if request.since_seconds else None)
    with path.open("rb") as file:
        start = 0 if request.tail_lines is None else _tail_start(file, request.tail_lines)
        file.seek(start)
        while True:
            over = ended()
            while block := file.read(_BLOCK):
                if text := render.feed(block):
                    yield text
                await asyncio.sleep(0)
            newer = path.with_name(f"{int(path.stem) + 1}.log").exists()
            if not request.follow or over or newer:
                break
            if path.stat().st_size < file.tell():
                file.seek(0)
            await clock.sleep(POLL_SECONDS)
    if text := render.rest():
        yield text


class _Render:
    """Turns bytes of a CRI file into what the user sees, line by line."""

    def __init__(self, timestamps: bool, since: datetime | None) -> None:
        self._timestamps = timestamps
        self._since = since
        self._left = b""

    def feed(self, block: bytes) -> bytes:
        """The text of all lines that are whole by now."""
        *lines, self._left = (self._left + block).split(b"\n")
        return b"".join(self._shown(lines))

    def rest(self) -> bytes:
        """The text of a last line that has no end."""
        left, self._left = self._left, b""
        return b"".join(self._shown([left])) if left else b""

    def _shown(self, lines: list[bytes]) -> Iterator[bytes]:
        for line in lines:
            stamp, _, tail = line.partition(b" ")
            _, _, tail = tail.partition(b" ")
            tag, _, text = tail.partition(b" ")
            if not tag or self._is_before(stamp):
                continue
            if self._timestamps:
                yield stamp + b" "
            yield text if tag == b"P" else text + b"\n"

    def _is_before(self, stamp: bytes) -> bool:
        if self._since is None:
            return False
        moment = parse_time(stamp[:26].decode("ascii", "replace").rstrip("Z"))
        return moment is not None and moment.astimezone(UTC) < self._since


def _tail_start(file: BinaryIO, lines: int) -> int:
    """Where the last `lines` full lines begin, counted from the file's end in blocks."""
    end = position = file.seek(0, 2)
    if lines == 0:
        return end
    wanted = lines
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            if position + at == end - 1:
                continue
            if not _is_full(file, position + at + 1):
                continue
            wanted -= 1
            if wanted == 0:
                return position + at + 1
    return 0


def _is_full(file: BinaryIO, start: int) -> bool:
    """Whether a line of the user's begins here: the file's line before it does not go on."""
    file.seek(max(0, start - _BLOCK))
    before = file.read(min(start, _BLOCK)).rstrip(b"\n").rpartition(b"\n")[2]
    return before.split(b" ", 3)[2:3] != [b"P"]
