"""Write dashboards, alerts and configuration for the tools that others know.

In: a folder, the running mesh's addresses.    Out: files for Grafana, Prometheus and Alertmanager.
Before: telemetry/dashboards/        After: cli/commands/dashboards.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from lateen.app.settings import directories
from lateen.base import layout
from lateen.base.errors import EnvironmentFault
from lateen.telemetry.dashboards import alerts, scraping
from lateen.telemetry.dashboards.boards import BOARDS
from lateen.telemetry.dashboards.panels import board_json


def export(folder: Path, name: str) -> list[Path]:
    """Write all files, replacing those of an earlier time; raises EnvironmentFault if no mesh of that name runs."""
    run, state, _ = directories(name)
    address = _address(run, name)
    token = state / "observe" / "token"
    host = urlsplit(address).netloc
    made: dict[str, str] = {
        "prometheus/prometheus.yml": _yaml(scraping.prometheus(host, str(token))),
        "prometheus/rules.yml": _yaml(alerts.rules()),
        "alertmanager/alertmanager.yml": _yaml(alerts.alertmanager()),
        "grafana/provisioning/datasources/lateen.yml": _yaml(scraping.data_sources(address)),
        "grafana/provisioning/dashboards/lateen.yml": _yaml(
            scraping.dashboard_provider(str((folder / "grafana" / "dashboards").absolute()))
        ),
    }
    for board in BOARDS:
        text = json.dumps(board_json(board), indent=2) + "\n"
        made[f"grafana/dashboards/{board.uid.removeprefix('lateen-')}.json"] = text
    return [_write(folder / path, text) for path, text in made.items()]


def _address(run: Path, name: str) -> str:
    try:
        told: Mapping[str, str] = json.loads(layout.observe_addresses(run).read_bytes())
        return told["prometheus"]
    except (OSError, ValueError, KeyError):
        raise EnvironmentFault(f"no lateen {name} runs here: `lateen up` first") from None


def _yaml(tree: Mapping[str, Any]) -> str:
    class Plain(yaml.SafeDumper):
        """Without anchors: what stands in two places is written twice."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return yaml.dump(tree, Dumper=Plain, sort_keys=False, width=120)


def _write(path: Path, text: str) -> Path:
    """The data source has the token in it, so nobody else may read these."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
    except OSError as fault:
        raise EnvironmentFault(f"{path} cannot be written: {fault.strerror}") from None
    return path
