"""Commands for the Envoys: `proxy` and what stands below it.

In: arguments.               Out: text or JSON, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/show.py
"""

from __future__ import annotations

import click
from click.exceptions import Exit

from lateen.cli.options import (
    Commands,
    examples,
    form_option,
    name_option,
    pod_argument,
    pod_namespace_option,
)

commands = Commands(
    help="What the Envoys were told, and what they said to it.",
    no_args_is_help=True,
)


@commands.command(
    "status",
    short_help="Show what each proxy acknowledged or refused.",
    epilog=examples("lateen proxy status", "lateen proxy status -o json"),
)
@form_option
@name_option
def proxy_status(output: str, name: str) -> None:
    """Show each proxy: connected, programmed, refused and why, certificate; and its size.

    For each type of resource: how many the proxy is given, and how many bytes they are.
    """
    from lateen.cli.show import run_proxy_status

    raise Exit(run_proxy_status(name, as_json=output == "json"))


@commands.command(
    "config",
    short_help="Show the configuration an Envoy runs now.",
    epilog=examples(
        "lateen proxy config go-service routes",
        "lateen proxy config shop/web-0 clusters -o json",
        "lateen proxy config istio-ingressgateway listeners",
    ),
)
@pod_argument
@click.argument(
    "part",
    default="all",
    type=click.Choice(["all", "listeners", "routes", "clusters", "endpoints", "secrets"]),
    metavar="[PART]",
    help="all (the default), listeners, routes, clusters, endpoints or secrets.",
)
@form_option
@pod_namespace_option
@name_option
def proxy_config(pod: str, part: str, output: str, namespace: str, name: str) -> None:
    """Show the configuration an Envoy runs now, as it tells it itself; private keys are left out."""
    from lateen.cli.show import run_proxy_config

    as_json = output == "json"
    raise Exit(run_proxy_config(name, pod, part, namespace=namespace, as_json=as_json))


@commands.command(
    "grpc-bootstrap",
    short_help="Print what the gRPC library needs to find services itself.",
    epilog=examples(
        "lateen proxy grpc-bootstrap deployment/web --file xds.json",
        "GRPC_XDS_BOOTSTRAP=xds.json python client.py      with xds:///api.shop.svc.cluster.local:80",
    ),
)
@pod_argument
@click.option("--file", default="", metavar="PATH", help="Write it there, readable by you alone.")
@pod_namespace_option
@name_option
def proxy_grpc_bootstrap(pod: str, file: str, namespace: str, name: str) -> None:
    """Print the bootstrap of the gRPC library's own xDS client, for a program that speaks for a pod.

    It contains the token of the pod's proxy. The client is told what that proxy is told of HTTP
    services; it speaks plaintext, which pods refuse that insist on mTLS.
    """
    from lateen.cli.bootstrapping import run_grpc_bootstrap

    raise Exit(run_grpc_bootstrap(name, pod, namespace=namespace, file=file))
