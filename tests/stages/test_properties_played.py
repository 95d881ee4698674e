"""`lateen test` plays properties beside requests: proved, refuted with what breaks them, or told to be no proof."""

from __future__ import annotations

from pathlib import Path

from lateen.base.problem import Level
from lateen.stages.rehearsing import Report, rehearse

SHOP = Path(__file__).parents[1] / "cases" / "properties"


def played(folder: Path, text: str) -> Report:
    (folder / "shop.yaml").write_bytes((SHOP / "shop.yaml").read_bytes())
    (folder / "a.mesh-test.yaml").write_text(text)
    return rehearse([str(folder)])


def test_properties_of_the_shop_hold() -> None:
    report = rehearse([str(SHOP / "shop.mesh-test.yaml")])
    assert report.well, report
    assert len(report.results) == 10


def test_what_breaks_a_property_is_its_failure() -> None:
    (result,) = rehearse([str(SHOP / "broken")]).results
    assert result.place.line == 4
    assert result.differences[0].startswith("GET http://ledger.payments/ from batch.shop gets to")
    assert "AuthorizationPolicy payments/ledger spec.rules[1]" in result.differences[2]


def test_what_is_no_proof_is_told_and_does_not_fail(tmp_path: Path) -> None:
    text = r"properties: [{name: a, never: {from: {outside: true}, to: {paths: ['~/\b[.]x']}}}]"
    report = played(tmp_path, text)
    assert report.well
    (problem,) = report.problems
    assert problem.level is Level.WARNING
    assert "word boundary" in problem.message


def test_a_fault_in_a_property_is_told_with_its_line(tmp_path: Path) -> None:
    report = played(tmp_path, "properties:\n- name: a\n  never:\n    to: {methods: GET}\n")
    assert not report.well
    (problem,) = report.problems
    assert problem.origin.place is not None
    assert problem.origin.place.line == 4
    assert problem.message == "a list of texts is wanted"
