"""`lateen test`: play the tests of files, and print what became of them.

In: paths.                                Out: text, JSON, JUnit or TAP; exit status 1 if a test fails.
Before: stages/rehearsing.py              After: cli/commands/knowing.py
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from msgspec import Struct

from lateen.base.problem import Level, Problem
from lateen.explain.telling import told
from lateen.stages.rehearsing import Report, Result, rehearse


class Trial(Struct, frozen=True, kw_only=True):
    """What to play and how to tell of it; `least` is the coverage (percent) below which it fails."""

    paths: tuple[str, ...]
    only: str = ""
    form: str = "text"
    coverage: bool = False
    least: float = 0.0
    explain: bool = False
    watch: bool = False
    live: str = ""  # the mesh on which the requests are sent, too


def run_test(asked: Trial) -> int:
    """Play the tests once, or again whenever a file changes, until Ctrl-C."""
    status = _once(asked)
    if not asked.watch:
        return status
    return _again(asked)


def _once(asked: Trial) -> int:
    started = time.perf_counter()
    report = _report(asked)
    seconds = time.perf_counter() - started
    print(_shown(asked, report, seconds))
    for problem in report.problems:
        print(problem, file=sys.stderr)
    short = asked.least and coverage_of(report) < asked.least
    if short:
        words = f"coverage is {coverage_of(report):.1f} %, less than {asked.least:g} %"
        print(f"lateen: {words}", file=sys.stderr)
    return 0 if report.well and not short else 1


def _report(asked: Trial) -> Report:
    if not asked.live:
        return rehearse(asked.paths, only=asked.only)
    from lateen.cli.livetests import rehearse_live

    return rehearse_live(asked.paths, asked.live, only=asked.only)


def _again(asked: Trial) -> int:
    from watchfiles import watch

    report = rehearse(asked.paths, only=asked.only)
    folders = {Path(path) for path in (*asked.paths, *report.watched)}
    for _ in watch(*(path for path in folders if path.exists())):
        print(f"\n{time.strftime('%H:%M:%S')}", flush=True)
        _once(asked)
        sys.stdout.flush()
    return 0


def coverage_of(report: Report) -> float:
    """The percent of rules that some test met; 100 where there are none."""
    met = sum(1 for rule in report.rules if rule.met)
    return 100.0 * met / len(report.rules) if report.rules else 100.0


def _shown(asked: Trial, report: Report, seconds: float) -> str:
    match asked.form:
        case "json":
            return json.dumps(data_of(report), indent=2, ensure_ascii=False)
        case "junit":
            return as_junit(report)
        case "tap":
            return "\n".join(as_tap(report))
    return "\n".join(_lines(asked, report, seconds))


def _lines(asked: Trial, report: Report, seconds: float) -> Iterator[str]:
    for file in dict.fromkeys(result.file for result in report.results):
        own = [result for result in report.results if result.file == file]
        yield f"{file}: {sum(not r.differences for r in own)} of {len(own)}"
        for result in own:
            if result.differences:
                yield f"  FAILED {result.place} {result.name}"
                yield from (f"    {words}" for words in result.differences)
                if asked.explain and result.journey:
                    yield from (f"      {line}" for line in told(result.journey))
    if asked.coverage:
        yield from _uncovered(report)
    failed = len(report.failed)
    well = len(report.results) - failed
    last = f"{well} as expected" + (f", {failed} not" if failed else "")
    yield f"{last} ({seconds:.2f} s)"


def _uncovered(report: Report) -> Iterator[str]:
    met = [rule for rule in report.rules if rule.met]
    yield f"coverage: {len(met)} of {len(report.rules)} rules ({coverage_of(report):.1f} %)"
    yield from (f"  never met: {rule.origin}" for rule in report.rules if not rule.met)


def data_of(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "tests": [
            {
                "name": each.name,
                "file": each.file,
                "line": each.place.line,
                "ok": not each.differences,
                "differences": list(each.differences),
                "seconds": round(each.seconds, 6),
            }
            for each in report.results
        ],
        "coverage": [
            {
                "rule": rule.origin.text,
                "file": rule.origin.place.file if rule.origin.place else "",
                "line": rule.origin.place.line if rule.origin.place else 0,
                "met": rule.met,
            }
            for rule in report.rules
        ],
        "problems": [_problem(each) for each in report.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    place = problem.origin.place
    return {
        "code": problem.code,
        "level": problem.level.value,
        "field": problem.origin.field,
        "file": place.file if place else "",
        "line": place.line if place else 0,
        "message": problem.message,
    }


def as_junit(report: Report) -> str:
    """The report as JUnit's XML: a suite for each file, and one for what could not be read."""
    root = Element("testsuites", name="lateen test")
    for file in dict.fromkeys(result.file for result in report.results):
        own = [result for result in report.results if result.file == file]
        failures = sum(bool(result.differences) for result in own)
        suite = SubElement(
            root, "testsuite", name=file, tests=str(len(own)), failures=str(failures)
        )
        for result in own:
            _junit_case(suite, result)
    broken = [problem for problem in report.problems if problem.level is Level.ERROR]
    if broken:
        _junit_broken(root, broken)
    root.set("tests", str(len(report.results) + len(broken)))
    root.set("failures", str(len(report.failed)))
    root.set("errors", str(len(broken)))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def _junit_broken(root: Element, problems: Sequence[Problem]) -> None:
    count = str(len(problems))
    suite = SubElement(root, "testsuite", name="files", tests=count, failures="0", errors=count)
    for problem in problems:
        file = problem.origin.place.file if problem.origin.place else ""
        name = _clean(f"{problem.code} {problem.origin.field}".rstrip())
        case = SubElement(suite, "testcase", classname=file, name=name, file=file)
        SubElement(case, "error", message=_clean(problem.message)).text = _clean(str(problem))


def _junit_case(suite: Element, result: Result) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=result.file,
        name=_clean(result.name),
        time=f"{result.seconds:.6f}",
        file=result.file,
        line=str(result.place.line),
    )
    if result.differences:
        words = _clean("\n".join(result.differences))
        SubElement(case, "failure", message=_clean(result.differences[0])).text = words


def _clean(text: str) -> str:
    """XML has no control characters."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def as_tap(report: Report) -> Iterator[str]:
    """The report in the Test Anything Protocol, version 14."""
    yield "TAP version 14"
    yield f"1..{len(report.results)}"
    for number, result in enumerate(report.results, 1):
        name = result.name.replace("#", "\\#").replace("\n", " ")
        yield f"{'not ' if result.differences else ''}ok {number} - {name}"
        if result.differences:
            yield "  ---"
            yield f"  at: {json.dumps(str(result.place))}"
            yield "  differences:"
            yield from (f"    - {json.dumps(words)}" for words in result.differences)
            yield "  ..."
    for problem in report.problems:
        if problem.level is Level.ERROR:
            yield f"Bail out! {problem}".replace("\n", " ")
