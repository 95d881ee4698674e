"""Where control groups are on this machine, and which folders are a mesh's.

In: a run directory.    Out: `folder_name`, `unified_places`, `old_places`, `left_behind`.
Before: -       After: node/cgroups.py, app/supervising.py
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

NEEDED = ("memory", "cpu")
_MOUNTS, _OWN = Path("/proc/self/mounts"), Path("/proc/self/cgroup")


def folder_name(run: Path) -> str:
    """The name of a mesh's folder among the control groups."""
    return f"lateen-{hashlib.blake2b(os.fsencode(run), digest_size=6).hexdigest()}"


def left_behind(run: Path) -> tuple[str, ...]:
    """The folders a mesh of this run directory may have made; to be removed when it has ended."""
    places = [*unified_places(), *old_places().values()]
    return tuple(str(place / folder_name(run)) for place in places)


def _mounts() -> list[tuple[Path, str, set[str]]]:
    """Mount point, type and options of every control group file system."""
    with contextlib.suppress(OSError):
        parts = [line.split(" ") for line in _MOUNTS.read_text().splitlines()]
        return [
            (Path(p[1]), p[2], set(p[3].split(","))) for p in parts if p[2].startswith("cgroup")
        ]
    return []


def unified_places() -> list[Path]:
    """For root the top; else beside the group this process is in, if that is handed to its user."""
    tops = [place for place, kind, _ in _mounts() if kind == "cgroup2"]
    own = ""
    with contextlib.suppress(OSError):
        found = re.search(r"^0::(/.*)$", _OWN.read_text(), re.MULTILINE)
        own = found[1] if found else ""
    beside = [(top / own.lstrip("/")).parent for top in tops if own not in ("", "/")]
    return list(dict.fromkeys((*tops, *beside)))


def old_places() -> dict[str, Path]:
    """Version 1's mount points by controller."""
    return {
        name: place
        for place, kind, options in _mounts()
        if kind == "cgroup"
        for name in NEEDED
        if name in options
    }
