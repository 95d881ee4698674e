"""No false alarm on configurations of the shapes that Istio's own samples have.

`samples/` of Istio's repository was analyzed folder by folder; these files have the shapes found there, in words of our own. What was said of
the samples and is true (a mount of a volume that is not there, hosts of other folders, two forms of one object, remarks on resources) is not
among them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.check.analysis import analyze
from lateen.sources.files import read_paths

SHAPES = Path(__file__).parent / "shapes"
# The samples request no resources, have no probes, and set what lateen has not: said of them as remarks, and truly.
REMARKS = {"LAT0002", "LAT0401", "LAT0402", "LAT0403", "LAT0404"}


@pytest.mark.parametrize("name", sorted(path.name for path in SHAPES.glob("*.yaml")))
def test_nothing_but_remarks_on_what_is_left_out(name: str) -> None:
    problems = analyze(read_paths([str(SHAPES / name)]).decoded)
    assert [str(p) for p in problems if p.code not in REMARKS] == []
