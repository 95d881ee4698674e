"""Deny containers the few system calls that would lead around the sandbox's walls.

In: -    Out: `restrict`, which acts on the calling process and all it becomes.
Before: -       After: node/zygote.py

A network namespace does not hold every family of sockets: AF_VSOCK reaches a virtual machine's host.
So only the families the sandbox carries may be opened, and io_uring, which could open sockets past
this filter, is absent, as in the default profile of Docker and containerd; keyrings are shared by uid.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import struct
from typing import NamedTuple

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_X32 = 0x40000000
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)


class _Machine(NamedTuple):
    """Numbers from asm/unistd.h and linux/audit.h."""

    architecture: int
    sockets: tuple[int, ...]  # socket, socketpair
    absent: tuple[int, ...]  # io_uring_setup
    denied: tuple[int, ...]  # add_key, request_key, keyctl


_MACHINES = {
    "x86_64": _Machine(0xC000003E, (41, 53), (425,), (248, 249, 250)),
    "aarch64": _Machine(0xC00000B7, (198, 199), (425,), (217, 218, 219)),
}

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def program(machine: _Machine) -> tuple[Instruction, ...]:
    """The filter: each test that matches jumps to one of the verdicts at the end."""
    tests: list[tuple[int, int, int]] = [(_AT_LEAST, _X32, errno.ENOSYS)]
    tests += [(_EQUAL, number, errno.ENOSYS) for number in machine.absent]
    tests += [(_EQUAL, number, errno.EPERM) for number in machine.denied]
    made: list[Instruction] = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        # Other architectures have other numbers, and 32-bit x86 other calls for sockets.
        (_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, _FAIL | errno.ENOSYS),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]
    for code, operand, error in tests:
        made += [(code, 0, 1, operand), (_RETURN, 0, 0, _FAIL | error)]
    first, second = machine.sockets
    made += [
        (_EQUAL, 2, 0, first),
        (_EQUAL, 1, 0, second),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
    ]
    for family in _FAMILIES:
        made += [(_EQUAL, 0, 1, int(family)), (_RETURN, 0, 0, _ALLOW)]
    return (*made, (_RETURN, 0, 0, _FAIL | errno.EAFNOSUPPORT))


def restrict() -> None:
    """Put the filter in force; raises OSError. no_new_privs must be set before.

    Without effect on machines other than x86_64 and aarch64.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return
    instructions = program(machine)
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    body = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("@HP", len(instructions), ctypes.addressof(body))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, head, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
