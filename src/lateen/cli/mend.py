"""Write the safe fixes of problems into their files, or show what that would change.

In: problems.                    Out: changed files, or a difference; whether any file was changed.
Before: sources/mending.py       After: cli/analyze.py
"""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lateen.base.problem import Problem
from lateen.cli.reports import plural
from lateen.sources.mending import Wanted, mended


def mend(problems: Sequence[Problem], *, dry_run: bool, quiet: bool) -> bool:
    """Make the edits of the problems; with `dry_run` only print them. `quiet` keeps stdout for the report."""
    by_file: dict[str, list[Wanted]] = {}
    for problem in problems:
        if (place := problem.origin.place) and place.line:
            wanted = [Wanted(edit=edit, line=place.line) for edit in problem.edits]
            by_file.setdefault(place.file, []).extend(wanted)
    changed = False
    out = sys.stderr if quiet else sys.stdout
    for file, wanted in sorted(by_file.items()):
        path = Path(file)
        if not wanted or not path.is_file():
            continue
        with path.open(encoding="utf-8", newline="") as opened:
            before = opened.read()
        after, count = mended(before, wanted)
        if after == before:
            continue
        if dry_run:
            old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
            out.writelines(difflib.unified_diff(old, new, file, f"{file} (mended)"))
            continue
        _write(path, after)
        changed = True
        print(f"mended {file}: {plural(count, 'change')}", file=out)
    return changed


def _write(path: Path, text: str) -> None:
    """All of it or nothing; the file's mode stays, and a link stays a link."""
    real = path.resolve()
    with tempfile.NamedTemporaryFile(
        "w", dir=real.parent, prefix=f".{real.name}.", encoding="utf-8", newline="", delete=False
    ) as made:
        made.write(text)
    os.chmod(made.name, real.stat().st_mode & 0o7777)
    os.replace(made.name, real)
