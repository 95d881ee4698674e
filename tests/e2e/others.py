"""Make lateen usable for users other than the one who runs the tests, and as root run it as one.

An ordinary user can read neither root's home nor a private checkout, so everything needed is put
into a folder that all can read: an environment with the pinned packages, lateen and a mesh's files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lateen

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
STRANGER = 61234  # a number no account has: no name, no home, no group of that name
_PYTHONS = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
_FOLDERS = ("/usr/bin", "/usr/local/bin")
_OLDEST = "import sys; sys.exit(sys.version_info < (3, 11))"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForAll:
    """What every user of the machine can read: lateen's command, and a mesh to run."""

    lateen: str
    mesh: Path


def become(uid: int) -> tuple[str, ...]:
    """The start of a command line that runs the rest as this user, with no groups and no rights."""
    ids = ("--reuid", str(uid), "--regid", str(uid), "--clear-groups")
    # Root's rights last until setpriv executes something, finding that included; hence `env`.
    return ("setpriv", *ids, "--no-new-privs", "env")


def python_for_all() -> str | None:
    """A Python 3.11 or newer that an ordinary user can run."""
    own = os.path.realpath(sys.executable)
    for name in (own, *(f"{folder}/{name}" for folder in _FOLDERS for name in _PYTHONS)):
        if os.path.exists(name):
            tried = subprocess.run(
                [*become(STRANGER), name, "-I", "-c", _OLDEST],
                check=False,
                capture_output=True,
                cwd="/",
            )
            if tried.returncode == 0:
                return name
    return None


@contextmanager
def for_all(python: str, mesh: Path) -> Iterator[ForAll]:
    """A folder with an environment of this Python and a copy of the mesh, until the end."""
    folder = Path(tempfile.mkdtemp(prefix="lto", dir="/tmp"))
    folder.chmod(0o755)
    try:
        env = folder / "env"
        _make_environment(python, env)
        shutil.copytree(mesh, folder / "mesh")
        for path in (env / "lib", folder / "mesh"):
            subprocess.run(["chmod", "-R", "a+rX", str(path)], check=True)
        yield ForAll(lateen=str(env / "bin" / "lateen"), mesh=folder / "mesh")
    finally:
        shutil.rmtree(folder)


def _make_environment(python: str, env: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "-q", "--python", python, str(env)], check=True)
    # Compiled now, since the user cannot write there and would compile at every start.
    subprocess.run(
        [
            *(
                uv,
                "pip",
                "install",
                "-q",
                "--compile-bytecode",
                "--python",
                str(env / "bin/python"),
            ),
            *("--require-hashes", "-r", str(REPOSITORY / "requirements/run.txt")),
        ],
        check=True,
    )
    packages = next((env / "lib").glob("python3*")) / "site-packages"
    shutil.copytree(
        Path(lateen.__file__).parent,
        packages / "lateen",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    compiling = [str(env / "bin/python"), "-m", "compileall", "-q", str(packages / "lateen")]
    subprocess.run(compiling, check=True)
    command = env / "bin" / "lateen"
    command.write_text(
        f"#!{env}/bin/python\nimport sys\nfrom lateen.cli.main import main\n\nsys.exit(main())\n"
    )
    command.chmod(0o755)
