"""Keep keys and certificates in a folder only their owner can read.

In: PEM bytes, paths.    Out: files of mode 0600 in a folder of mode 0700.
Before: -                After: ca/authority.py
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lateen.base.errors import EnvironmentFault


def open_folder(folder: Path) -> None:
    """Make the folder, or see that nobody else can enter it; raises EnvironmentFault."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise EnvironmentFault(f"{folder} belongs to somebody else")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def write_private(path: Path, content: bytes) -> None:
    """Replace the file as a whole, mode 0600, durable when this returns."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_private(path: Path) -> bytes | None:
    """The file's content, None if there is none; raises EnvironmentFault if others may read it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
            raise EnvironmentFault(
                f"{path} can be read by others: `chmod 600` it, or, if somebody may have read it, "
                "delete its folder to start with new keys"
            )
        return file.read()


def read_public(path: Path) -> bytes | None:
    """The file's content, None if there is none; anybody may read a certificate."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
