"""The agent's ends of a process's standard input and terminal.

In: descriptors.    Out: `writing`, `received`, `resize`.
Before: -       After: node/processes.py
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
import struct
import termios

from lateen.base.errors import LateenError

_PTMX = (5, 2)  # Documentation/admin-guide/devices.txt
_LARGEST = 0xFFFF


class NoTerminal(LateenError):
    """What a process sent is not the other end of a terminal."""


async def writing(fd: int) -> asyncio.StreamWriter:
    """A writer that owns a pipe's or terminal's descriptor."""
    os.set_blocking(fd, False)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(fd, "wb", 0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


def received(link: socket.socket) -> int:
    """The terminal a process has sent before it became its program; raises NoTerminal.

    The container may have put anything in the place of its ptmx, so that is looked at.
    """
    link.setblocking(False)
    try:
        _, fds, _, _ = socket.recv_fds(link, 1, 1)
    except OSError as error:
        raise NoTerminal(f"no terminal: {error}") from None
    for fd in fds:
        os.set_inheritable(fd, False)
        found = os.fstat(fd)
        device = (os.major(found.st_rdev), os.minor(found.st_rdev))
        if stat.S_ISCHR(found.st_mode) and device == _PTMX:
            return fd
        os.close(fd)
    raise NoTerminal("no terminal: the container's /dev/ptmx is none")


def resize(fd: int, width: int, height: int) -> None:
    """Set a terminal's size in columns and rows; its program hears of it by SIGWINCH."""
    rows, columns = (min(max(size, 0), _LARGEST) for size in (height, width))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
