"""Put a pod's volumes into the scratch tmpfs, and swap changed files in as Kubernetes does.

In: VolumeRun.    Out: folders under SandboxPaths.volumes(uid), or checked host paths.
Before: node/protocol.py        After: node/pods.py, node/specs.py

A ConfigMap or Secret volume is a folder `..N` that `..data` points to, and one symbolic link
`name -> ..data/name` per top-level name. `..data` is replaced in one rename, so that a reader sees the
old files or the new ones (Source: kubernetes pkg/volume/util/atomic_writer.go).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lateen.node.protocol import HostPath, VolumeFile, VolumeRun

_DATA = "..data"
_HOST_PATH_TYPES: dict[str, tuple[str, Callable[[Path], bool]]] = {
    "Directory": ("a directory", Path.is_dir),
    "DirectoryOrCreate": ("a directory", Path.is_dir),
    "File": ("a file", Path.is_file),
    "FileOrCreate": ("a file", Path.is_file),
    "Socket": ("a socket", Path.is_socket),
    "CharDevice": ("a character device", Path.is_char_device),
    "BlockDevice": ("a block device", Path.is_block_device),
}


def write_volume(folder: Path, volume: VolumeRun) -> None:
    """Make one volume below `folder`, or bring its files up to date; an emptyDir is left as it is.

    Raises OSError, or ValueError when a hostPath is not what its type says.
    """
    if volume.host is not None:
        _check_host_path(volume.name, volume.host)
        return
    if volume.kept:
        Path(volume.kept).mkdir(mode=0o700, parents=True, exist_ok=True)
        return
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


def folder_of(folder: Path, volume: VolumeRun) -> str:
    """Where the volume's content is."""
    if volume.host is not None:
        return volume.host.path
    return volume.kept or str(folder / volume.name)


def _check_host_path(name: str, host: HostPath) -> None:
    """Source: kubernetes pkg/volume/hostpath, `checkTypeInternal`."""
    path = Path(host.path)
    if host.type == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    if host.type == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    wanted = _HOST_PATH_TYPES.get(host.type, ("there", Path.exists))
    if not wanted[1](path):
        words = f"hostPath type check failed: {host.path} is not {wanted[0]}"
        raise ValueError(f'MountVolume.SetUp failed for volume "{name}": {words}')


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
