"""Write problems down as SARIF 2.1.0, which GitHub's code scanning and editors read.

In: problems.                                        Out: text.
Before: check/catalogue.py, cli/reports.py           After: cli/analyze.py
Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from lateen.base.problem import Level, Problem
from lateen.check.catalogue import entry_of, page_of

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}


def as_sarif(problems: Sequence[Problem], version: str) -> str:
    """One run, with a rule for each code found. Paths are relative to where the command ran, where they can be."""
    codes = sorted({problem.code for problem in problems})
    run = {
        "tool": {
            "driver": {
                "name": "lateen",
                "version": version,
                "rules": [_rule(code) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, codes.index(problem.code)) for problem in problems],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> dict[str, Any]:
    entry = entry_of(code)
    return {
        "id": code,
        "name": entry.name,
        "shortDescription": {"text": entry.says},
        "help": {
            "text": f"{entry.says}. How to mend it: {page_of(code)}",
            "markdown": f"{entry.says}. [How to mend it]({page_of(code)})",
        },
        "defaultConfiguration": {"level": _LEVELS[entry.level]},
    }


def _result(problem: Problem, index: int) -> dict[str, Any]:
    key, place = problem.origin.key, problem.origin.place
    fix = f"\nfix: {problem.fix}" if problem.fix else ""
    subject = " ".join(word for word in (str(key or ""), problem.origin.field) if word)
    words = f"{subject}: {problem.message}" if subject else problem.message
    found: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": _LEVELS[problem.level],
        "message": {"text": words + fix},
        "partialFingerprints": {"problem/v1": _fingerprint(problem)},
    }
    location: dict[str, Any] = {}
    if place:
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(place.file)}}
        if place.line:
            region = {"startLine": place.line}
            region |= {"startColumn": place.column} if place.column else {}
            location["physicalLocation"]["region"] = region
    if subject:
        location["logicalLocations"] = [{"fullyQualifiedName": subject, "kind": "member"}]
    return found | {"locations": [location]} if location else found


def _fingerprint(problem: Problem) -> str:
    """The same for the same fault of the same field, wherever in its file it stands."""
    words = (problem.code, str(problem.origin.key or ""), problem.origin.field, problem.message)
    return hashlib.blake2b("\0".join(words).encode(), digest_size=16).hexdigest()


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
