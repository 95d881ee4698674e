"""Ask programs for their version, and remember the answer as long as the program is unchanged.

In: a program.    Out: its version; a Python's prefix.
Before: -         After: build/toolchains.py

Asking takes 20 to 100 ms a program; a build that finds everything in the cache has no time for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from pathlib import Path

from lateen.base.errors import BuildFailed

_SECONDS = 20.0


class Probes:
    """Answers, kept in a file beside the cache. A lost or damaged file costs only time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            self._known = {str(k): str(v) for k, v in json.loads(file.read_text()).items()}

    def version(self, program: Path, flag: str) -> tuple[int, ...]:
        """The first number with a dot in what it prints; () when it does not answer."""
        found = re.search(r"(\d+(?:\.\d+)+)", self._ask(program, flag))
        return tuple(int(part) for part in found.group(1).split(".")) if found else ()

    def python_prefix(self, program: Path) -> Path:
        """The folder that an interpreter with its library lives in; raises BuildFailed."""
        said = self._ask(program, "-I", "-c", "import sys; print(sys.base_prefix)").strip()
        if not said:
            raise BuildFailed(f"the Python {program} does not run")
        return Path(said).resolve()

    def _ask(self, program: Path, *args: str) -> str:
        try:
            state = program.stat()
        except OSError:
            return ""
        key = f"{program} {state.st_mtime_ns} {state.st_size} {' '.join(args)}"
        if key not in self._known:
            try:
                done = subprocess.run(
                    [str(program), *args],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                return ""
            if done.returncode != 0:
                return ""
            self._known[key] = done.stdout or done.stderr
            self._keep()
        return self._known[key]

    def _keep(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        making = self._file.with_suffix(f".{os.getpid()}")
        making.write_text(json.dumps(self._known))
        making.replace(self._file)
