"""Commands for the Envoys: `proxy` and what stands below it.

In: arguments.               Out: text or JSON, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/show.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lateen.cli.options import Form, Name, Output, PodNamespace, PodWord, examples

commands = typer.Typer(
    help="What the Envoys were told, and what they said to it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@commands.command(
    "status",
    short_help="Show what each proxy acknowledged or refused.",
    epilog=examples("lateen proxy status", "lateen proxy status -o json"),
)
def proxy_status(output: Form = Output.TEXT, name: Name = "default") -> None:
    """Show each proxy: connected, programmed, refused and why, certificate; and its size.

    For each type of resource: how many the proxy is given, and how many bytes they are.
    """
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


@commands.command(
    "config",
    short_help="Show the configuration an Envoy runs now.",
    epilog=examples(
        "lateen proxy config go-service routes",
        "lateen proxy config shop/web-0 clusters -o json",
        "lateen proxy config istio-ingressgateway listeners",
    ),
)
def proxy_config(
    pod: PodWord,
    part: Annotated[
        Part,
        typer.Argument(
            metavar="PART",
            help="all (the default), listeners, routes, clusters, endpoints or secrets.",
            show_default=False,
        ),
    ] = Part.ALL,
    output: Form = Output.TEXT,
    namespace: PodNamespace = "",
    name: Name = "default",
) -> None:
    """Show the configuration an Envoy runs now, as it tells it itself; private keys are left out."""
    from lateen.cli.show import run_proxy_config

    as_json = output is Output.JSON
    raise typer.Exit(run_proxy_config(name, pod, part.value, namespace=namespace, as_json=as_json))


@commands.command(
    "grpc-bootstrap",
    short_help="Print what the gRPC library needs to find services itself.",
    epilog=examples(
        "lateen proxy grpc-bootstrap deployment/web --file xds.json",
        "GRPC_XDS_BOOTSTRAP=xds.json python client.py      with xds:///api.shop.svc.cluster.local:80",
    ),
)
def proxy_grpc_bootstrap(
    pod: PodWord,
    file: Annotated[
        str,
        typer.Option("--file", help="Write it there, readable by you alone.", metavar="PATH"),
    ] = "",
    namespace: PodNamespace = "",
    name: Name = "default",
) -> None:
    """Print the bootstrap of the gRPC library's own xDS client, for a program that speaks for a pod.

    It contains the token of the pod's proxy. The client is told what that proxy is told of HTTP
    services; it speaks plaintext, which pods refuse that insist on mTLS.
    """
    from lateen.cli.bootstrapping import run_grpc_bootstrap

    raise typer.Exit(run_grpc_bootstrap(name, pod, namespace=namespace, file=file))
