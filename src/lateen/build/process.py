"""Run one program of a build, its output in a log, and end it with us.

In: argument list, folder, environment, log file.    Out: nothing, or BuildFailed with the log's tail.
Before: -       After: build/carry.py, build/toolchains.py
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from lateen.base.errors import BuildFailed

_TAIL_BYTES = 8_192
_TAIL_LINES = 40
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_END_SECONDS = 5.0


async def run_program(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
    """Run it to its end, with no input; its output is appended to `log`.

    The program and all it starts are ended when this is cancelled, and the program itself also when
    this process dies. Raises BuildFailed when it cannot be started or its status is not 0.
    """
    leash = shutil.which("setpriv")
    leashed = [leash, "--pdeathsig", "KILL", "--", *argv] if leash else list(argv)
    with log.open("ab") as out:
        out.write(f"$ {' '.join(argv)}\n".encode())
        out.flush()
        try:
            process = await asyncio.create_subprocess_exec(
                *leashed,
                cwd=cwd,
                env=dict(env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as fault:
            raise BuildFailed(f"{argv[0]} cannot be started: {fault.strerror}") from fault
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        await _end(process)
        raise
    if status != 0:
        shown = " ".join(Path(argv[0]).name if i == 0 else a for i, a in enumerate(argv))
        how = f"status {status}" if status > 0 else signal.Signals(-status).name
        raise BuildFailed(f"`{shown}` failed ({how})", tail_of(log))


async def _end(process: asyncio.subprocess.Process) -> None:
    """TERM to the whole group, and KILL after a while; the process is its group's leader."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def tail_of(log: Path) -> str:
    """The last lines of a log, without colours and without credentials in addresses."""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    lines = _CREDENTIALS.sub("***@", _COLORS.sub("", text)).splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
