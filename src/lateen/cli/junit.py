"""Write problems down as JUnit's XML: a test for each object, failed by what fails the analysis.

In: problems, the objects looked at, the threshold.    Out: text.
Before: check/verdict.py, cli/reports.py               After: cli/analyze.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lateen.api.objects import Obj
from lateen.base.origin import Place
from lateen.base.problem import Level, Problem
from lateen.check.verdict import at_least

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(problems: Sequence[Problem], objects: Sequence[Obj], threshold: Level) -> str:
    """A suite for each file; what stays below the threshold is told in `system-out`."""
    cases = _cases(problems, objects)
    failing = {id(p) for p in at_least(problems, threshold)}
    root = Element("testsuites", name="lateen analyze")
    total = failed = 0
    for file in sorted({file for file, _ in cases}):
        suite = SubElement(root, "testsuite", name=_clean(file))
        inside = {name: found for (where, name), found in cases.items() if where == file}
        bad = 0
        for name, found in inside.items():
            case = SubElement(
                suite, "testcase", classname=_clean(file), name=_clean(name), time="0"
            )
            errors = [p for p in found if id(p) in failing]
            rest = [p for p in found if id(p) not in failing]
            bad += bool(errors)
            if errors:
                first = errors[0]
                words = {"message": _clean(first.message), "type": first.code}
                SubElement(case, "failure", words).text = _lines(errors)
            if rest:
                SubElement(case, "system-out").text = _lines(rest)
        suite.set("tests", str(len(inside)))
        suite.set("failures", str(bad))
        total, failed = total + len(inside), failed + bad
    root.set("tests", str(total))
    root.set("failures", str(failed))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def _cases(
    problems: Sequence[Problem], objects: Sequence[Obj]
) -> Mapping[tuple[str, str], list[Problem]]:
    """By file and name: every object, and what is wrong with no object in particular."""
    cases: dict[tuple[str, str], list[Problem]] = {}
    for obj in objects:
        cases.setdefault((_file(obj.origin().place), str(obj.key)), [])
    for problem in problems:
        name = str(problem.origin.key or "the file")
        cases.setdefault((_file(problem.origin.place), name), []).append(problem)
    return cases


def _file(place: Place | None) -> str:
    return place.file if place else "the running mesh"


def _lines(problems: Sequence[Problem]) -> str:
    return _clean("\n".join(str(problem) for problem in problems))


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
