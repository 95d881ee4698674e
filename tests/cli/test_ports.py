"""Ports of the host come from the command line, from lateen.yaml, and are 8080 and 8443 else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.base.errors import EnvironmentFault
from lateen.cli.up import parse_ports, ports_of


@pytest.mark.parametrize(
    "word", ["80", "80=", "=80", "80:9080", "99999=1", "0=80", "80=65536", "²=1"]
)
def test_a_port_that_is_none_is_refused_with_the_wanted_form(word: str) -> None:
    with pytest.raises(EnvironmentFault, match="wanted GATEWAY=HOST, such as 80=9080"):
        parse_ports([word])


def test_the_command_line_goes_before_the_project_and_the_project_before_the_usual(
    tmp_path: Path,
) -> None:
    (tmp_path / "lateen.yaml").write_text("ports: {80: 9080, 443: 9443}\n")
    asked = parse_ports(["80=7080", "25=2525"])
    assert ports_of([str(tmp_path)], asked) == {80: 7080, 443: 9443, 25: 2525}
    (tmp_path / "lateen.yaml").unlink()
    assert ports_of([str(tmp_path)], {}) == {80: 8080, 443: 8443}


def test_port_0_is_any_free_one(tmp_path: Path) -> None:
    ports = ports_of([str(tmp_path)], {80: 0, 443: 0})
    assert min(ports.values()) > 1023
    assert ports[80] != ports[443]
