"""What of this machine a mesh's processes have, to see after their end whether any of it is left.

In: process ids.    Out: the processes below them and their namespaces; what of these is still there.

Each namespace is held open until the check is done: the kernel gives the number of one that ended to
the next one made, so a number alone would not tell the old sandbox from the one that replaced it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pyroute2.nftables.main import NFTables

KINDS = ("net", "mnt", "pid", "user")


@dataclass(frozen=True, slots=True, order=True)
class Process:
    """A process; `started` (clock ticks since boot) tells it from a later one of the same number."""

    pid: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Processes with all below them, and the namespaces of theirs, as `net:[4026532179]`, that are
    not the test's own."""

    processes: frozenset[Process]
    namespaces: frozenset[str]

    def left(self) -> list[str]:
        """What is still there: living processes, and whoever is in or holds a namespace."""
        living = [f"{one} lives" for one in sorted(self.processes) if process(one.pid) == one]
        used = [f"{where} -> {name}" for where, name in _links() if name in self.namespaces]
        mounted = [line for line in mounts() if line.split()[3] in self.namespaces]
        return living + used + mounted

    def kinds(self) -> set[str]:
        """The kinds of the namespaces."""
        return {name.partition(":")[0] for name in self.namespaces}


@contextmanager
def tree(roots: Iterable[int]) -> Iterator[Tree]:
    """These processes and all below them as they are now, their namespaces held open meanwhile."""
    own = {os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS}
    with ExitStack() as held:
        processes, namespaces = set(), set()
        for one in _below(roots):
            processes.add(one)
            for kind in KINDS:
                with suppress(OSError):  # it has just ended
                    descriptor = os.open(f"/proc/{one.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
                    held.callback(os.close, descriptor)
                    namespaces.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        yield Tree(processes=frozenset(processes), namespaces=frozenset(namespaces - own))


def process(pid: int) -> Process | None:
    """The process of that number; None when it has ended, collected or not."""
    try:
        # After the name, which may hold anything: the state first, the start as the twentieth.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]))


def _below(roots: Iterable[int]) -> Iterator[Process]:
    waiting, seen = list(roots), set()
    while waiting:
        pid = waiting.pop()
        found = None if pid in seen else process(pid)
        seen.add(pid)
        if found:
            yield found
            for task in _entries(f"/proc/{pid}/task"):
                with suppress(OSError):
                    waiting += map(int, (task / "children").read_text().split())


def _links() -> Iterator[tuple[str, str]]:
    """Where every other process's namespaces and open files point."""
    for entry in _entries("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid() and process(int(entry.name)):
            for link in (*_entries(f"{entry}/ns"), *_entries(f"{entry}/fd")):
                with suppress(OSError):
                    yield str(link), os.readlink(link)


def _entries(folder: str) -> list[Path]:
    """What is in a folder of /proc; nothing, when its process has ended or is another user's."""
    try:
        return list(Path(folder).iterdir())
    except OSError:
        return []


def mounts() -> list[str]:
    """The mounts of the host, a line each."""
    return Path("/proc/self/mountinfo").read_text().splitlines()


def host_tables() -> list[tuple[int, str, int]]:
    """The packet filter's tables of the host: family, name and how much is in it. Only root can
    read them, or make any."""
    if os.getuid():
        return []
    with NFTables() as rules:
        return sorted(
            (
                table["nfgen_family"],
                table.get_attr("NFTA_TABLE_NAME"),
                table.get_attr("NFTA_TABLE_USE"),
            )
            for table in rules.get_tables()
        )
