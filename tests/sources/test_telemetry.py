"""lateen.yaml says what is kept of what is observed and where it goes; a fault names its line, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.base.errors import EnvironmentFault
from lateen.base.observing import HOUR, MIB, Collector, Kept, Observing
from lateen.sources.project import read_project
from lateen.sources.telemetry import with_environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    return tmp_path


def read(folder: Path, text: str) -> tuple[Observing, list[str]]:
    (folder / "lateen.yaml").write_text(text)
    project, problems = read_project([str(folder)])
    return project.observing, [str(problem) for problem in problems]


def test_without_a_word_the_usual_is_kept_and_nothing_handed_on(folder: Path) -> None:
    assert read(folder, "ports: {80: 8081}\n") == (Observing(), [])


def test_all_of_it(folder: Path) -> None:
    text = """
telemetry:
  otlp:
    endpoint: https://otel.example.com:4318/tenant
    headers: {x-api-key: secret}
  keep:
    metrics: {age: 24h, size: 1Gi, series: 500000}
    traces: {size: 64Mi}
    logs: {age: 90m}
"""
    observing, problems = read(folder, text)
    assert problems == []
    assert observing.collector == Collector(
        endpoint="https://otel.example.com:4318/tenant", headers={"x-api-key": "secret"}
    )
    assert observing.kept == Kept(
        metrics_age=24 * HOUR,
        metrics_bytes=1024 * MIB,
        metrics_series=500_000,
        traces_bytes=64 * MIB,
        logs_age=1.5 * HOUR,
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "telemetry: 3",
            "lateen.yaml:1:1: error LAT0008 telemetry: wanted a mapping with otlp, keep",
        ),
        (
            "telemetry:\n  otlp: {endpoint: http://a:1, header: {}}",
            'lateen.yaml:2:32: error LAT0008 telemetry.otlp.header: unknown key "header" (did you mean "headers"?)',
        ),
        (
            "telemetry:\n  otlp: {headers: {}}",
            "lateen.yaml:2:3: error LAT0008 telemetry.otlp: required: http://HOST:PORT or https://HOST:PORT",
        ),
        (
            "telemetry:\n  otlp:\n    endpoint: localhost:4317",
            "lateen.yaml:3:5: error LAT0008 telemetry.otlp.endpoint: wanted http://HOST:PORT or https://HOST:PORT",
        ),
        (
            "telemetry:\n  otlp:\n    endpoint: http://a:x\n",
            "lateen.yaml:3:5: error LAT0008 telemetry.otlp.endpoint: wanted http://HOST:PORT",
        ),
        (
            'telemetry:\n  otlp:\n    endpoint: http://a:1\n    headers:\n      key: "se\\ncret"',
            "lateen.yaml:5:7: error LAT0008 telemetry.otlp.headers.key: wanted a text in one line",
        ),
        (
            "telemetry:\n  keep:\n    traces: {age: 5}",
            "lateen.yaml:3:14: error LAT0008 telemetry.keep.traces.age: wanted a time of at least 1m, such as 12h",
        ),
        (
            "telemetry:\n  keep:\n    metrics: {size: 1Mi}",
            "lateen.yaml:3:15: error LAT0008 telemetry.keep.metrics.size: wanted a size of at least 16Mi",
        ),
        (
            "telemetry:\n  keep:\n    metrics: {series: many}",
            "lateen.yaml:3:15: error LAT0008 telemetry.keep.metrics.series: wanted a whole number of at least 1000",
        ),
        (
            "telemetry:\n  keep: {trace: {}}",
            'lateen.yaml:2:10: error LAT0008 telemetry.keep.trace: unknown key "trace" (did you mean "traces"?)',
        ),
    ],
)
def test_a_fault_names_its_line_and_the_wanted_form(folder: Path, text: str, wanted: str) -> None:
    observing, problems = read(folder, text)
    assert len(problems) == 1
    assert problems[0].startswith(wanted)
    assert "secret" not in problems[0]
    assert observing == Observing()


def test_the_environment_goes_before_the_file() -> None:
    said = Observing(kept=Kept(traces_age=60), collector=Collector(endpoint="http://a:1"))
    assert with_environment(said, {}) == said
    made = with_environment(said, {"LATEEN_OTLP_EXPORT": "http://b:2"})
    assert (made.collector, made.kept) == (Collector(endpoint="http://b:2"), said.kept)
    headers = {"LATEEN_OTLP_HEADERS": "x-key=a%20b,y=c"}
    assert with_environment(said, headers).collector == Collector(
        endpoint="http://a:1", headers={"x-key": "a b", "y": "c"}
    )
    with pytest.raises(EnvironmentFault, match="LATEEN_OTLP_EXPORT: wanted http://HOST:PORT"):
        with_environment(said, {"LATEEN_OTLP_EXPORT": "localhost:4318"})
    with pytest.raises(EnvironmentFault, match="LATEEN_OTLP_HEADERS"):
        with_environment(said, {"LATEEN_OTLP_HEADERS": "bad name=1"})
