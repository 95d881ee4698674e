"""An image as a process: what to start, where, with what, and what to show it of this machine.

In: a finished build.    Out: Built; the argument list that a Pod's container runs.
Before: build/builder.py       After: the code that turns a Pod into a PodRun
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from lateen.build.dockerfile import BASE_PATH
from lateen.build.plan import without_launcher

# Where files of the image appear that the container's own view of /usr, /etc … cannot hold.
ASIDE = "/.image"
_REFERENCE = re.compile(r"\$\$|\$\(([-._A-Za-z][-._A-Za-z0-9]*)\)")


class Built(Struct, frozen=True, kw_only=True):
    """One built image.

    `mounts` are (host path, path in the container, read-only), outer folders first; a path may be a
    file; not read-only means a private copy-on-write view. `env` always holds PATH. `seconds` is how
    long this build took, `cached` whether nothing had to be done.
    """

    image: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    cwd: str
    env: tuple[tuple[str, str], ...]
    mounts: tuple[tuple[str, str, bool], ...]
    ports: tuple[int, ...]
    user: str
    warnings: tuple[str, ...]
    digest: str
    seconds: float = 0.0
    cached: bool = False

    @property
    def argv(self) -> tuple[str, ...]:
        """What the image runs by itself."""
        return (*self.entrypoint, *self.cmd)


def resolve_argv(
    built: Built, command: Sequence[str], args: Sequence[str], env: Mapping[str, str]
) -> tuple[str, ...]:
    """What a container runs: its `command` and `args` over the image's, `$(NAME)` put in from `env`.

    As Kubernetes has it: `command` replaces ENTRYPOINT and drops CMD, `args` replaces CMD; `$(NAME)`
    of an unknown name stays as it is, `$$(NAME)` is a literal `$(NAME)`. The program is looked up on
    the container's PATH (`env`, else the image's), so that the first word is a path in the container.
    """
    own_command = tuple(expand_references(word, env) for word in command)
    own_args = tuple(expand_references(word, env) for word in args)
    if own_command:
        argv = own_command + own_args
    elif own_args:
        argv = built.entrypoint + own_args
    else:
        argv = built.argv
    argv = without_launcher(argv)
    path = env.get("PATH") or dict(built.env).get("PATH", BASE_PATH)
    return (_located(argv[0], path, built), *argv[1:]) if argv else ()


def expand_references(text: str, env: Mapping[str, str]) -> str:
    """Put `$(NAME)` in; source: core/v1 Container.command."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        return "$" if name is None else env.get(name, found.group(0))

    return _REFERENCE.sub(value, text)


def host_path(built: Built, path: str) -> Path | None:
    """The file of this machine that a path in the container shows, if a mount or /usr tells it."""
    inner = sorted(built.mounts, key=lambda m: len(m[1]), reverse=True)
    for source, target, _ in inner:
        if path == target or path.startswith(target.rstrip("/") + "/"):
            return Path(source + path[len(target.rstrip("/")) :])
    if path.startswith(("/usr/", "/bin/", "/sbin/", "/lib")):
        return Path(path)
    return None


def _located(program: str, path: str, built: Built) -> str:
    if program.startswith("/"):
        if _is_program(built, program):
            return program
        if _is_program(built, ASIDE + program):
            return ASIDE + program
        # /usr/local/bin/python in the image is the environment's python here.
        name = posixpath.basename(program)
        found = _located(name, path, built)
        return found if found.startswith("/") else program
    if "/" in program:
        return program
    for folder in path.split(":"):
        for candidate in (posixpath.join(folder, program), ASIDE + posixpath.join(folder, program)):
            if folder.startswith("/") and _is_program(built, candidate):
                return candidate
    return program


def _is_program(built: Built, path: str) -> bool:
    file = host_path(built, path)
    return file is not None and file.is_file() and os.access(file, os.X_OK)


def tools_of_this_machine(image: str) -> Built:
    """An image of nothing: a container of it sees what every container sees of the machine."""
    return Built(
        image=image,
        entrypoint=(),
        cmd=("sh",),
        cwd="/",
        env=(("PATH", BASE_PATH),),
        mounts=(),
        ports=(),
        user="",
        warnings=(),
        digest="",
    )
