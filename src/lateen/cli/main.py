"""The command line: `lateen up`, `apply`, `status`, `logs`, `why-denied`, `proxy`, `down`.

In: arguments.    Out: text or JSON, and an exit status: 0 well, 1 not well, 2 wrong usage.
Before: -         After: cli/up.py, cli/show.py

Only typer is imported here; each command imports what it needs when it is run.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
app = typer.Typer(
    name="lateen",
    help="Run the Kubernetes and Istio YAML you have, on this machine, with real Envoys and strict mTLS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=_SETTINGS,
)
proxy = typer.Typer(
    help="What the Envoys were told, and what they said to it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
certs = typer.Typer(
    help="The mesh's certificates: which there are, when they end, going over to a new root.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(proxy, name="proxy")
app.add_typer(certs, name="certs")


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


def _say_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Options before any command."""


@app.command(
    short_help="Run YAML; on a running mesh, apply the difference.",
    epilog=examples(
        "lateen up k8s/ istio/             run two folders, with a live view, until Ctrl-C",
        "lateen up app.yaml -d             return when all is ready; `lateen down` ends it",
        "kubectl kustomize . | lateen up -",
        "lateen up . --name b --port 80=9080 --port 443=9443    a second mesh beside the first",
        "lateen up . --nodes 3 --zones a,b         three nodes in two zones, to schedule on",
    ),
)
def up(
    paths: Annotated[
        list[str], typer.Argument(help="Files and folders of YAML; - for stdin.", metavar="PATH")
    ],
    namespace: Namespace = "default",
    detach: Annotated[
        bool, typer.Option("-d", "--detach", help="Return when all is ready; keep running.")
    ] = False,
    port: Annotated[
        list[str] | None,
        typer.Option(
            "--port",
            help="Where a Gateway's port answers on 127.0.0.1, e.g. 80=9080; 0 is any free port. "
            "Default: 80=8080, 443=8443, others as they are; lateen.yaml may say so, too.",
            metavar="GATEWAY=HOST",
        ),
    ] = None,
    nodes: Annotated[
        int,
        typer.Option(
            "--nodes",
            help="How many nodes this machine is to be: names, labels and a share of it each, for "
            "scheduling. Default: 1, or one in each zone.",
            min=0,
            metavar="COUNT",
            show_default=False,
        ),
    ] = 0,
    zones: Annotated[
        str,
        typer.Option(
            "--zones",
            help="Zones for the nodes in turn, such as a,b or eu/a,us/b (region and zone).",
            metavar="ZONE,...",
        ),
    ] = "",
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", help="How long to wait for readiness with -d.", min=0, metavar="SECONDS"
        ),
    ] = 600,
    name: Name = "default",
) -> None:
    """Run everything in the files and folders given; on a running mesh, apply the difference.

    Images are built from their source: lateen.yaml beside the files names the folders, else a folder
    named like the image is taken. What changes in the files is applied as you save.

    Exit status: 0 well, 1 some input was refused or some pod cannot run, 2 wrong usage, 130 Ctrl-C.
    """
    from lateen.cli.up import run_up

    raise typer.Exit(
        run_up(
            name=name,
            paths=paths,
            namespace=namespace,
            detach=detach,
            ports=port or [],
            nodes=nodes,
            zones=zones,
            timeout=timeout,
        )
    )


@app.command(
    short_help="Take in changed or further files; tell when the proxies have them.",
    epilog=examples(
        "lateen apply --wait                       what has changed in the files of the mesh",
        "lateen apply canary.yaml --wait           a further file, beside those that run",
        "lateen apply --wait -o json | jq '.waited.proxies[].seconds'",
    ),
)
def apply(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Further files and folders of YAML; - for stdin. None: those the mesh has.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Return when every proxy concerned has acknowledged it."),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option("--timeout", help="How long to wait at most.", min=0, metavar="SECONDS"),
    ] = 30,
    output: Form = Output.TEXT,
    namespace: Namespace = "default",
    name: Name = "default",
) -> None:
    """Read the files of a running mesh now, and further ones if given; apply the difference.

    With --wait it says which proxies were sent something and how long each took. What Envoy refuses is
    printed in its words with file and line; all else is live, and the object's status says it too.

    Exit status: 0 well, 1 something was refused or a proxy has not acknowledged in time, 2 wrong usage.
    """
    from lateen.cli.applying import run_apply

    raise typer.Exit(
        run_apply(
            name,
            paths or [],
            namespace=namespace,
            wait=timeout if wait else None,
            as_json=output is Output.JSON,
        )
    )


