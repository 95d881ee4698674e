"""What the options of several commands have in common.

In: -        Out: options and groups of click's, and examples for `--help`.
Before: -    After: cli/commands/running.py, cli/commands/proxies.py, cli/commands/certificates.py
"""

from __future__ import annotations

import click

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
FORMS = click.Choice(["text", "json"])


class Commands(click.Group):
    """Commands in the order in which they are written down."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they came."""
        return list(self.commands)


def examples(*lines: str) -> str:
    """Examples below a command's help, a line each."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in lines)])


def complete_pods(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The pods of the running mesh, for the shell; none when it does not answer."""
    from lateen.base.errors import LateenError
    from lateen.cli.finding import client_of, status_of

    try:
        pods = status_of(client_of(ctx.params.get("name") or "default"))["pods"]
    except LateenError:
        return []
    names = [pod["name"] for pod in pods] + [f"{pod['namespace']}/{pod['name']}" for pod in pods]
    return [name for name in names if name.startswith(incomplete)]


name_option = click.option(
    "--name",
    default="default",
    show_default=True,
    metavar="MESH",
    help="Which mesh, when several run.",
)
form_option = click.option(
    "-o", "--output", default="text", show_default=True, type=FORMS, help="text or json."
)
namespace_option = click.option(
    "-n",
    "--namespace",
    default="default",
    show_default=True,
    metavar="NAMESPACE",
    help="Namespace of objects that name none.",
)
pod_namespace_option = click.option(
    "-n", "--namespace", default="", metavar="NAMESPACE", help="The pod's namespace."
)
pod_argument = click.argument(
    "pod",
    metavar="POD",
    shell_complete=complete_pods,
    help="POD, NAMESPACE/POD or deployment/NAME; the beginning of a name will do.",
)
