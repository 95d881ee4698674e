"""Make the agent's mount namespace private and give it a /proc and scratch space of its own.

In: SandboxPaths.    Out: `prepare`.
Before: node/linux.py        After: node/agent.py
"""

from __future__ import annotations

from lateen.base import layout
from lateen.node import linux
from lateen.node.addresses import SandboxPaths


def prepare(paths: SandboxPaths) -> None:
    """Private mounts, own /proc, a tmpfs at `paths.scratch`; raises OSError.

    The scratch tmpfs is seen by the agent alone: a container's view never shows it.
    """
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    flags = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("proc", "/proc", "proc", flags | linux.MS_NOEXEC)
    for folder in (paths.scratch, layout.pods_folder(paths.run), layout.xds_folder(paths.run)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    linux.mount("tmpfs", str(paths.scratch), "tmpfs", flags, "mode=0700")
    for folder in (paths.base, paths.stage, paths.scratch / "volumes"):
        folder.mkdir(mode=0o700)
