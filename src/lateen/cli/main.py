"""The command line: `lateen up`, `status`, `logs`, `proxy`, `down`.

In: arguments.    Out: text or JSON, and an exit status: 0 well, 1 not well, 2 wrong usage.
Before: -         After: cli/up.py, cli/show.py

Only typer is imported here; each command imports what it needs when it is run.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(
    name="lateen",
    help="Run the Kubernetes and Istio YAML you have, on this machine, with real Envoys and strict mTLS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
proxy = typer.Typer(
    help="What the Envoys were told, and what they said to it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(proxy, name="proxy")


class Output(StrEnum):
    """How to print."""

    TEXT = "text"
    JSON = "json"


Name = Annotated[str, typer.Option("--name", help="Which mesh, when several run.", metavar="MESH")]
Form = Annotated[Output, typer.Option("-o", "--output", help="text or json.")]
Namespace = Annotated[
    str, typer.Option("-n", "--namespace", help="Namespace of objects that name none.")
]


@app.command(
    epilog="Examples:  lateen up k8s/ istio/    lateen up app.yaml -d    cat *.yaml | lateen up -"
)
def up(
    paths: Annotated[list[str], typer.Argument(help="Files and folders of YAML; - for stdin.")],
    namespace: Namespace = "default",
    detach: Annotated[
        bool, typer.Option("-d", "--detach", help="Return when all is ready; keep running.")
    ] = False,
    port: Annotated[
        list[str] | None,
        typer.Option("--port", help="GATEWAY=HOST, e.g. 80=9080. Default: 80=8080, 443=8443."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for readiness with -d.")
    ] = 600.0,
    name: Name = "default",
) -> None:
    """Run everything in PATHS; on a running mesh, apply the difference."""
    from lateen.cli.up import run_up

    raise typer.Exit(
        run_up(
            name=name,
            paths=paths,
            namespace=namespace,
            detach=detach,
            ports=port or [],
            timeout=timeout,
        )
    )


@app.command()
def down(name: Name = "default") -> None:
    """End the mesh: pods in order, then everything else; returns when nothing is left."""
    from lateen.cli.down import run_down

    raise typer.Exit(run_down(name))


@app.command()
def status(output: Form = Output.TEXT, name: Name = "default") -> None:
    """Show pods, proxies, addresses and problems. Exit status 1 unless all is ready."""
    from lateen.cli.show import run_status

    raise typer.Exit(run_status(name, as_json=output is Output.JSON))


@app.command(
    epilog="Examples:  lateen logs go-service-5d9c7-x2x9k    lateen logs shop/web-0 -c istio-proxy -f"
)
def logs(
    pod: Annotated[
        str, typer.Argument(help="POD or NAMESPACE/POD; the beginning of a name will do.")
    ],
    container: Annotated[
        str, typer.Option("-c", "--container", help="Which container; istio-proxy for the Envoy.")
    ] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come.")] = False,
    tail: Annotated[int, typer.Option("--tail", help="Only the last lines; -1 for all.")] = -1,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Print times.")] = False,
    name: Name = "default",
) -> None:
    """Print what a pod's container wrote."""
    from lateen.cli.logs import run_logs

    raise typer.Exit(
        run_logs(name, pod, container=container, follow=follow, tail=tail, timestamps=timestamps)
    )


@proxy.command("status")
def proxy_status(output: Form = Output.TEXT, name: Name = "default") -> None:
    """Show each proxy: connected, programmed, refused and why, certificate."""
    from lateen.cli.show import run_proxy_status

    raise typer.Exit(run_proxy_status(name, as_json=output is Output.JSON))


class Part(StrEnum):
    """A part of an Envoy's configuration."""

    ALL = "all"
    LISTENERS = "listeners"
    ROUTES = "routes"
    CLUSTERS = "clusters"
    ENDPOINTS = "endpoints"
    SECRETS = "secrets"


@proxy.command(
    "config",
    epilog="Examples:  lateen proxy config go-service-5d9c7-x2x9k routes    … clusters -o json",
)
def proxy_config(
    pod: Annotated[
        str, typer.Argument(help="POD or NAMESPACE/POD; the beginning of a name will do.")
    ],
    part: Annotated[Part, typer.Argument(help="What to show.")] = Part.ALL,
    output: Form = Output.TEXT,
    name: Name = "default",
) -> None:
    """Show the configuration an Envoy runs now, as it tells it itself; private keys are left out."""
    from lateen.cli.show import run_proxy_config

    raise typer.Exit(run_proxy_config(name, pod, part.value, as_json=output is Output.JSON))


@app.command(epilog='Example:  kubectl --kubeconfig "$(lateen kubeconfig)" get pods -A')
def kubeconfig(name: Name = "default") -> None:
    """Print the path of the kubeconfig of a running mesh."""
    from lateen.cli.show import client_of

    print(client_of(name).get("/lateen/v1/status")["kubeconfig"])


@app.command()
def version() -> None:
    """Print lateen's version."""
    from lateen import __version__

    print(__version__)


def main() -> None:
    """Run a command; a fault of the environment is one line on stderr and exit status 1."""
    from lateen.base.errors import LateenError

    try:
        app()
    except LateenError as fault:
        print(f"lateen: {fault}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(141) from None
