"""The Prometheus text format, read and written."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lateen.telemetry.promtext import Family, parse_families, series, write_families

PAGE = r"""
# HELP http_requests_total The total, with a \\ in it.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="a \"b\" \\ \n c",} 3

# TYPE latency histogram
latency_bucket{le="0.5"} 1
latency_bucket{le="+Inf"} 2
latency_sum 5.5e-1
latency_count 2
nothing NaN
top +Inf
this is not a sample
broken{a="1" 2
"""


def test_a_page_is_read() -> None:
    families = {family.name: family for family in parse_families(PAGE)}
    assert list(families) == ["http_requests_total", "latency", "nothing", "top"]
    first, second = families["http_requests_total"].samples
    assert (first.labels, first.value) == ((("method", "post"), ("code", "200")), 1027)
    assert second.labels == (("method", 'a "b" \\ \n c'),)
    assert families["latency"].type == "histogram"
    assert [s.name for s in families["latency"].samples][-2:] == ["latency_sum", "latency_count"]
    assert math.isnan(families["nothing"].samples[0].value)


def test_a_negative_zero_keeps_its_sign() -> None:
    page = write_families([Family(name="m", type="gauge", samples=(series("m", -0.0),))])
    assert page.endswith("m -0.0\n")


def test_families_of_one_name_are_written_in_one_place() -> None:
    one = Family(name="a", type="counter", samples=(series("a", 1, {"pod": "x"}),), help="A.")
    two = Family(name="a", type="counter", samples=(series("a", 2.5, {"pod": "y"}),))
    other = Family(name="b", type="gauge", samples=(series("b", math.inf),))
    assert write_families([one, other, two]) == (
        '# HELP a A.\n# TYPE a counter\na{pod="x"} 1\na{pod="y"} 2.5\n# TYPE b gauge\nb +Inf\n'
    )


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), st.text()), st.floats())
def test_what_is_written_can_be_read(labels: dict[str, str], value: float) -> None:
    family = Family(name="m", type="gauge", samples=(series("m", value, labels),))
    (again,) = parse_families(write_families([family]))
    assert again.samples[0].labels == family.samples[0].labels
    assert str(again.samples[0].value) == str(value)


@given(st.text())
def test_nothing_makes_the_reader_fail(page: str) -> None:
    parse_families(page)
