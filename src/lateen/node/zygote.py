"""Start container processes from a small, single-threaded process forked before anything heavy.

In: requests on a socket (see node/processes.py).    Out: processes, and word of how each ended.
Before: node/view.py        After: node/processes.py

Forking the agent itself would be unsafe beside its threads and would share its large memory. The
zygote imports little, forks once per container, and is the parent that reaps. Each container gets its
own PID, mount, IPC, UTS and cgroup namespaces, and its pod's network namespace.

Requests: {"op": "start", "id", "beside"} with fds (spec, stdin, stdout, stderr, failure, netns), where
`beside` is 0 or the container whose processes the new one sees; {"op": "join",
"id", "pid"} with fds (spec, stdin, stdout, stderr, failure); {"op": "kill", "pid", "signal"}.
Answers: {"id", "pid", "error"}, {"ended": pid, "status"}. A failure to start is written to `failure`.
With a terminal, stdin is a Unix socket on which the process sends its terminal's other end; without
an input it is ignored.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import termios
from typing import Any, NamedTuple

from lateen.node import linux, seccomp, view

MAX_REQUEST = 4096
MAX_FDS = 6
_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441  # asm-generic/ioctls.h
_OPEN_FILES = 65536
_OWN_NAMESPACES = (
    linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS | linux.CLONE_NEWCGROUP
)
_JOINED = (
    ("ipc", linux.CLONE_NEWIPC),
    ("uts", linux.CLONE_NEWUTS),
    ("cgroup", linux.CLONE_NEWCGROUP),
    ("net", linux.CLONE_NEWNET),
    ("mnt", linux.CLONE_NEWNS),
)


class Spec(NamedTuple):
    """What to execute. `view` is None for a process that joins a running container."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str = "/"
    hostname: str = ""
    keep_capabilities: tuple[int, ...] = ()
    view: view.View | None = None
    stdin: str = ""  # "pipe", "terminal", or "" for none
    groups: tuple[str, ...] = ()  # files of control groups that take the process in


def encode_spec(spec: Spec) -> bytes:
    """As JSON; a NamedTuple is written as an array."""
    return json.dumps(spec).encode()


def decode_spec(raw: bytes) -> Spec:
    """Read what `encode_spec` wrote."""
    argv, env, cwd, hostname, keep, seen, stdin, groups = json.loads(raw)
    made = None
    if seen is not None:
        base, stage, etc, binds, volumes = seen
        made = view.View(
            base=base,
            stage=stage,
            etc=etc,
            binds=tuple(view.Bind(*b) for b in binds),
            volumes=tuple(view.VolumePart(*v)._replace(hidden=tuple(v[-1])) for v in volumes),
        )
    return Spec(tuple(argv), env, cwd, hostname, tuple(keep), made, stdin, tuple(groups))


def serve(link: socket.socket) -> None:
    """Answer requests until the agent closes its end."""
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    zygote = _Zygote(link)
    gc.freeze()
    while True:
        ready, _, _ = select.select([link.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 512)
            zygote.reap()
        if link.fileno() in ready and not zygote.answer():
            return


class _Zygote:
    """The children that run, and the socket to the agent."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._children: set[int] = set()
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._last_capability = linux.last_capability()

    def answer(self) -> bool:
        """Serve one request; False when the agent has gone."""
        raw, fds, _, _ = socket.recv_fds(self._link, MAX_REQUEST, MAX_FDS)
        for fd in fds:
            os.set_inheritable(fd, False)  # Python's recv_fds drops its flags, MSG_CMSG_CLOEXEC too
        if not raw:
            return False
        try:
            self._serve(json.loads(raw), fds)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def reap(self) -> None:
        """Tell the agent of every child that has ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)
            self._say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # the agent is gone, and so are we soon
            self._link.send(json.dumps(message).encode())

    def _serve(self, request: dict[str, Any], fds: list[int]) -> None:
        match request["op"]:
            case "kill":
                if request["pid"] in self._children:
                    os.kill(request["pid"], request["signal"])
            case op:
                try:
                    if op == "start":
                        pid = self._start(request["beside"], fds)
                    else:
                        pid = self._join(request["pid"], fds)
                except OSError as error:
                    self._say({"id": request["id"], "pid": 0, "error": str(error)})
                    return
                self._say({"id": request["id"], "pid": pid, "error": ""})

    def _start(self, beside: int, fds: list[int]) -> int:
        if beside:
            self._enter_processes_of(beside)
        else:
            linux.unshare(linux.CLONE_NEWPID)
        return self._fork(fds, {})

    def _enter_processes_of(self, pid: int) -> None:
        """Have the next child begin in a container's PID namespace."""
        if pid not in self._children:
            raise ProcessLookupError("the container is not running")
        target = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
        try:
            linux.setns(target, linux.CLONE_NEWPID)
        finally:
            os.close(target)

    def _join(self, pid: int, fds: list[int]) -> int:
        if pid not in self._children:
            raise ProcessLookupError("the container is not running")
        held: dict[int, int] = {}
        try:
            for name, kind in _JOINED:
                held[kind] = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
            self._enter_processes_of(pid)
            return self._fork(fds, held)
        finally:
            for fd in held.values():
                os.close(fd)

    def _fork(self, fds: list[int], joined: dict[int, int]) -> int:
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                linux.setns(self._own_pids, linux.CLONE_NEWPID)
        if pid == 0:
            _run(fds, joined, self._last_capability)
        self._children.add(pid)
        return pid


