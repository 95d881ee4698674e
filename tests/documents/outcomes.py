"""What lateen makes of each document, and the page that lists it.

In: the files of `examples/guide`, `examples/article` and `examples/book`.    Out: Outcome; the text of `docs/documents.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lateen.api.codes import NOT_AN_OBJECT, NOT_CARRIED_OUT, UNKNOWN_KIND
from lateen.base.origin import ObjectKey
from lateen.base.problem import Level, Problem
from lateen.check.admission import Admission, admit
from lateen.sources.files import read_paths
from tests.documents.assumed import FOLDERS, assumed


class Verdict(StrEnum):
    """What becomes of a document."""

    ACCEPTED = "accepted"
    WARNED = "accepted, with a word"
    REFUSED = "refused"
    LEFT_OUT = "left out"
    PART = "a part"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one object, or of a file that holds none."""

    file: str
    key: ObjectKey | None
    verdict: Verdict
    problems: tuple[Problem, ...]

    @property
    def name(self) -> str:
        """`05.2-canary VirtualService default/reviews`."""
        return f"{self.file} {self.key}" if self.key else self.file


def outcomes(source: str) -> Iterator[Outcome]:
    """Of every document of the guide, the article or the book, in order."""
    for path in sorted(FOLDERS[source].glob("*.yaml")):
        yield from outcomes_of(path, source)


def outcomes_of(path: Path, source: str) -> Iterator[Outcome]:
    """Of the documents of one file, with all that they take for granted."""
    read = read_paths([str(path)])
    admission = admit(read.decoded, assumed(source))
    keys = [obj.key for obj in read.objects] + [p.obj.key for p in read.decoded.partial]
    keys += [p.origin.key for p in admission.problems if p.origin.key]
    by_place = {p.origin.key: p.origin.place for p in admission.problems if p.origin.place}
    for key in dict.fromkeys(keys):
        problems = tuple(p for p in admission.problems if p.origin.key == key)
        assert key in by_place or not problems
        verdict = _verdict(key, problems, admission)
        yield Outcome(file=path.stem, key=key, verdict=verdict, problems=problems)
    if not keys:
        nameless = admission.problems
        part = any(p.code == NOT_AN_OBJECT for p in nameless)
        verdict = Verdict.PART if part else Verdict.LEFT_OUT
        assert part or {p.code for p in nameless} == {NOT_CARRIED_OUT}
        yield Outcome(file=path.stem, key=None, verdict=verdict, problems=nameless)


def _verdict(key: ObjectKey, problems: Sequence[Problem], admission: Admission) -> Verdict:
    if key in {obj.key for obj in admission.objects}:
        return Verdict.WARNED if problems else Verdict.ACCEPTED
    if all(p.code == UNKNOWN_KIND and p.level is Level.WARNING for p in problems):
        return Verdict.LEFT_OUT
    return Verdict.REFUSED


_HEAD = """\
# The YAML of the source documents

The project began from a guide to polyglot services on K3s and Istio, an article and a book on cloud native microservices. Each
YAML document of theirs stands in `examples/guide` (in English, Japanese and Chinese, the same objects), `examples/article`
and `examples/book` (their indentation, lost in print, restored), and this is what lateen makes of it, together with the
services, Secrets and accounts it takes for granted. `pytest --golden-update tests/documents` writes this page; a test fails when it differs.

*Accepted*: runs as written. *Refused*: truly wrong; beside it is what to write today. *A part*: cut out of an object, so that
no API takes it alone; beside it is where it belongs. *Left out*: another tool's.
"""
_MENDED = {"05-egress-gateway": "../examples/polyglot/istio/egress-gateway.yaml"}
_TITLES = {
    "guide": "The guide",
    "article": "The article",
    "book": "The book, by chapter and section",
}
_LINKS = {
    "guide": "../examples/guide/en",
    "article": "../examples/article",
    "book": "../examples/book",
}


def page() -> str:
    """`docs/documents.md`."""
    lines = [_HEAD]
    for source, title in _TITLES.items():
        lines += [f"## {title}", "", "| document | object | outcome | what lateen says |"]
        lines += ["|---|---|---|---|", *(_row(o, _LINKS[source]) for o in outcomes(source)), ""]
    return "\n".join(lines)


def _row(outcome: Outcome, folder: str) -> str:
    link = f"[{outcome.file}]({folder}/{outcome.file}.yaml)"
    said = "<br>".join(_said(p) for p in outcome.problems)
    if outcome.verdict is Verdict.PART:
        said = next((p.fix for p in outcome.problems if p.fix), "of no tool in particular")
    if outcome.verdict is Verdict.REFUSED and (modern := _modern(outcome.file, folder)):
        said += f"<br>[as it works]({modern})"
    return f"| {link} | {outcome.key or ''} | {outcome.verdict.value} | {said} |"


def modern_forms(source: str) -> tuple[Path, ...]:
    """Documents that are refused, as they are written today."""
    return tuple(sorted((FOLDERS[source] / "modern").glob("*.yaml")))


def _modern(file: str, folder: str) -> str:
    """Where the document stands as it is written today; "" where nowhere."""
    forms = [form for source in FOLDERS for form in modern_forms(source)]
    if file in {form.stem for form in forms}:
        return f"{folder}/modern/{file}.yaml"
    return _MENDED.get(file, "")


def _said(problem: Problem) -> str:
    where = f" `{problem.origin.field}`" if problem.origin.field and problem.origin.key else ""
    fix = f" ({problem.fix})" if problem.fix else ""
    return f"{problem.code}{where}: {problem.message}{fix}".replace("|", "\\|").replace("<", "&lt;")
