"""The Linux calls the sandbox needs and Python has not: mounts, namespaces, capabilities.

In: plain numbers and paths.    Out: thin functions that raise OSError.
Before: -       After: node/view.py, node/zygote.py, node/sandbox.py

Imported by the zygote, whose memory every container's first moments share: standard library only.
Needs Linux 5.12 (mount_setattr).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
MNT_DETACH = 2

ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8

CAP_NET_ADMIN = 12

SO_MARK = 36
SO_ORIGINAL_DST = 80

_OPEN_TREE, _MOVE_MOUNT, _OPENAT2, _MOUNT_SETATTR = 428, 429, 437, 442
_KEYCTL = {"x86_64": 250, "aarch64": 219}.get(platform.machine())
_OPEN_TREE_CLONE = 1
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_MOVE_EMPTY_PATHS = 0x4 | 0x40
_RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x02, 0x08, 0x10
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_KEYCTL_JOIN_SESSION_KEYRING = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *args: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    return _checked(_libc.syscall(ctypes.c_long(number), *wide), what)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2); `kind` is "" when the flags alone say what to do."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        os.fsencode(options) or None,
    )
    _checked(result, f"mount {kind or source} on {target}")


def umount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _checked(_libc.umount2(os.fsencode(target), flags), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)."""
    _checked(_libc.pivot_root(os.fsencode(new), os.fsencode(old)), f"pivot_root {new}")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """setns(2)."""
    _checked(_libc.setns(fd, kind), "setns")


def set_hostname(name: str) -> None:
    """sethostname(2), at most 64 bytes."""
    raw = name.encode()[:64]
    _checked(_libc.sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname")


def open_beneath(root: int, path: str, flags: int, resolve: int = RESOLVE_BENEATH) -> int:
    """openat2(2): open `path` so that no symbolic link leads out of the folder `root`."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, resolve | _RESOLVE_NO_MAGICLINKS)
    raw = os.fsencode(path) + b"\0"
    buffer = ctypes.create_string_buffer(how, len(how))
    for _ in range(100):
        try:
            return _syscall(f"open {path}", _OPENAT2, root, raw, buffer, len(how))
        except BlockingIOError:  # something was renamed meanwhile; openat2(2) says to try again
            continue
    raise OSError(errno.EAGAIN, f"open {path}: the tree keeps changing")


def clone_tree(path: str | int, *, recursive: bool = True) -> int:
    """A detached copy of the mount at a path, or at an open file (open_tree(2)); returns its fd."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    if isinstance(path, int):
        return _syscall("open_tree", _OPEN_TREE, path, b"\0", flags | _AT_EMPTY_PATH)
    return _syscall(f"open_tree {path}", _OPEN_TREE, -100, os.fsencode(path) + b"\0", flags)


def restrict_tree(tree: int, attributes: int) -> None:
    """Add attributes such as ATTR_RDONLY to every mount of a tree (mount_setattr(2))."""
    packed = struct.pack("=QQQQ", attributes, 0, 0, 0)
    how = ctypes.create_string_buffer(packed, len(packed))
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    _syscall("mount_setattr", _MOUNT_SETATTR, tree, b"\0", flags, how, len(packed))


def attach_tree(tree: int, target: int) -> None:
    """Mount a detached tree on the file or folder open as `target` (move_mount(2))."""
    _syscall("move_mount", _MOVE_MOUNT, tree, b"\0", target, b"\0", _MOVE_EMPTY_PATHS)


def join_new_keyring() -> None:
    """Leave the session keyring shared with the rest of the machine."""
    if _KEYCTL is not None:
        _syscall("keyctl", _KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, 0)


def last_capability() -> int:
    """The highest capability number this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap") as file:
        return int(file.read())


def drop_capabilities(keep: tuple[int, ...], last: int) -> None:
    """Give up all capabilities but `keep`, for this process and whatever it executes."""
    for number in range(last + 1):
        if number not in keep:
            _checked(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "drop bounding capability")
    _checked(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient")
    mask = sum(1 << number for number in keep)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _checked(_libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)), "capset")
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
