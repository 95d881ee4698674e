"""Build the file tree one container sees, and make it the root of the calling process.

In: View.    Out: the process's own root; the host's is gone from its mount namespace.
Before: node/linux.py        After: node/zygote.py

Runs in a fresh child of the zygote, in mount and PID namespaces of its own: standard library only.
Whatever an app may have planted as a symbolic link is resolved inside the new root, and host files
are attached by descriptor, never by a path inside the new root.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from lateen.node import linux

_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Named one by one: /etc also holds shadow, ssh keys and other things of the host's.
_ETC = (
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "locale.conf",
    "mime.types",
    "os-release",
    "pki/ca-trust/extracted",
    "pki/java",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "ptmx": "pts/ptmx",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
# The lists of the OCI runtime specification's defaults.
_PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_PROC_MASKED = (
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
)
_SCRATCH = (("tmp", 0o1777), ("var/tmp", 0o1777), ("dev/shm", 0o1777), ("run", 0o755))
_READ_ONLY = linux.ATTR_RDONLY | linux.ATTR_NOSUID | linux.ATTR_NODEV
_WRITABLE = linux.ATTR_NOSUID | linux.ATTR_NODEV
# Read-only keeps root from changing the host's node; reading and writing the device still work.
_DEVICE = linux.ATTR_RDONLY | linux.ATTR_NOSUID | linux.ATTR_NOEXEC
_TMPFS = linux.MS_NOSUID | linux.MS_NODEV


class Bind(NamedTuple):
    """A host file or folder. "rw" shares it, "cow" gives a private writable copy, "ro" neither."""

    source: str
    target: str
    access: str = "ro"


class VolumePart(NamedTuple):
    """A volume's folder, or what `sub_path` names inside it; `create` makes a missing sub-path.

    Nothing of `hidden` is shown, wherever the folder's symbolic links lead.
    """

    folder: str
    sub_path: str
    target: str
    read_only: bool
    create: bool = False
    hidden: tuple[str, ...] = ()


class View(NamedTuple):
    """What a container sees. `base` and `stage` are empty folders, used as mount points only."""

    base: str
    stage: str
    etc: dict[str, str]
    binds: tuple[Bind, ...] = ()
    volumes: tuple[VolumePart, ...] = ()


def enter(view: View) -> None:
    """Build the view and pivot into it; raises OSError saying which mount failed."""
    linux.mount("tmpfs", view.base, "tmpfs", _TMPFS, "mode=0755")
    root = os.open(view.base, os.O_PATH | os.O_DIRECTORY)
    for name in _SYSTEM:
        _same(root, view.base, f"/{name}")
    for name, mode in _SCRATCH:
        os.close(_target(root, name, folder=True))
        os.chmod(f"{view.base}/{name}", mode)
    os.mkdir(f"{view.base}/root", 0o700)
    os.symlink("/run", f"{view.base}/var/run")
    _devices(root, view.base)
    _etc(root, view)
    _proc(root, view.base)
    # A mount point inside another mount comes after it, whatever the order given.
    parts: list[Bind | VolumePart] = [*view.binds, *view.volumes]
    for part in sorted(parts, key=lambda p: p.target.rstrip("/").count("/")):
        if isinstance(part, Bind):
            _bind(root, part, view.stage)
        else:
            _volume(root, part)
    os.chdir(view.base)
    linux.pivot_root(".", ".")
    linux.umount(".", linux.MNT_DETACH)
    os.chdir("/")


def _attach(root: int, tree: int, target: str, attributes: int) -> None:
    linux.restrict_tree(tree, attributes)
    folder = stat.S_ISDIR(os.fstat(tree).st_mode)
    place = _target(root, target, folder=folder)
    linux.attach_tree(tree, place)
    os.close(place)
    os.close(tree)


def _target(root: int, path: str, *, folder: bool) -> int:
    """Open `path` inside the new root, making what is missing of it."""
    names = [n for n in os.path.normpath("/" + path).split("/") if n]
    at = os.dup(root)
    for depth, name in enumerate(names, start=1):
        walked = "/".join(names[:depth])
        try:
            below = linux.open_beneath(root, walked, os.O_PATH, linux.RESOLVE_IN_ROOT)
        except FileNotFoundError:
            if folder or depth < len(names):
                os.mkdir(name, 0o755, dir_fd=at)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=at))
            below = linux.open_beneath(root, walked, os.O_PATH, linux.RESOLVE_IN_ROOT)
        os.close(at)
        at = below
    return at


def _same(root: int, base: str, path: str) -> None:
    """Show a host path, if it is there, at the same place; a symbolic link stays one."""
    if os.path.islink(path):
        parent = _target(root, os.path.dirname(path), folder=True)
        os.symlink(os.readlink(path), base + path)
        os.close(parent)
    elif os.path.exists(path):
        _attach(root, linux.clone_tree(path), path, _READ_ONLY)


def _devices(root: int, base: str) -> None:
    for name in _DEVICES:
        _attach(root, linux.clone_tree(f"/dev/{name}"), f"/dev/{name}", _DEVICE)
    for name, to in _DEVICE_LINKS.items():
        os.symlink(to, f"{base}/dev/{name}")
    # Terminals of the container's own; none of the host's is among them.
    os.mkdir(f"{base}/dev/pts", 0o755)
    flags = linux.MS_NOSUID | linux.MS_NOEXEC
    linux.mount("devpts", f"{base}/dev/pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=0620")


def _etc(root: int, view: View) -> None:
    os.mkdir(f"{view.base}/etc", 0o755)
    java = tuple(n for n in sorted(os.listdir("/etc")) if n.startswith("java"))
    for name in _ETC + java:
        _same(root, view.base, f"/etc/{name}")
    for name, text in view.etc.items():
        with open(f"{view.base}/etc/{name}", "w") as file:
            file.write(text)


def _proc(root: int, base: str) -> None:
    proc = f"{base}/proc"
    os.mkdir(proc, 0o555)
    linux.mount("proc", proc, "proc", _TMPFS | linux.MS_NOEXEC)
    for name in _PROC_READ_ONLY:
        if os.path.exists(f"{proc}/{name}"):
            tree = linux.clone_tree(f"{proc}/{name}")
            _attach(root, tree, f"/proc/{name}", _READ_ONLY | linux.ATTR_NOEXEC)
    for name in _PROC_MASKED:
        path = f"{proc}/{name}"
        if os.path.isdir(path):
            linux.mount("tmpfs", path, "tmpfs", _TMPFS | linux.MS_RDONLY, "size=4k")
        elif os.path.exists(path):
            _attach(root, linux.clone_tree("/dev/null"), f"/proc/{name}", _DEVICE)


def _bind(root: int, bind: Bind, stage: str) -> None:
    match bind.access:
        case "ro":
            _attach(root, linux.clone_tree(bind.source), bind.target, _READ_ONLY)
        case "rw":
            tree = linux.clone_tree(bind.source, recursive=False)
            _attach(root, tree, bind.target, _WRITABLE)
        case _:
            _copy_on_write(root, bind, stage)


def _copy_on_write(root: int, bind: Bind, stage: str) -> None:
    """An overlay whose changes live in memory, or a plain copy where the kernel allows none."""
    try:
        tree = _overlay(bind.source, stage)
    except OSError:
        _copy(root, bind)
        return
    _attach(root, tree, bind.target, _WRITABLE)


def _overlay(source: str, stage: str) -> int:
    if not os.path.isdir(source):
        raise NotADirectoryError(source)
    linux.mount("tmpfs", stage, "tmpfs", _TMPFS, "mode=0755")
    before = os.open(".", os.O_PATH)
    try:
        os.chdir(stage)  # relative names: the options cannot hold ',' or ':'
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(name)
        os.chmod("upper", stat.S_IMODE(os.stat(source).st_mode))
        lower = os.open("lower", os.O_PATH)
        linux.attach_tree(linux.clone_tree(source), lower)
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
        linux.mount("overlay", "merged", "overlay", _TMPFS, options)
        return linux.clone_tree("merged", recursive=False)
    finally:
        os.fchdir(before)
        linux.umount(stage, linux.MNT_DETACH)


def _copy(root: int, bind: Bind) -> None:
    import shutil

    folder = os.path.isdir(bind.source)
    place = _target(root, bind.target, folder=folder)
    to = f"/proc/self/fd/{place}"
    if folder:
        shutil.copytree(bind.source, to, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copyfile(bind.source, to)
        os.chmod(to, stat.S_IMODE(os.stat(bind.source).st_mode))
    os.close(place)


def _volume(root: int, part: VolumePart) -> None:
    folder = os.open(part.folder, os.O_PATH)
    if part.sub_path:
        try:
            inside = linux.open_beneath(folder, part.sub_path, os.O_PATH)
        except FileNotFoundError:
            if not part.create:
                raise
            os.close(_target(folder, part.sub_path, folder=True))
            inside = linux.open_beneath(folder, part.sub_path, os.O_PATH)
        os.close(folder)
        folder = inside
    shown = os.readlink(f"/proc/self/fd/{folder}")
    for path in part.hidden:
        if os.path.commonpath((path, shown)) == path:
            raise PermissionError(f"{shown} is not for containers: it belongs to lateen's sandbox")
    tree = linux.clone_tree(folder)
    _attach(root, tree, part.target, _READ_ONLY if part.read_only else _WRITABLE)
    os.close(folder)
    for path in part.hidden:
        if os.path.commonpath((path, shown)) == shown and os.path.isdir(path):
            _cover(root, os.path.join(part.target, os.path.relpath(path, shown)))


def _cover(root: int, path: str) -> None:
    """Hide a folder of the new root behind an empty one."""
    place = linux.open_beneath(root, path.lstrip("/"), os.O_PATH, linux.RESOLVE_IN_ROOT)
    linux.mount("tmpfs", f"/proc/self/fd/{place}", "tmpfs", _TMPFS | linux.MS_RDONLY, "size=4k")
    os.close(place)
