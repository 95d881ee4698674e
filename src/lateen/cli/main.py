"""The command line: `lateen up`, `apply`, `analyze`, `status`, `logs`, `why-denied`, `proxy`, `down`.

In: arguments.               Out: text or JSON, and an exit status: 0 well, 1 not well, 2 wrong usage.
Before: cli/commands/        After: -

Only typer is imported here and in what declares the commands; each command imports what it needs when it is run.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from lateen.cli.commands import (
    certificates,
    checking,
    comparing,
    figures,
    knowing,
    observing,
    proxies,
    running,
)
from lateen.cli.options import SETTINGS

# Most of what a command makes lives until its end: to look for garbage so often costs a sixth of its time.
_MANY_OBJECTS = 50_000

app = typer.Typer(
    name="lateen",
    help="Run the Kubernetes and Istio YAML you have, on this machine, with real Envoys and strict mTLS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=SETTINGS,
)
# The order of `--help`.
app.add_typer(running.commands)
app.add_typer(checking.commands)
app.add_typer(knowing.commands)
app.add_typer(comparing.commands)
app.add_typer(observing.commands)
app.add_typer(figures.commands)
app.add_typer(observing.logging, name="logging")
app.add_typer(proxies.commands, name="proxy")
app.add_typer(certificates.commands, name="certs")
app.add_typer(figures.dashboards, name="dashboards")


def _say_version(wanted: bool) -> None:
    if wanted:
        running.version()
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Options before any command."""


def main() -> None:
    """Run a command; a fault of the environment is one line on stderr and exit status 1."""
    from lateen.base.errors import LateenError

    gc.set_threshold(_MANY_OBJECTS)
    try:
        app()
    except LateenError as fault:
        print(f"lateen: {fault}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(141) from None
    finally:
        gc.freeze()  # what there is goes with the process; nobody need look through it once more
