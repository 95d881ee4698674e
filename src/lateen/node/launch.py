"""How the supervisor starts the node agent, and whether it can here.

In: paths, the link's descriptor.    Out: `command`, `supported`.
Before: -       After: app/
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

_NEEDED_LINUX = (5, 12)  # mount_setattr
_PROBE_SECONDS = 10
_NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child")
_ROOTLESS = ("--user", "--map-root-user")


def command(*, run: Path, state: Path, python: str, link_fd: int, rootless: bool) -> list[str]:
    """The argument list that runs the agent in fresh namespaces.

    `link_fd` must be inherited by the started process (`pass_fds`). The agent dies with the process
    that started it, and everything in the sandbox dies with the agent. `-P` keeps the working
    directory off Python's path: a `secrets.py` of the project there is none of our modules.
    """
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", *_NAMESPACES, *(_ROOTLESS if rootless else ())),
        *(python, "-P", "-m", "lateen.node.main"),
        *("--run", str(run), "--state", str(state), "--link", str(link_fd)),
    ]


def supported() -> str | None:
    """None when a sandbox can be made here, else one line that says why not."""
    if sys.platform != "linux":
        return f"pods need Linux; this is {platform.system()}"
    version = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    if version < _NEEDED_LINUX:
        return f"pods need Linux 5.12 or newer; this is {platform.release()}"
    for program in ("setpriv", "unshare"):
        if shutil.which(program) is None:
            return f"pods need the program {program} (package util-linux)"
    user = () if os.geteuid() == 0 else _ROOTLESS
    try:
        tried = subprocess.run(
            ["unshare", *_NAMESPACES, *user, "--mount-proc", "true"],
            capture_output=True,
            check=False,
            text=True,
            timeout=_PROBE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no namespaces can be made here: {error}"
    if tried.returncode == 0:
        return None
    why = " ".join(tried.stderr.split()) or f"unshare ended with {tried.returncode}"
    if os.geteuid() == 0:
        return f"no namespaces can be made here, though this is root: {why}"
    return (
        f"no unprivileged user namespaces here: {why};"
        " allow them (sysctl kernel.unprivileged_userns_clone=1,"
        " kernel.apparmor_restrict_unprivileged_userns=0) or run as root"
    )
