"""Commands for the mesh's certificates: `certs` and what stands below it.

In: arguments.               Out: text or JSON, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/certs.py
"""

from __future__ import annotations

from typing import Annotated

import typer

from lateen.cli.options import Form, Name, Output, examples

commands = typer.Typer(
    help="The mesh's certificates: which there are, when they end, going over to a new root.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@commands.callback(
    short_help="Show every certificate and when it ends.",
    epilog=examples(
        "lateen certs                 all of them; exit status 1 unless all are well",
        "lateen certs -o json",
        "lateen certs rotate          go over to a new root, with no failed request",
    ),
)
def certs_show(ctx: typer.Context, output: Form = Output.TEXT, name: Name = "default") -> None:
    """Show every certificate: roots, what signs, the proxies', and those of Secrets."""
    if ctx.invoked_subcommand is None:
        from lateen.cli.certs import run_certs

        raise typer.Exit(run_certs(name, as_json=output is Output.JSON))


@commands.command(
    "rotate",
    short_help="Go over to a new root certificate.",
    epilog=examples("lateen certs rotate", "lateen certs rotate --no-wait"),
)
def certs_rotate(
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the old root is gone.")
    ] = True,
    name: Name = "default",
) -> None:
    """Have every proxy trust a new root, then replace all certificates, then drop the old root."""
    from lateen.cli.certs import run_rotate

    raise typer.Exit(run_rotate(name, wait=wait))
