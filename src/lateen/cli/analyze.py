"""`lateen analyze`: read manifests, say what is wrong with them, and mend what can be mended safely.

In: paths, what was asked for.                   Out: a report; an exit status.
Before: sources/files.py, check/analysis.py      After: cli/commands/checking.py
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from lateen.api.decode import Decoded
from lateen.api.objects import Obj
from lateen.base.problem import Level, Problem
from lateen.check.analysis import analyze
from lateen.check.catalogue import ENTRIES, PAGES
from lateen.check.verdict import (
    BadSuppression,
    Suppression,
    at_least,
    shown_of,
    suppression_of,
)
from lateen.cli.reports import as_text, plural

FOUND, WRONG_USAGE = 1, 2
MOST_ROUNDS = 5


class Wish(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    form: str = "text"
    fails_at: str = "Error"
    shows_from: str = "Info"
    strict: bool = False
    suppress: tuple[str, ...] = ()
    fix: bool = False
    dry_run: bool = False
    namespace: str = "default"
    mesh: str = "default"


class Looked(Struct, frozen=True, kw_only=True):
    """What was looked at, what is wrong with it, and in words what it was."""

    objects: tuple[Obj, ...]
    problems: tuple[Problem, ...]
    summary: str


def run_analyze(paths: Sequence[str], wish: Wish) -> int:
    """Analyze; see `lateen analyze --help` for the exit status. Raises Unreachable without paths and mesh."""
    try:
        suppressions = [suppression_of(text) for text in wish.suppress]
    except BadSuppression as fault:
        print(f"lateen: --suppress: {fault}", file=sys.stderr)
        return WRONG_USAGE
    absent = [path for path in paths if path != "-" and not Path(path).exists()]
    for path in absent:
        print(f"lateen: {path}: No such file or directory", file=sys.stderr)
    if absent:
        return WRONG_USAGE
    gc.disable()  # what is read is kept to the end, which is near: looking for garbage takes a tenth of the time
    try:
        return _analyzed(paths, wish, suppressions)
    finally:
        gc.enable()


def _analyzed(paths: Sequence[str], wish: Wish, suppressions: Sequence[Suppression]) -> int:
    looked = _looked(paths, wish)
    if wish.fix:
        from lateen.cli.mend import mend

        for _ in range(MOST_ROUNDS):  # what is mended may show what was hidden behind it
            if not mend(looked.problems, dry_run=wish.dry_run, quiet=wish.form != "text"):
                break
            looked = _looked(paths, wish)
    kept = shown_of(looked.problems, looked.objects, suppressions, strict=wish.strict)
    shown = at_least(kept, Level(wish.shows_from))
    print(_written(shown, looked, wish))
    return FOUND if at_least(kept, Level(wish.fails_at)) else 0


def run_explain(code: str) -> int:
    """Print the page of a code."""
    if code not in ENTRIES:
        print(f"lateen: no problem has the code {code}", file=sys.stderr)
        return WRONG_USAGE
    print(page_text(code))
    return 0


def page_text(code: str) -> str:
    """The page of a code: from the package, or from the sources it stands in."""
    import lateen

    package = Path(lateen.__file__).parent
    for folder in (package / "problems", package.parents[1] / PAGES):
        if (page := folder / f"{code}.md").is_file():
            return page.read_text(encoding="utf-8").rstrip()
    entry = ENTRIES[code]
    return f"{code} {entry.name}: {entry.says}"


def _looked(paths: Sequence[str], wish: Wish) -> Looked:
    if not paths:
        from lateen.cli.meshobjects import objects_of_mesh

        objects = objects_of_mesh(wish.mesh, "`lateen analyze PATH` looks at files")
        summary = f"{plural(len(objects), 'object')} of the running mesh"
        found = analyze(Decoded(objects=objects))
        return Looked(objects=objects, problems=found, summary=summary)
    from lateen.sources.files import read_paths

    loaded = read_paths(paths, stdin=sys.stdin, namespace=wish.namespace)
    objects = (*loaded.objects, *(part.obj for part in loaded.decoded.partial))
    summary = f"{plural(len(objects), 'object')} of {plural(len(loaded.files), 'file')}"
    return Looked(objects=objects, problems=analyze(loaded.decoded), summary=summary)


def _written(shown: tuple[Problem, ...], looked: Looked, wish: Wish) -> str:
    match wish.form:
        case "json":
            from lateen.cli.reports import as_json

            return as_json(shown)
        case "yaml":
            from lateen.cli.reports import as_yaml

            return as_yaml(shown)
        case "github":
            from lateen.cli.reports import as_github

            return as_github(shown)
        case "sarif":
            from lateen import __version__
            from lateen.cli.sarif import as_sarif

            return as_sarif(shown, __version__)
        case "junit":
            from lateen.cli.junit import as_junit

            return as_junit(shown, looked.objects, Level(wish.fails_at))
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return as_text(shown, looked.summary, colour=colour)
