"""Logs of what ended go when they are too old or too much; of what runs the file that is written to stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lateen.telemetry.logs.files import Container
from lateen.telemetry.logs.tidying import MOST_RUNS, Bounds, shorten_own, tidy

NOW = 1_800_000_000.0
WIDE = Bounds(age=10**6, largest=10**9)


def write(logs: Path, name: str, size: int, ago: float) -> Path:
    """A file whose last line was written some seconds ago."""
    path = logs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - ago, NOW - ago))
    return path


def there(logs: Path) -> list[str]:
    return sorted(str(path.relative_to(logs)) for path in logs.rglob("*.log*"))


def on_disk(logs: Path) -> int:
    return sum(path.stat().st_size for path in logs.rglob("*.log*"))


def runs(container: Container) -> bool:
    return container.pod == "web"


def test_what_is_too_old_goes_and_its_folders_with_it(tmp_path: Path) -> None:
    write(tmp_path, "shop_gone_u1/app/0.log", 10, ago=200)
    write(tmp_path, "shop_gone_u1/istio-proxy/0.log", 10, ago=90)
    write(tmp_path, "shop_web_u2/app/0.log", 10, ago=500)  # runs, and says nothing
    write(tmp_path, "shop_web_u2/app/0.log.1", 10, ago=600)
    assert tidy(tmp_path, Bounds(age=100, largest=10**9), NOW, runs) == 20
    assert there(tmp_path) == ["shop_gone_u1/istio-proxy/0.log", "shop_web_u2/app/0.log"]
    assert tidy(tmp_path, Bounds(age=80, largest=10**9), NOW, runs) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["shop_web_u2"]


def test_of_too_much_the_oldest_goes_first(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path, f"shop_gone-{number}_u{number}/app/0.log", 1000, ago=5000 - 10 * number)
    write(tmp_path, "shop_web_w/app/0.log", 5000, ago=90_000)
    assert tidy(tmp_path, Bounds(age=10**6, largest=20_000), NOW, runs) == 35_000
    assert on_disk(tmp_path) == 20_000
    assert "shop_web_w/app/0.log" in there(tmp_path)
    assert "shop_gone-49_u49/app/0.log" in there(tmp_path)
    assert "shop_gone-34_u34/app/0.log" not in there(tmp_path)


def test_of_restarts_the_last_stay(tmp_path: Path) -> None:
    for run in range(30):
        write(tmp_path, f"shop_web_u/app/{run}.log", 10, ago=10_000 - run)
    tidy(tmp_path, WIDE, NOW, runs)
    assert there(tmp_path) == sorted(f"shop_web_u/app/{n}.log" for n in range(30 - MOST_RUNS, 30))


@pytest.mark.parametrize("bounds", [Bounds(age=1, largest=10**9), Bounds(age=10**6, largest=1)])
def test_what_was_just_written_is_not_touched(tmp_path: Path, bounds: Bounds) -> None:
    write(tmp_path, "shop_new_u/app/0.log", 10, ago=5)  # of a pod that is not known yet
    assert tidy(tmp_path, bounds, NOW, runs) == 0
    assert there(tmp_path) == ["shop_new_u/app/0.log"]


def test_without_a_folder_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert tidy(tmp_path / "pods", WIDE, NOW, runs) == 0


def test_lateens_own_logs_are_turned_under_who_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "observer.log"
    with path.open("ab", buffering=0) as file:
        for turn in (b"a", b"b"):
            file.write(turn * 3000)
            shorten_own(tmp_path, 2000)
            file.write(b"more\n")
            assert path.read_bytes() == b"more\n"
            assert turn in (tmp_path / "observer.log.1").read_bytes()
    assert on_disk(tmp_path) < 4000
