"""What is scraped is found again: after a restart, across blocks, until it is too old or too much."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lateen.telemetry.history.series import NAME, Match, Matcher, is_stale
from lateen.telemetry.history.store import ROWS, SPREAD, History
from lateen.telemetry.promtext import Labels

EVERY = 5000
ALL = 2**53


def labels(name: str, **more: str) -> Labels:
    return tuple(sorted({NAME: name, **more}.items()))


def named(name: str) -> list[Matcher]:
    return [Matcher(NAME, Match.EQUAL, name)]


def scrape(history: History, target: str, at: int, **values: float) -> None:
    """One scrape of a target with series of these names."""
    shelf = history.shelf(target)
    found = []
    for name, value in values.items():
        series = history.series(shelf, labels(name, target=target))
        if series is not None:
            found.append((series, value))
    history.append([(shelf, at, found)])


def points(history: History, name: str, start: int = 0, end: int = ALL) -> list[tuple[int, float]]:
    """What one series has, without what is stale."""
    (found,) = history.select(named(name), start, end)
    there = found.present()
    return list(zip(there.times, there.values, strict=True))


def on_disk(path: Path) -> int:
    """Bytes of the database and all that is beside it."""
    return sum(each.stat().st_size for each in path.parent.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.db"


def test_a_scrape_is_found_again_after_the_process_was_killed(path: Path) -> None:
    first = History(path)
    for i in range(3):
        scrape(first, "a", i * EVERY + 1, hits=i)
    again = History(path)  # the first one never closed
    assert points(again, "hits") == [(1, 0.0), (5001, 1.0), (10001, 2.0)]
    scrape(again, "a", 4 * EVERY, hits=9, new=1)
    assert points(again, "hits")[-1] == (20000, 9.0)
    assert points(again, "new") == [(20000, 1.0)]
    for history in (first, again):
        history.close()


def test_blocks_and_what_is_not_in_one_yet_are_one_series(path: Path) -> None:
    count = 2 * (ROWS + SPREAD) + 10
    history = History(path)
    for i in range(count):
        scrape(history, "a", (i + 1) * EVERY, hits=i, half=i / 2)
    history.close()
    history = History(path)
    whole = [((i + 1) * EVERY, float(i)) for i in range(count)]
    assert points(history, "hits") == whole
    assert points(history, "half") == [(at, value / 2) for at, value in whole]
    part = points(history, "hits", 100 * EVERY, 200 * EVERY)
    assert part == whole[99:200]
    history.close()


def test_a_series_that_is_missing_from_a_scrape_is_stale_there(path: Path) -> None:
    history = History(path)
    scrape(history, "a", EVERY, hits=1, misses=1)
    scrape(history, "a", 2 * EVERY, hits=2)
    scrape(history, "a", 3 * EVERY, hits=3, misses=2)
    (found,) = history.select(named("misses"), 0, ALL)
    assert [is_stale(value) for value in found.values] == [False, True, False]
    history.close()


def test_a_target_that_is_gone_ends_its_series_and_takes_no_memory(path: Path) -> None:
    history = History(path)
    scrape(history, "a", EVERY, hits=1)
    assert list(history.open_shelves) == ["a"]
    history.end("a", 2 * EVERY)
    assert not history.open_shelves
    (found,) = history.select(named("hits"), 0, ALL)
    assert found.times[-1] == 2 * EVERY
    assert is_stale(found.values[-1])
    history.close()


def test_what_is_too_old_goes_and_with_it_series_of_pods_long_gone(path: Path) -> None:
    history = History(path, age=600)
    scrape(history, "gone", EVERY, hits=1)
    history.end("gone", 2 * EVERY)
    scrape(history, "here", 590_000, hits=1)
    history.tidy(650_000)
    assert [dict(one)["target"] for one in history.labelled(named("hits"), 0, ALL)] == ["here"]
    assert history.count == 1
    history.close()
    again = History(path)
    assert again.count == 1
    again.close()


def test_a_series_that_was_let_go_of_may_come_back(path: Path) -> None:
    history = History(path, age=600)
    shelf = history.shelf("a")
    series = history.series(shelf, labels("hits"))
    assert series is not None
    history.append([(shelf, EVERY, [(series, 1.0)])])
    history.end("a", 2 * EVERY)
    history.tidy(5_000_000)
    assert history.count == 0
    history.append([(shelf, 5_000_000, [(series, 2.0)])])
    assert points(history, "hits") == [(5_000_000, 2.0)]
    history.close()
    again = History(path)
    assert points(again, "hits") == [(5_000_000, 2.0)]
    again.close()


def test_there_is_never_more_on_disk_than_allowed(path: Path) -> None:
    history = History(path, largest=400_000)
    chance = 1.0
    for i in range(12 * ROWS):
        chance = (chance * 1103515245 + 12345) % 2**31
        scrape(history, "a", (i + 1) * EVERY, **{f"n{k}": chance / (k + 3) for k in range(40)})
        if i % 100 == 0:
            history.tidy((i + 1) * EVERY)
    history.tidy(12 * ROWS * EVERY)
    assert history.size < 400_000
    assert points(history, "n0")[-1][0] == 12 * ROWS * EVERY
    history.close()


def test_a_clock_that_is_set_back_changes_nothing_of_what_was(path: Path) -> None:
    history = History(path)
    scrape(history, "a", 10 * EVERY, hits=1)
    scrape(history, "a", 5 * EVERY, hits=7)
    assert points(history, "hits") == [(10 * EVERY, 1.0)]
    history.close()


def test_there_are_no_more_series_than_allowed(path: Path) -> None:
    history = History(path, most_series=2)
    scrape(history, "a", EVERY, one=1, two=2, three=3)
    assert (history.count, history.full) == (2, True)
    history.close()


def test_one_targets_flood_leaves_room_for_the_others(path: Path) -> None:
    history = History(path, most_series=200, most_of_one=50)
    scrape(history, "flood", EVERY, **{f"n{i}": 1 for i in range(500)})
    assert (history.count, history.full) == (50, True)
    scrape(history, "calm", EVERY, up=1)
    assert points(history, "up") == [(EVERY, 1.0)]
    history.close()


def test_labels_that_are_new_each_time_take_neither_memory_nor_disk_without_end(path: Path) -> None:
    history = History(path, most_series=3000, most_of_one=400)
    most = 0
    for i in range(1, 4 * (ROWS + SPREAD)):
        scrape(history, "churn", i * EVERY, kept=i, **{f"n{i}_{j}": 1 for j in range(5)})
        assert history.count <= 400
        if i % 20 == 0:
            history.tidy(i * EVERY)
            most = max(most, on_disk(path))
    assert points(history, "kept")[-1][1] == i  # what was there before the flood goes on
    assert most < 2_000_000
    history.end("churn", i * EVERY + 1)
    history.tidy(i * EVERY)
    scrape(history, "churn", (i + 1) * EVERY, fresh=1)  # there is room again for what is new
    assert points(history, "fresh")
    history.close()
    again = History(path)
    assert again.count <= 400
    again.close()


def test_the_files_stay_below_the_bound_and_are_made_shorter(path: Path) -> None:
    bound, journal = 1_500_000, 5_000_000
    history = History(path, largest=bound)
    noise = random.Random(1)  # noqa: S311 - figures
    most = highest = 0
    for i in range(1, 8 * (ROWS + SPREAD)):
        scrape(history, "a", i * EVERY, **{f"n{j}": noise.random() for j in range(300)})
        highest = max(highest, on_disk(path))
        if i % 12 == 0:  # each minute, as it runs
            history.tidy(i * EVERY)
            most = max(most, on_disk(path))
    assert bound / 2 < most <= bound
    assert highest <= bound + journal
    full = on_disk(path)
    history.end("a", i * EVERY + 1)
    history.tidy(i * EVERY + 10**9)
    assert (history.count, on_disk(path) < full / 10) == (0, True)
    history.close()


def test_a_file_that_cannot_be_read_is_put_aside(path: Path) -> None:
    path.write_bytes(b"this is no database, but long enough to be looked at as if it were one" * 20)
    history = History(path)
    scrape(history, "a", EVERY, hits=1)
    assert points(history, "hits") == [(EVERY, 1.0)]
    assert path.with_suffix(".broken").exists()
    history.close()


def test_matchers_choose(path: Path) -> None:
    history = History(path)
    scrape(history, "a", EVERY, hits=1, misses=2)
    scrape(history, "b", EVERY, hits=3)

    def found(*matchers: Matcher) -> set[tuple[str, str]]:
        return {
            (dict(one)[NAME], dict(one)["target"]) for one in history.labelled(matchers, 0, ALL)
        }

    assert found(Matcher("target", Match.NOT_EQUAL, "a")) == {("hits", "b")}
    assert found(Matcher(NAME, Match.REGEX, "mis.*")) == {("misses", "a")}
    assert found(Matcher(NAME, Match.REGEX, "mis")) == set()
    assert found(*named("hits"), Matcher("target", Match.NOT_REGEX, "b|c")) == {("hits", "a")}
    assert found(*named("hits"), *named("misses")) == set()
    assert history.labelled(named("hits"), 6000, ALL) == []
    history.close()
