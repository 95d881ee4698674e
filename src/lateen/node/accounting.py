"""What containers use of this machine, from their processes' own accounts.

In: /proc, each container's PID namespace.    Out: `measure`: seconds of CPU and bytes of memory.
Before: -       After: node/agent.py

Every process of a container is in its PID namespace, so no control group is needed. Memory is what no
other container shares: anonymous and shared-memory pages, not the pages of programs and files.
Source: proc(5), /proc/pid/stat and /proc/pid/status.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGES = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)
_UTIME = 11  # in what follows the command's name: utime, stime, cutime, cstime


class Used(Struct, frozen=True, kw_only=True):
    """CPU seconds since a container's processes began, ended children included; bytes now."""

    cpu: float = 0.0
    memory: int = 0


def namespace_of(pid: int, proc: Path = Path("/proc")) -> str:
    """The name of a process's PID namespace; "" when it has gone."""
    with contextlib.suppress(OSError):
        return os.readlink(proc / str(pid) / "ns/pid")
    return ""


def measure(
    namespaces: Mapping[str, tuple[str, str]], proc: Path = Path("/proc")
) -> dict[tuple[str, str], Used]:
    """Use by pod and container, given whose each PID namespace is."""
    found: dict[tuple[str, str], Used] = {}
    for name in os.listdir(proc):
        whose = namespaces.get(namespace_of(int(name), proc)) if name.isdigit() else None
        if whose is None:
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):  # it has ended meanwhile
            one = _used(proc / name)
            before = found.get(whose, Used())
            found[whose] = Used(cpu=before.cpu + one.cpu, memory=before.memory + one.memory)
    return found


def _used(folder: Path) -> Used:
    fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
    ticks = sum(int(field) for field in fields[_UTIME : _UTIME + 4])
    kilobytes = sum(int(n) for n in _PAGES.findall((folder / "status").read_bytes()))
    return Used(cpu=ticks / _TICKS, memory=kilobytes * 1024)
