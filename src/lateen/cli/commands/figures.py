"""Commands for figures: `top`, and what `dashboards` writes.

In: arguments.               Out: text, JSON or files, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/top.py, cli/dashboards.py
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lateen.cli.options import Form, Name, Output, examples

commands = typer.Typer(rich_markup_mode=None)
dashboards = typer.Typer(
    help="Dashboards and alerts as files for the tools you know.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class By(StrEnum):
    """What a row of `top` is."""

    SERVICE = "service"
    WORKLOAD = "workload"


@commands.command(
    "top",
    short_help="Show live rates, failures and times of services.",
    epilog=examples(
        "lateen top                    live, until Ctrl-C",
        "lateen top --by workload --once",
        "lateen top --window 1m -o json",
    ),
)
def top(
    by: Annotated[By, typer.Option("--by", help="service or workload.")] = By.SERVICE,
    window: Annotated[
        str, typer.Option("--window", help="Over how long, such as 15s or 5m.", metavar="DURATION")
    ] = "15s",
    once: Annotated[bool, typer.Option("--once", help="Print once and end.")] = False,
    output: Form = Output.TEXT,
    name: Name = "default",
) -> None:
    """Show who is asked how much right now, the busiest first, as the destinations count it."""
    from lateen.cli.top import run_top

    as_json = output is Output.JSON
    raise typer.Exit(run_top(name, by=by.value, window=window, once=once, as_json=as_json))


@dashboards.command(
    "export",
    short_help="Write them to a folder.",
    epilog=examples(
        "lateen dashboards export monitoring/",
        "prometheus --config.file=monitoring/prometheus/prometheus.yml",
        "alertmanager --config.file=monitoring/alertmanager/alertmanager.yml",
    ),
)
def dashboards_export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
    name: Name = "default",
) -> None:
    """Write Grafana dashboards and data source, Prometheus' configuration and rules, and Alertmanager's.

    Addresses are those of the running mesh, and stay from one `lateen up` to the next.
    """
    from lateen.cli.dashboards import export

    for path in export(folder, name):
        print(path)
