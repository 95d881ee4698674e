"""Lines of containers' logs are found newest first, followed across turns of the file, and say how grave they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lateen.base.clock import SystemClock
from lateen.node.logs import ContainerLog
from lateen.telemetry.logs.following import Follower
from lateen.telemetry.logs.lines import told
from lateen.telemetry.logs.search import Filter, search, stamp

TRACE = "80f198ee56343ba864fe8b2a57d3eff7"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Stepping(SystemClock):
    """A clock that is told what time it is."""

    seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


class Pods:
    """Containers that write, one line a second."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Stepping()
        self._open: dict[tuple[str, str], ContainerLog] = {}

    def write(
        self, pod: str, *lines: str, container: str = "app", stderr: bool = False, most: int = 10**7
    ) -> None:
        folder = self.folder / f"shop_{pod}_uid-{pod}" / container
        if (pod, container) not in self._open:
            self._open[pod, container] = ContainerLog(folder, 0, self.clock, most)
        log = self._open[pod, container]
        for line in lines:
            (log.stderr if stderr else log.stdout)(f"{line}\n".encode())
            self.clock.seconds += 1

    def close(self) -> None:
        for log in self._open.values():
            log.close()


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Pods]:
    made = Pods(tmp_path)
    yield made
    made.close()


def texts(written: Pods, limit: int = 100, **asked: object) -> list[str]:
    return [line.text for line in search(written.folder, Filter(**asked), limit).lines]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "level", "trace"),
    [
        (f'{{"level":"WARNING","trace_id":"{TRACE}"}}', "warn", TRACE),
        ('{"severity":"err","msg":"x"}', "error", ""),
        ('{"level":30,"msg":"pino"}', "info", ""),
        (f'{{"log":{{"level":"debug"}},"trace":{{"id":"{TRACE}"}}}}', "debug", TRACE),
        ('{"response_code":503}', "error", ""),
        (f"time=x level=error msg=no trace_id={TRACE}", "error", TRACE),
        ("2026-01-01 12:00:00,1 INFO  main: started", "info", ""),
        (f"2026-01-01 ERROR [shop,{TRACE},e457b5a2e4d86bd1] 1 --- [x] A : no", "error", TRACE),
        ("E0102 15:04:05.1 1 x.go:1] no", "error", ""),
        ("[warning] careful", "warn", ""),
        (f"traceparent: 00-{TRACE}-e457b5a2e4d86bd1-01", "", TRACE),
        ("an information of ERRORS/s at /var/log/INFO.txt", "", ""),
        (
            f'[2026-01-01T00:00:00Z] "GET /a HTTP/1.1" 404 NR x - "-" 0 - "-" route {TRACE} {{"origin":"x"}}',
            "warn",
            TRACE,
        ),
        ('{"broken', "", ""),
        ("{" * 5000, "", ""),
    ],
)
def test_a_line_tells_how_grave_it_is_and_its_trace(line: str, level: str, trace: str) -> None:
    assert told(line) == (level, trace)


def test_the_newest_of_all_containers_come_first(pods: Pods) -> None:
    pods.write("a", "one")
    pods.write("b", "two", "three", stderr=True)
    pods.write("a", "four", container="istio-proxy")
    assert texts(pods) == ["four", "three", "two", "one"]
    found = search(pods.folder, Filter(), 2)
    assert found.more
    assert [line.text for line in found.lines] == ["four", "three"]
    assert texts(pods, before=found.lines[-1].time) == ["two", "one"]
    assert texts(pods, pods=frozenset({"b"})) == ["three", "two"]
    assert texts(pods, container="app", namespace="shop") == ["three", "two", "one"]
    assert texts(pods, namespace="other") == []


def test_lines_are_chosen_by_level_text_trace_and_time(pods: Pods) -> None:
    pods.write(
        "a",
        "level=info Hello",
        "level=error no",
        f'{{"level":"fatal","trace_id":"{TRACE}"}}',
        f"{TRACE} alone",
    )
    assert texts(pods, level="error") == [
        f'{{"level":"fatal","trace_id":"{TRACE}"}}',
        "level=error no",
    ]
    assert texts(pods, text="hELLO") == ["level=info Hello"]
    assert len(texts(pods, trace=TRACE)) == 1
    second = stamp((START + timedelta(seconds=1)).timestamp())
    assert texts(pods, start=second, end=second) == ["level=error no"]


def test_long_lines_are_whole_and_turned_files_are_read(pods: Pods) -> None:
    long = "x" * 40_000
    pods.write("a", *(f"line {n}" for n in range(50)), long, "last", most=2000)
    assert (pods.folder / "shop_a_uid-a" / "app" / "0.log.1").exists()
    found = texts(pods)
    assert found[0] == "last"
    assert found[1].endswith("x" * 16_000)
    assert len(found) < 52  # five files are kept


def test_new_lines_are_followed_across_turns_and_from_new_pods(pods: Pods) -> None:
    pods.write("a", "old", most=400)
    follower = Follower(pods.folder, Filter(text="line"))
    assert follower.look() == []
    pods.write("a", *(f"line {n}" for n in range(10)), "other")
    pods.write("b", "line of b")
    assert [line.text for line in follower.look()] == [
        *(f"line {n}" for n in range(10)),
        "line of b",
    ]
    assert follower.look() == []
    pods.write("a", "line 10")
    assert [line.text for line in follower.look()] == ["line 10"]


def test_other_files_are_left_alone(pods: Pods, tmp_path: Path) -> None:
    pods.write("a", "one")
    (tmp_path / "shop_a_uid-a" / "app" / "notes.txt").write_text("x")
    (tmp_path / "strange").mkdir()
    outside = tmp_path / "shop_z_uid-z"
    outside.symlink_to(tmp_path / "shop_a_uid-a")
    assert texts(pods) == ["one"]