def _run(fds: list[int], joined: dict[int, int], last_capability: int) -> None:
    """Become the container's process; never returns."""
    failure = fds[4]
    try:
        _reset_signals()
        os.setsid()
        os.umask(0o022)
        spec = decode_spec(_contents(fds[0]))
        for group in spec.groups:
            with open(group, "w") as file:
                file.write("0")
        for kind, fd in joined.items():
            linux.setns(fd, kind)
        if spec.view is not None:
            linux.setns(fds[5], linux.CLONE_NEWNET)
            linux.unshare(_OWN_NAMESPACES)
            linux.set_hostname(spec.hostname)
            view.enter(spec.view)
        linux.join_new_keyring()
        _limit()
        os.chdir(spec.cwd)
        linux.drop_capabilities(spec.keep_capabilities, last_capability)
        seccomp.restrict()
        # Only now: whatever an app made of its /dev is opened with no more rights than its own.
        for number, fd in enumerate(_stdio(spec.stdin, fds[1:4])):
            os.dup2(fd, number)
        _execute(spec)
    except BaseException as error:  # whatever it is, the agent reads it on the pipe
        with contextlib.suppress(OSError):
            os.write(failure, str(error).encode()[:4096])
    finally:
        os._exit(128)


def _execute(spec: Spec) -> None:
    """Become the program; what hinders it is said as container runtimes do."""
    program = spec.argv[0]
    try:
        os.execvpe(program, spec.argv, spec.env)  # noqa: S606 - no shell is wanted
    except OSError as error:
        why = (error.strerror or "").lower()
        if isinstance(error, FileNotFoundError):
            why = (
                f"stat {program}: {why}" if "/" in program else "executable file not found in $PATH"
            )
        raise OSError(f'exec: "{program}": {why}') from None


def _stdio(stdin: str, fds: list[int]) -> tuple[int, ...]:
    match stdin:
        case "terminal":
            return _terminal(fds[0])
        case "pipe":
            return tuple(fds)
        case _:
            return os.open("/dev/null", os.O_RDONLY), *fds[1:]


def _terminal(channel: int) -> tuple[int, int, int]:
    """A terminal of the container's own, which becomes the controlling one; its other end is sent."""
    other = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(other, _TIOCSPTLCK, struct.pack("i", 0))
    own = fcntl.ioctl(other, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    with socket.socket(fileno=channel) as link:
        socket.send_fds(link, [b"t"], [other])
    fcntl.ioctl(own, termios.TIOCSCTTY, 0)
    return own, own, own


def _contents(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    with os.fdopen(os.dup(fd), "rb") as file:
        return file.read()


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):  # glibc keeps two of them for itself
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def fork_zygote(not_for_it: int) -> socket.socket:
    """Fork the zygote now, before threads and heavy imports; returns the agent's end of its socket.

    `not_for_it` is a descriptor the zygote closes.

    The agent must already be in the namespaces its containers descend from.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        return ours
    ours.close()
    os.close(not_for_it)
    try:
        serve(theirs)
    finally:
        os._exit(1)
