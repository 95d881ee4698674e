"""The command line: `lateen up`, `apply`, `analyze`, `status`, `logs`, `why-denied`, `proxy`, `down`.

In: arguments.               Out: text or JSON, and an exit status: 0 well, 1 not well, 2 wrong usage.
Before: cli/commands/        After: -

Only click is imported here and in what declares the commands; each command imports what it needs when it is run.
"""

from __future__ import annotations

import gc
import sys

import click

from lateen import __version__
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
from lateen.cli.completing import install_completion, show_completion
from lateen.cli.options import SETTINGS, Commands

# Most of what a command makes lives until its end: to look for garbage so often costs a sixth of its time.
_MANY_OBJECTS = 200_000


@click.group(
    "lateen",
    cls=Commands,
    help="Run the Kubernetes and Istio YAML you have, on this machine, with real Envoys and strict mTLS.",
    no_args_is_help=True,
    context_settings=SETTINGS,
)
@click.version_option(__version__, message="%(version)s", help="Print the version.")
@click.option(
    "--install-completion",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=install_completion,
    help="Teach the shell that runs the commands and the names of pods.",
)
@click.option(
    "--show-completion",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_completion,
    help="Print what --install-completion would write.",
)
def app() -> None:
    """Options before any command."""


# The order of `--help`.
for group in (running, checking, knowing, comparing, observing, figures):
    for command in group.commands.commands.values():
        app.add_command(command)
app.add_command(observing.logging, "logging")
app.add_command(proxies.commands, "proxy")
app.add_command(certificates.certs_show, "certs")
app.add_command(figures.dashboards, "dashboards")


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
