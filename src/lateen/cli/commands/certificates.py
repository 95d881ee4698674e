"""Commands for the mesh's certificates: `certs` and what stands below it.

In: arguments.               Out: text or JSON, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/certs.py
"""

from __future__ import annotations

import click
from click.exceptions import Exit

from lateen.cli.options import Commands, examples, form_option, name_option


@click.group(
    "certs",
    cls=Commands,
    help="The mesh's certificates: which there are, when they end, going over to a new root.",
    invoke_without_command=True,
    short_help="Show every certificate and when it ends.",
    epilog=examples(
        "lateen certs                 all of them; exit status 1 unless all are well",
        "lateen certs -o json",
        "lateen certs rotate          go over to a new root, with no failed request",
    ),
)
@click.pass_context
@form_option
@name_option
def certs_show(ctx: click.Context, output: str, name: str) -> None:
    """Show every certificate: roots, what signs, the proxies', and those of Secrets."""
    if ctx.invoked_subcommand is None:
        from lateen.cli.certs import run_certs

        raise Exit(run_certs(name, as_json=output == "json"))


@certs_show.command(
    "rotate",
    short_help="Go over to a new root certificate.",
    epilog=examples("lateen certs rotate", "lateen certs rotate --no-wait"),
)
@click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Wait until the old root is gone."
)
@name_option
def certs_rotate(wait: bool, name: str) -> None:
    """Have every proxy trust a new root, then replace all certificates, then drop the old root."""
    from lateen.cli.certs import run_rotate

    raise Exit(run_rotate(name, wait=wait))
