"""What the options of several commands have in common.

In: -        Out: annotated types for typer, and examples for `--help`.
Before: -    After: cli/commands/running.py, cli/commands/proxies.py, cli/commands/certificates.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def examples(*lines: str) -> str:
    """Examples below a command's help, a line each."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in lines)])


class Output(StrEnum):
    """How to print."""

    TEXT = "text"
    JSON = "json"


Name = Annotated[str, typer.Option("--name", help="Which mesh, when several run.", metavar="MESH")]
Form = Annotated[Output, typer.Option("-o", "--output", help="text or json.")]
Namespace = Annotated[
    str,
    typer.Option(
        "-n", "--namespace", help="Namespace of objects that name none.", metavar="NAMESPACE"
    ),
]
PodNamespace = Annotated[
    str, typer.Option("-n", "--namespace", help="The pod's namespace.", metavar="NAMESPACE")
]


def complete_pods(ctx: typer.Context, incomplete: str) -> list[str]:
    """The pods of the running mesh, for the shell; none when it does not answer."""
    from lateen.base.errors import LateenError
    from lateen.cli.finding import client_of, status_of

    try:
        pods = status_of(client_of(ctx.params.get("name") or "default"))["pods"]
    except LateenError:
        return []
    names = [pod["name"] for pod in pods] + [f"{pod['namespace']}/{pod['name']}" for pod in pods]
    return [name for name in names if name.startswith(incomplete)]


PodWord = Annotated[
    str,
    typer.Argument(
        metavar="POD",
        help="POD, NAMESPACE/POD or deployment/NAME; the beginning of a name will do.",
        autocompletion=complete_pods,
    ),
]
