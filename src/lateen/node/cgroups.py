"""Hold containers to their limits by control groups, where this machine lets us.

In: Limits.    Out: Limiter: `enter` gives a Group, or None and `why_not`.
Before: node/protocol.py, node/groupplaces.py        After: node/recipes.py

Version 2 and, on machines that still have it, version 1. Only controllers that are in use already are
used, so nothing changes for the machine's other processes; groups stand in one folder named after the
run directory, which is removed when the mesh ends.
Source: Documentation/admin-guide/cgroup-v2.rst; runc's conversion of shares to a weight.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from msgspec import Struct

from lateen.node.groupplaces import NEEDED, folder_name, old_places, unified_places
from lateen.node.protocol import Limits

_PERIOD = 100_000  # microseconds, the kernel's default


class Group(Struct, frozen=True, kw_only=True):
    """One container's control groups: folders, one for version 2, one per controller before."""

    folders: tuple[Path, ...]
    kills: Path | None = None  # the file that counts processes killed for want of memory

    @property
    def members(self) -> tuple[str, ...]:
        """The files a process writes 0 to in order to be in them."""
        return tuple(str(folder / "cgroup.procs") for folder in self.folders)

    def memory_kills(self) -> int:
        """How many processes were killed for using more memory than the limit."""
        if self.kills is not None:
            with contextlib.suppress(OSError):
                if found := re.search(r"^oom_kill (\d+)$", self.kills.read_text(), re.MULTILINE):
                    return int(found[1])
        return 0

    def remove(self) -> None:
        """Take the folders away, and the mesh's with the last of them.

        One in which something still ends goes when the mesh does.
        """
        for folder in self.folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
                folder.parent.rmdir()


class Limiter(Struct, frozen=True, kw_only=True):
    """Where groups are made: a folder per controller (the same one twice for version 2)."""

    memory: Path | None = None
    cpu: Path | None = None
    unified: bool = True
    why_not: str = ""

    def unmet(self, limits: Limits) -> str:
        """Why some of these limits have no effect here; "" if all have."""
        lacking = [
            name
            for name, wanted, folder in (
                ("memory", limits.memory, self.memory),
                ("cpu", limits.cpu, self.cpu),
            )
            if wanted and folder is None
        ]
        if not lacking:
            return ""
        return f"limits of {' and '.join(lacking)} are not enforced here: {self.why_not}"

    def _handed_down(self) -> tuple[str, ...]:
        pairs = (("memory", self.memory), ("cpu", self.cpu))
        return tuple(name for name, at in pairs if at is not None) if self.unified else ()

    def enter(self, name: str, limits: Limits) -> Group | None:
        """A group with these limits, made or kept; None when nothing can be or is to be enforced.

        Raises OSError when the kernel refuses a value.
        """
        memory = self.memory / name if self.memory is not None and limits.memory else None
        cpu = self.cpu / name if self.cpu is not None and (limits.cpu or limits.shares) else None
        if memory is None and cpu is None:
            return None
        for folder in (memory, cpu):
            if folder is not None:
                _open(folder.parent, self._handed_down())
                folder.mkdir(exist_ok=True)
        if memory is not None:
            _write_all(memory, _memory_files(limits.memory, unified=self.unified))
        if cpu is not None:
            _write_all(cpu, _cpu_files(limits, unified=self.unified))
        events = "memory.events" if self.unified else "memory.oom_control"
        folders = tuple(dict.fromkeys(folder for folder in (memory, cpu) if folder is not None))
        return Group(folders=folders, kills=memory / events if memory is not None else None)


def _open(folder: Path, handed_down: tuple[str, ...]) -> None:
    """Make a mesh's folder, in which groups can be made."""
    if not folder.exists():
        folder.mkdir()
        if handed_down:
            controllers = " ".join(f"+{name}" for name in handed_down)
            (folder / "cgroup.subtree_control").write_text(controllers)


def _memory_files(limit: int, *, unified: bool) -> tuple[tuple[str, str, bool], ...]:
    """Files, what they say, and whether they have to be there."""
    if unified:
        more = (("memory.swap.max", "0", False), ("memory.oom.group", "1", False))
        return (("memory.max", str(limit), True), *more)
    return (
        ("memory.limit_in_bytes", str(limit), True),
        ("memory.memsw.limit_in_bytes", str(limit), False),
    )


def _cpu_files(limits: Limits, *, unified: bool) -> tuple[tuple[str, str, bool], ...]:
    quota = str(max(limits.cpu * _PERIOD // 1000, 1000)) if limits.cpu else ""
    shares = min(max(limits.shares * 1024 // 1000, 2), 262_144)
    if unified:
        weight = 1 + (shares - 2) * 9999 // 262_142
        files = (
            ("cpu.max", f"{quota or 'max'} {_PERIOD}", True),
            ("cpu.weight", str(weight), False),
        )
    else:
        files = (("cpu.cfs_quota_us", quota or "-1", True), ("cpu.shares", str(shares), False))
    return files if limits.shares else files[:1]


def _write_all(folder: Path, files: tuple[tuple[str, str, bool], ...]) -> None:
    for name, value, needed in files:
        try:
            (folder / name).write_text(value)
        except OSError:
            if needed:
                raise


def find_limiter(run: Path) -> Limiter:
    """Find, and try, where groups can be made; what an earlier life left there is removed."""
    name = folder_name(run)
    why = "this machine has no control groups that lateen may use"
    for place in unified_places():
        try:
            found = _unified(place / name)
        except OSError as error:
            why = f"{place}: {error.strerror}"
            continue
        if found.memory or found.cpu:
            return found
        why = f"the control groups below {place} are used without memory and cpu"
    old = old_places()
    folders: dict[str, Path] = {}
    for controller, place in old.items():
        try:
            folders[controller] = _cleared(place / name, ())
        except OSError as error:
            why = f"{place}: {error.strerror}"
    whole = len(folders) == len(NEEDED)
    return Limiter(
        memory=folders.get("memory"),
        cpu=folders.get("cpu"),
        unified=False,
        why_not="" if whole else why,
    )


def _unified(folder: Path) -> Limiter:
    given = set((folder.parent / "cgroup.subtree_control").read_text().split())
    wanted = [name for name in NEEDED if name in given]
    if not wanted:
        return Limiter()
    _cleared(folder, tuple(wanted))
    lacking = [name for name in NEEDED if name not in wanted]
    return Limiter(
        memory=folder if "memory" in wanted else None,
        cpu=folder if "cpu" in wanted else None,
        why_not=f"{folder.parent} is used without {' and '.join(lacking)}" if lacking else "",
    )


def _cleared(folder: Path, handed_down: tuple[str, ...]) -> Path:
    """Take away what is left there, and show that the folder can be made again."""
    if folder.exists():
        for child in folder.iterdir():
            if child.is_dir():
                child.rmdir()
        folder.rmdir()
    _open(folder, handed_down)
    folder.rmdir()
    return folder