@app.command(
    short_help="End the mesh; returns when nothing is left.",
    epilog=examples("lateen down", "lateen down --name b"),
)
def down(name: Name = "default") -> None:
    """End the mesh: pods in order, then everything else; returns when nothing is left."""
    from lateen.cli.down import run_down

    raise typer.Exit(run_down(name))


@app.command(
    short_help="Show pods, addresses and problems.",
    epilog=examples(
        "lateen status", "lateen status -o json | jq '.pods[] | select(.isReady | not)'"
    ),
)
def status(output: Form = Output.TEXT, name: Name = "default") -> None:
    """Show pods, proxies, addresses and problems. Exit status 1 unless all is ready."""
    from lateen.cli.show import run_status

    raise typer.Exit(run_status(name, as_json=output is Output.JSON))


@app.command(
    short_help="Print what a pod's container wrote.",
    epilog=examples(
        "lateen logs go-service -f                 some pod of that name, as it comes",
        "lateen logs shop/web-0 -c istio-proxy     its Envoy",
        "lateen logs deployment/web --previous     the container before it was restarted",
    ),
)
def logs(
    pod: PodWord,
    container: Annotated[
        str,
        typer.Option(
            "-c",
            "--container",
            help="Which container; istio-proxy for the Envoy.",
            metavar="CONTAINER",
        ),
    ] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come.")] = False,
    previous: Annotated[
        bool, typer.Option("-p", "--previous", help="Of the container before its last restart.")
    ] = False,
    tail: Annotated[
        int, typer.Option("--tail", help="Only so many last lines; -1 for all.", metavar="LINES")
    ] = -1,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Print times.")] = False,
    namespace: PodNamespace = "",
    name: Name = "default",
) -> None:
    """Print what a pod's container wrote."""
    from lateen.cli.logs import Wanted, run_logs

    wanted = Wanted(
        container=container,
        follow=follow,
        previous=previous,
        tail=tail if tail >= 0 else None,
        timestamps=timestamps,
    )
    raise typer.Exit(run_logs(name, pod, namespace=namespace, wanted=wanted))


@certs.callback(
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


@certs.command(
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


@app.command(
    "why-denied",
    short_help="Show which policy refused a request, or let it in.",
    epilog=examples(
        "lateen why-denied                                      what was refused lately",
        "lateen why-denied 6f1f3c1e-9f0b-4b52-8f6e-2f7a1d0c9b11    at each proxy it passed",
    ),
)
def why_denied(
    id: Annotated[
        str,
        typer.Argument(
            metavar="REQUEST_ID",
            help="The request's x-request-id, as apps and access logs have it.",
            show_default=False,
        ),
    ] = "",
    output: Form = Output.TEXT,
    name: Name = "default",
) -> None:
    """Show which policy refused a request, or which rule let it in, at each proxy that saw it.

    Without an id: what was refused lately. Exit status 1 when nothing is found.
    """
    from lateen.cli.why import run_why_denied

    raise typer.Exit(run_why_denied(name, id, as_json=output is Output.JSON))


@proxy.command(
    "status",
    short_help="Show what each proxy acknowledged or refused.",
    epilog=examples("lateen proxy status", "lateen proxy status -o json"),
)
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


@proxy.command(
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


@app.command(epilog=examples('kubectl --kubeconfig "$(lateen kubeconfig)" get pods -A'))
def kubeconfig(name: Name = "default") -> None:
    """Print the path of the kubeconfig of a running mesh."""
    from lateen.cli.finding import client_of, status_of

    print(status_of(client_of(name))["kubeconfig"])


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
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(141) from None
