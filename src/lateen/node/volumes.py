"""Put a pod's volumes into the scratch tmpfs, and swap changed files in as Kubernetes does.

In: VolumeRun.    Out: folders under SandboxPaths.volumes(uid).
Before: node/protocol.py        After: node/pods.py

A ConfigMap or Secret volume is a folder `..N` that `..data` points to, and one symbolic link
`name -> ..data/name` per top-level name. `..data` is replaced in one rename, so that a reader sees the
old files or the new ones (Source: kubernetes pkg/volume/util/atomic_writer.go).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lateen.node.protocol import VolumeFile, VolumeRun

_DATA = "..data"


def write_volume(folder: Path, volume: VolumeRun) -> None:
    """Make one volume below `folder`, or bring its files up to date; an emptyDir is left as it is."""
    place = folder / volume.name
    if volume.empty_dir:
        if not place.exists():
            place.mkdir(parents=True)
            place.chmod(0o777)
        return
    place.mkdir(parents=True, exist_ok=True)
    old = _current(place)
    if old is not None and _same(place / old, volume.files):
        return
    new = f"..{int(old[2:]) + 1 if old else 1}"
    for file in volume.files:
        _write(place / new, file)
    (place / new).mkdir(exist_ok=True)
    os.symlink(new, place / "..new")
    os.rename(place / "..new", place / _DATA)
    wanted = {file.path.split("/")[0] for file in volume.files}
    for name in wanted - set(os.listdir(place)):
        os.symlink(f"{_DATA}/{name}", place / name)
    for name in os.listdir(place):
        if not name.startswith("..") and name not in wanted:
            (place / name).unlink()
    if old is not None:
        shutil.rmtree(place / old)


def remove_volumes(folder: Path) -> None:
    """Delete all volumes of a pod."""
    shutil.rmtree(folder, ignore_errors=True)


def _current(place: Path) -> str | None:
    try:
        return os.readlink(place / _DATA)
    except FileNotFoundError:
        return None


def _write(folder: Path, file: VolumeFile) -> None:
    path = folder / file.path
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"volume file {file.path!r} leads out of its volume")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(file.mode)


def _same(folder: Path, files: tuple[VolumeFile, ...]) -> bool:
    there = {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o7777)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return there == {file.path: (file.content, file.mode) for file in files}
