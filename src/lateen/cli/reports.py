"""Write problems down for people and programs: text, JSON, YAML, annotations of GitHub.

In: problems.                        Out: text.
Before: check/catalogue.py           After: cli/analyze.py, cli/sarif.py, cli/junit.py
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from lateen.base.problem import Level, Problem
from lateen.check.catalogue import page_of

_COLOURS = {Level.ERROR: "31;1", Level.WARNING: "33;1", Level.INFO: "36"}
_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "notice"}
_COUNTED = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "remark"}


def records(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Each problem as plain values."""
    return [problem.record() for problem in problems]


def as_json(problems: Sequence[Problem]) -> str:
    """A list of records."""
    return json.dumps(records(problems), indent=2, ensure_ascii=False)


def as_yaml(problems: Sequence[Problem]) -> str:
    """A list of records."""
    import yaml

    return yaml.safe_dump(
        records(problems), sort_keys=False, allow_unicode=True, width=1000
    ).rstrip()


def as_github(problems: Sequence[Problem]) -> str:
    """Workflow commands, which GitHub shows beside the lines of a change."""
    return "\n".join(_annotation(problem) for problem in problems)


def _annotation(problem: Problem) -> str:
    key, place = problem.origin.key, problem.origin.place
    words = {"title": f"{problem.code} {key}" if key else problem.code}
    if place:
        words |= {"file": place.file}
        words |= {"line": str(place.line)} if place.line else {}
        words |= {"col": str(place.column)} if place.column else {}
    given = ",".join(f"{name}={_property(text)}" for name, text in words.items())
    field = f"{problem.origin.field}: " if problem.origin.field else ""
    fix = f"\nfix: {problem.fix}" if problem.fix else ""
    said = _data(f"{field}{problem.message}{fix}\n{page_of(problem.code)}")
    return f"::{_COMMANDS[problem.level]} {given}::{said}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_text(problems: Sequence[Problem], summary: str, *, colour: bool) -> str:
    """A paragraph for each problem: where and what, then how to mend it and where to read on."""
    lines = []
    for problem in problems:
        lines += _paragraph(problem, colour=colour)
    if problems:
        lines.append("")
    lines.append(f"{counted(problems)} in {summary}" if problems else f"No problems in {summary}")
    return "\n".join(lines)


def counted(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`."""
    counts = Counter(problem.level for problem in problems)
    return ", ".join(
        plural(counts[level], word) for level, word in _COUNTED.items() if counts[level]
    )


def plural(count: int, word: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _paragraph(problem: Problem, *, colour: bool) -> list[str]:
    key, place = problem.origin.key, problem.origin.place
    where = ""
    if place:
        where = f"{place}:{place.column}: " if place.line and place.column else f"{place}: "
    level = problem.level.value.lower()
    shown = f"\033[{_COLOURS[problem.level]}m{level}\033[0m" if colour else level
    subject = "".join(f" {word}" for word in (str(key or ""), problem.origin.field) if word)
    lines = [f"{where}{shown} {problem.code}{subject}: {problem.message}"]
    if problem.fix:
        lines.append(f"    fix: {problem.fix}")
    lines.append(f"    see: {page_of(problem.code)}")
    return lines
