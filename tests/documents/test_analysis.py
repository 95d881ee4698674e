"""What `lateen analyze` says of the documents is what was reviewed: each fault they have, and nothing else.

The lists in `analysis/` were read line by line against the documents; `pytest --golden-update` writes them anew, and then they want
to be read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lateen.base.problem import Level, Problem
from lateen.check.analysis import analyze
from lateen.sources.files import read_paths
from tests.conftest import Golden
from tests.documents.analyzed import analyzed
from tests.documents.assumed import EXAMPLES, FOLDERS

LISTS = Path(__file__).parent / "analysis"
PARTS = {  # the source, and from which file on to which
    "guide": ("guide", "", "~"),
    "article": ("article", "", "~"),
    "book-to-5": ("book", "", "06"),
    "book-from-6": ("book", "06", "~"),
}
_REMARKS = ("LAT0401", "LAT0402", "LAT0403", "LAT0404")


def lines(name: str, problems: Iterable[Problem]) -> Iterator[str]:
    """One for each problem; what is left out of containers is put together by object."""
    remarks: dict[str, list[str]] = {}
    for problem in problems:
        who = str(problem.origin.key or "-")
        if problem.code in _REMARKS:
            remarks.setdefault(who, []).append(problem.code)
        else:
            yield f"{name}: {problem.level.value} {problem.code} {who} {problem.origin.field}".rstrip()
    for who, codes in remarks.items():
        yield f"{name}: Info {' '.join(codes)} {who}"


@pytest.mark.parametrize("part", sorted(PARTS))
def test_with_what_a_document_takes_for_granted(part: str, golden: Golden) -> None:
    source, first, end = PARTS[part]
    inside = [(name, found) for name, found in analyzed(source) if first <= name < end]
    found = [line for name, problems in inside for line in lines(name, problems)]
    golden.check(LISTS / f"{part}.txt", "\n".join(found) + "\n")


@pytest.mark.parametrize("language", ["en", "ja", "zh-TW"])
def test_the_guide_as_it_stands(language: str, golden: Golden) -> None:
    golden.check(LISTS / "guide-alone.txt", alone(EXAMPLES / "guide" / language))


def test_the_article_as_it_stands(golden: Golden) -> None:
    golden.check(LISTS / "article-alone.txt", alone(EXAMPLES / "article"))


def test_the_book_as_it_stands(golden: Golden) -> None:
    found = [line for file in sorted(FOLDERS["book"].glob("*.yaml")) for line in wrong_in(file)]
    golden.check(LISTS / "book-alone.txt", "\n".join(found) + "\n")


def alone(folder: Path) -> str:
    """All its documents in one run, without anything besides."""
    files = sorted(folder.glob("*.yaml"))
    problems = analyze(read_paths([str(file) for file in files]).decoded)
    found = [
        line
        for file in files
        for line in lines(file.stem, (p for p in problems if _file(p) == file.name))
    ]
    return "\n".join(found) + "\n"


def wrong_in(file: Path) -> Iterator[str]:
    """Of one document alone; the remarks are those of the list with what is taken for granted."""
    problems = analyze(read_paths([str(file)]).decoded)
    wrong = [p for p in problems if p.level is not Level.INFO and p.origin.key]
    return lines(file.stem, wrong)


def _file(problem: Problem) -> str:
    return Path(problem.origin.place.file).name if problem.origin.place else ""


@pytest.mark.parametrize(
    "fault",
    [
        "05.3-circuit-breaker: Error IST0106 DestinationRule default/ratings-cb"
        " spec.trafficPolicy.outlierDetection.consecutiveErrors",
        "11.5-retry: Error IST0106 DestinationRule default/example-destinationrule spec.trafficPolicy.retry",
        "12.4-quotaspec: Error LAT0001 QuotaSpec finance/request-count kind",
        "09.2-injection: Error IST0106 Deployment default/example-service spec.selector",
        "04-routing: Error IST0101 VirtualService default/api-routing"
        " spec.http[2].route[0].destination.host",
        "05-egress-gateway: Error IST0101 VirtualService default/postgres-egress"
        " spec.tcp[0].route[0].destination.port.number",
        "14-security: Warning LAT0011 AuthorizationPolicy default/fastapi-policy"
        " spec.rules[0].from[0].source.principals[0]",
    ],
)
def test_the_faults_everybody_should_know_of_are_in_the_lists(fault: str) -> None:
    known = {line for file in LISTS.glob("*.txt") for line in file.read_text().splitlines()}
    assert fault in known
