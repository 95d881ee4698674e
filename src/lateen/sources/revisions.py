"""Files as they stood at a revision of a git repository.

In: a revision, paths in the working tree.     Out: the same paths below a folder of their own.
Before: -                                      After: cli/differing.py
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from lateen.base.errors import LateenError

_LONGEST = 60.0  # seconds


def check_out(revision: str, paths: Sequence[str], into: Path) -> tuple[str, ...]:
    """Write the files below the paths, as of the revision, into a folder; returns their paths there.

    The paths are of the working tree and may be absolute. Nothing of the repository changes. Raises LateenError
    for a revision or path that is not there.
    """
    top = Path(_git(Path.cwd(), "rev-parse", "--show-toplevel").decode().strip())
    inside = [_within(path, top) for path in paths]
    try:
        _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except LateenError:
        raise LateenError(f"git knows no revision {revision}, and there is no such file") from None
    packed = _git(top, "archive", "--format=tar", revision, "--", *inside)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")
    return tuple(str(into / path) for path in inside)


def _within(path: str, top: Path) -> str:
    try:
        inside = Path(path).resolve().relative_to(top.resolve())
    except ValueError:
        raise LateenError(f"{path} is not in the git repository {top}") from None
    return str(inside)


def _git(folder: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            timeout=_LONGEST,
            check=False,
        )
    except FileNotFoundError:
        raise LateenError("git is not installed") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or "git failed"
        raise LateenError(said.removeprefix("fatal: "))
    return done.stdout
