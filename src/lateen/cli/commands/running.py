"""Commands for a mesh as a whole: `up`, `apply`, `down`, `status`, `logs`, `why-denied`, `kubeconfig`.

In: arguments.               Out: text or JSON, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/up.py, cli/show.py
"""

from __future__ import annotations

from typing import Annotated

import typer

from lateen.cli.options import Form, Name, Namespace, Output, PodNamespace, complete_pods, examples

commands = typer.Typer()


@commands.command(
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


@commands.command(
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


@commands.command(
    short_help="End the mesh; returns when nothing is left.",
    epilog=examples("lateen down", "lateen down --name b"),
)
def down(name: Name = "default") -> None:
    """End the mesh: pods in order, then everything else; returns when nothing is left."""
    from lateen.cli.down import run_down

    raise typer.Exit(run_down(name))


@commands.command(
    short_help="Show pods, addresses and problems.",
    epilog=examples(
        "lateen status", "lateen status -o json | jq '.pods[] | select(.isReady | not)'"
    ),
)
def status(output: Form = Output.TEXT, name: Name = "default") -> None:
    """Show pods, proxies, addresses and problems. Exit status 1 unless all is ready."""
    from lateen.cli.show import run_status

    raise typer.Exit(run_status(name, as_json=output is Output.JSON))


@commands.command(
    short_help="Print what a pod's container wrote.",
    epilog=examples(
        "lateen logs go-service -f                 some pod of that name, as it comes",
        "lateen logs shop/web-0 -c istio-proxy     its Envoy",
        "lateen logs deployment/web --previous     the container before it was restarted",
        "lateen logs -l app=web --level warn -f    all pods with the label, from warnings up",
        "lateen logs --trace 7e4670e64217649f…     what all of them wrote of one request",
    ),
)
def logs(  # noqa: PLR0913, PLR0917 - an option each
    pod: Annotated[
        str,
        typer.Argument(
            metavar="POD",
            help="POD, NAMESPACE/POD or deployment/NAME; with a filter all that fit, or none for all.",
            autocompletion=complete_pods,
            show_default=False,
        ),
    ] = "",
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
    selector: Annotated[
        str, typer.Option("-l", "--selector", help="All pods with these labels.", metavar="K=V,…")
    ] = "",
    grep: Annotated[
        str, typer.Option("--grep", help="Only lines with this text, in any case.", metavar="TEXT")
    ] = "",
    level: Annotated[
        str,
        typer.Option(
            "--level", help="This grave or more: debug, info, warn, error.", metavar="LEVEL"
        ),
    ] = "",
    trace: Annotated[
        str, typer.Option("--trace", help="Only lines of this trace.", metavar="TRACE_ID")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="Not older than this: 30s, 10m, 2h.", metavar="DURATION")
    ] = "",
    namespace: PodNamespace = "",
    name: Name = "default",
) -> None:
    """Print what a pod's container wrote, or with a filter (-l, --grep, --level, --trace, --since) what several did."""
    from lateen.cli.logs import Wanted, run_logs
    from lateen.cli.logsearch import Asked, run_search

    filters = (selector, grep, level, trace, since)
    if any(filters):
        asked = Asked(
            selector=selector,
            container=container,
            grep=grep,
            level=level,
            trace=trace,
            since=since,
            follow=follow,
            tail=tail,
        )
        raise typer.Exit(run_search(name, pod, namespace, asked))
    if not pod:
        raise typer.BadParameter(
            "name a pod, or give a filter: -l, --grep, --level, --trace, --since"
        )
    wanted = Wanted(
        container=container,
        follow=follow,
        previous=previous,
        tail=tail if tail >= 0 else None,
        timestamps=timestamps,
    )
    raise typer.Exit(run_logs(name, pod, namespace=namespace, wanted=wanted))


@commands.command(
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


@commands.command(epilog=examples('kubectl --kubeconfig "$(lateen kubeconfig)" get pods -A'))
def kubeconfig(name: Name = "default") -> None:
    """Print the path of the kubeconfig of a running mesh."""
    from lateen.cli.finding import client_of, status_of

    print(status_of(client_of(name))["kubeconfig"])


@commands.command()
def version() -> None:
    """Print lateen's version."""
    from lateen import __version__

    print(__version__)
