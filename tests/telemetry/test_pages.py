"""Pages are read again and again; what a line is of is found out once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lateen.telemetry.history.store import History
from lateen.telemetry.pages import Metadata, Page, TooLarge, labelled
from lateen.telemetry.promtext import Labels, Sample

TARGET = (("job", "apps"), ("pod", "web-1"))


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "m.db")
    yield history
    history.close()


def read(page: Page, text: str) -> dict[Labels, float]:
    return {series.labels: value for series, value in page.read(text)}


def test_the_same_series_comes_out_of_the_same_line(history: History) -> None:
    page = Page(history, history.shelf("a"), labelled(TARGET))
    first = page.read('hits{code="200"} 1\nhits{code="500"} 2\n')
    second = page.read('hits{code="500"} 4\n# a remark\nhits{code="200"} 3\n')
    assert dict(first).keys() == dict(second).keys()
    assert sorted(dict(second).values()) == [3.0, 4.0]


def test_the_targets_labels_win_and_the_apps_are_kept_beside_them(history: History) -> None:
    page = Page(history, history.shelf("a"), labelled(TARGET))
    (made,) = read(page, 'hits{pod="mine",x=""} 1\n')
    assert dict(made) == {
        "__name__": "hits",
        "exported_pod": "mine",
        "job": "apps",
        "pod": "web-1",
    }


def test_lines_with_times_of_their_own_and_bad_ones(history: History) -> None:
    page = Page(history, history.shelf("a"), labelled(()))
    text = 'a{x="y z"} 5 1700000000000\nb 2 1700000000000\nthis is nothing\nc{x="} 1\nd NaN\n'
    found = {dict(made)["__name__"]: value for made, value in read(page, text).items()}
    assert (found["a"], found["b"]) == (5.0, 2.0)
    assert found.keys() == {"a", "b", "d"}


def test_lines_that_become_one_series_are_added_up(history: History) -> None:
    def merged(sample: Sample) -> Labels:
        return (("__name__", sample.name),)

    page = Page(history, history.shelf("a"), merged, added=True)
    assert list(read(page, 'hits{v="1"} 1\nhits{v="2"} 2\n').values()) == [3.0]
    assert list(read(page, 'hits{v="1"} 5\nhits{v="2"} 2\n').values()) == [7.0]


def test_bytes_between_two_places_do_not_fall(history: History) -> None:
    def moved(_: Sample) -> Labels:
        return (("__name__", "istio_tcp_sent_bytes_total"),)

    page = Page(history, history.shelf("a"), moved, added=True)
    looks = ('a{v="1"} 5\nb{c="7"} 4\n', 'a{v="1"} 5\nb{c="7"} 0\n', 'a{v="1"} 9\nb{c="7"} 0\n')
    assert [next(iter(read(page, text).values())) for text in looks] == [9.0, 9.0, 9.0]


def test_a_page_that_is_too_large_is_not_taken(history: History) -> None:
    page = Page(history, history.shelf("a"), labelled(()), most=2)
    with pytest.raises(TooLarge, match="3 series"):
        page.read("a 1\nb 2\nc 3\n")


def test_types_and_helps_are_known_afterwards(history: History) -> None:
    meta = Metadata()
    page = Page(history, history.shelf("a"), labelled(()), metadata=meta)
    page.read("# HELP hits How often.\n# TYPE hits counter\nhits 1\n")
    assert meta.known == {"hits": ("counter", "How often.")}
