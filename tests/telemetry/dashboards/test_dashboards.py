"""Dashboards, alerts and configuration are what Grafana, Prometheus and Alertmanager take."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lateen.base.errors import EnvironmentFault
from lateen.cli.dashboards import export
from lateen.telemetry.dashboards.alerts import GROUPS
from lateen.telemetry.dashboards.boards import BOARDS
from lateen.telemetry.dashboards.panels import Board, board_json, plain
from lateen.telemetry.history.store import History
from lateen.telemetry.promql.evaluating import evaluate, evaluate_range

NOW = 1_700_000_000_000


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "m.db")
    yield history
    history.close()


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LATEEN_RUN_DIR", "/tmp/ltx")
    monkeypatch.setenv("LATEEN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(
        "lateen.cli.dashboards._address", lambda *_: "http://127.0.0.1:4321/t/TOKEN/prometheus"
    )
    (tmp_path / "state" / "default" / "observe").mkdir(parents=True)
    (tmp_path / "state" / "default" / "observe" / "token").write_text("TOKEN")
    export(tmp_path / "out", "default")
    return tmp_path / "out"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_expression_of_a_dashboard_is_evaluated_here(board: Board, history: History) -> None:
    for text in plain(board.expressions()):
        assert "$" not in text
        evaluate_range(history, text, NOW, NOW + 60_000, 15_000)


def test_every_alert_is_evaluated_here(history: History) -> None:
    for _, alerts in GROUPS:
        for alert in alerts:
            evaluate(history, alert.expression, NOW)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_panels_stand_side_by_side_and_not_on_each_other(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board_json(board)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here")
def test_promtool_and_amtool_find_nothing_wrong(exported: Path) -> None:
    for argv in (
        ("promtool", "check", "config", exported / "prometheus" / "prometheus.yml"),
        ("promtool", "check", "rules", exported / "prometheus" / "rules.yml"),
        ("amtool", "check-config", exported / "alertmanager" / "alertmanager.yml"),
    ):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


RULE_TESTS = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - series: 'kube_pod_container_status_restarts_total{namespace="a",pod="p",container="c"}'
    values: '0+1x30'
  - series: 'istio_requests_total{reporter="destination",destination_service="s",response_code="500"}'
    values: '0+10x30'
  - series: 'istio_requests_total{reporter="destination",destination_service="s",response_code="200"}'
    values: '0+90x30'
  - series: 'container_cpu_usage_seconds_total{namespace="a",pod="p",container="c"}'
    values: '0+54x30'
  - series: 'kube_pod_status_phase{namespace="a",pod="q",phase="Pending"}'
    values: '1x30'
  - series: 'lateen_certificate_seconds{kind="root",name="r"}'
    values: '86400x30'
  alert_rule_test:
  - {eval_time: 20m, alertname: PodRestarting, exp_alerts: [{exp_labels: {severity: warning, namespace: a, pod: p, container: c}}]}
  - {eval_time: 20m, alertname: HighErrorRate, exp_alerts: [{exp_labels: {severity: warning, destination_service: s}}]}
  - {eval_time: 20m, alertname: VeryHighErrorRate, exp_alerts: []}
  - {eval_time: 20m, alertname: HighCpuUsage, exp_alerts: [{exp_labels: {severity: warning, namespace: a, pod: p}}]}
  - {eval_time: 20m, alertname: PodPending, exp_alerts: [{exp_labels: {severity: warning, namespace: a, pod: q}}]}
  - {eval_time: 2m, alertname: PodPending, exp_alerts: []}
  - {eval_time: 20m, alertname: CertificateExpiresSoon, exp_alerts: [{exp_labels: {severity: warning, kind: root, name: r}}]}
"""


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here")
def test_alerts_are_raised_when_they_should_be(exported: Path) -> None:
    tests = exported / "prometheus" / "tests.yml"
    tests.write_text(RULE_TESTS)
    rules = exported / "prometheus" / "rules.yml"
    tree = yaml.safe_load(rules.read_text())
    for group in tree["groups"]:
        for rule in group["rules"]:
            del rule["annotations"]  # promtool would compare the words, too
    rules.write_text(json.dumps(tree))
    done = subprocess.run(
        ("promtool", "test", "rules", tests), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scrape_configuration_reads_the_token_from_its_file(exported: Path) -> None:
    text = (exported / "prometheus" / "prometheus.yml").read_text()
    assert "TOKEN" not in text
    assert "observe/token" in text
    assert "127.0.0.1:4321" in text


def test_files_with_the_token_are_the_owners(exported: Path) -> None:
    path = exported / "grafana" / "provisioning" / "datasources" / "lateen.yml"
    assert "/t/TOKEN/prometheus" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_mesh_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATEEN_RUN_DIR", "/tmp/ltnone")
    with pytest.raises(EnvironmentFault, match="no lateen absent runs here"):
        export(tmp_path, "absent")
