"""Commands for figures: `top`, and what `dashboards` writes.

In: arguments.               Out: text, JSON or files, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/top.py, cli/dashboards.py
"""

from __future__ import annotations

from pathlib import Path

import click
from click.exceptions import Exit

from lateen.cli.options import Commands, examples, form_option, name_option

commands = Commands()
dashboards = Commands(
    help="Dashboards and alerts as files for the tools you know.",
    no_args_is_help=True,
)


@commands.command(
    "top",
    short_help="Show live rates, failures and times of services.",
    epilog=examples(
        "lateen top                    live, until Ctrl-C",
        "lateen top --by workload --once",
        "lateen top --window 1m -o json",
    ),
)
@click.option(
    "--by",
    default="service",
    show_default=True,
    type=click.Choice(["service", "workload"]),
    help="service or workload.",
)
@click.option(
    "--window",
    default="15s",
    show_default=True,
    metavar="DURATION",
    help="Over how long, such as 15s or 5m.",
)
@click.option("--once", is_flag=True, help="Print once and end.")
@form_option
@name_option
def top(by: str, window: str, once: bool, output: str, name: str) -> None:
    """Show who is asked how much right now, the busiest first, as the destinations count it."""
    from lateen.cli.top import run_top

    as_json = output == "json"
    raise Exit(run_top(name, by=by, window=window, once=once, as_json=as_json))


@dashboards.command(
    "export",
    short_help="Write them to a folder.",
    epilog=examples(
        "lateen dashboards export monitoring/",
        "prometheus --config.file=monitoring/prometheus/prometheus.yml",
        "alertmanager --config.file=monitoring/alertmanager/alertmanager.yml",
    ),
)
@click.argument(
    "folder", type=click.Path(path_type=Path), metavar="DIR", help="Made if it is not there."
)
@name_option
def dashboards_export(folder: Path, name: str) -> None:
    """Write Grafana dashboards and data source, Prometheus' configuration and rules, and Alertmanager's.

    Addresses are those of the running mesh, and stay from one `lateen up` to the next.
    """
    from lateen.cli.dashboards import export

    for path in export(folder, name):
        print(path)
