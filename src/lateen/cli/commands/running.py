"""Commands for a mesh as a whole: `up`, `apply`, `down`, `status`, `logs`, `why-denied`, `kubeconfig`.

In: arguments.               Out: text or JSON, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/up.py, cli/show.py
"""

from __future__ import annotations

import click
from click.exceptions import Exit

from lateen.cli.options import (
    Commands,
    complete_pods,
    examples,
    form_option,
    name_option,
    namespace_option,
    pod_namespace_option,
)

commands = Commands()


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
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    help="Files and folders of YAML; - for stdin.",
)
@namespace_option
@click.option("-d", "--detach", is_flag=True, help="Return when all is ready; keep running.")
@click.option(
    "--port",
    multiple=True,
    metavar="GATEWAY=HOST",
    help="Where a Gateway's port answers on 127.0.0.1, e.g. 80=9080; 0 is any free port. Default: 80=8080, 443=8443, others as they are; lateen.yaml may say so, too.",
)
@click.option(
    "--nodes",
    default=0,
    type=click.IntRange(min=0),
    metavar="COUNT",
    help="How many nodes this machine is to be: names, labels and a share of it each, for scheduling. Default: 1, or one in each zone.",
)
@click.option(
    "--zones",
    default="",
    metavar="ZONE,...",
    help="Zones for the nodes in turn, such as a,b or eu/a,us/b (region and zone).",
)
@click.option(
    "--timeout",
    default=600,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long to wait for readiness with -d.",
)
@name_option
def up(
    paths: tuple[str, ...],
    namespace: str,
    detach: bool,
    port: tuple[str, ...],
    nodes: int,
    zones: str,
    timeout: float,
    name: str,
) -> None:
    """Run everything in the files and folders given; on a running mesh, apply the difference.

    Images are built from their source: lateen.yaml beside the files names the folders, else a folder
    named like the image is taken. What changes in the files is applied as you save.

    Exit status: 0 well, 1 some input was refused or some pod cannot run, 2 wrong usage, 130 Ctrl-C.
    """
    from lateen.cli.up import run_up

    raise Exit(
        run_up(
            name=name,
            paths=list(paths),
            namespace=namespace,
            detach=detach,
            ports=list(port),
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
@click.argument(
    "paths",
    nargs=-1,
    metavar="[PATH]...",
    help="Further files and folders of YAML; - for stdin. None: those the mesh has.",
)
@click.option("--wait", is_flag=True, help="Return when every proxy concerned has acknowledged it.")
@click.option(
    "--timeout",
    default=30,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long to wait at most.",
)
@form_option
@namespace_option
@name_option
def apply(
    paths: tuple[str, ...], wait: bool, timeout: float, output: str, namespace: str, name: str
) -> None:
    """Read the files of a running mesh now, and further ones if given; apply the difference.

    With --wait it says which proxies were sent something and how long each took. What Envoy refuses is
    printed in its words with file and line; all else is live, and the object's status says it too.

    Exit status: 0 well, 1 something was refused or a proxy has not acknowledged in time, 2 wrong usage.
    """
    from lateen.cli.applying import run_apply

    raise Exit(
        run_apply(
            name,
            list(paths),
            namespace=namespace,
            wait=timeout if wait else None,
            as_json=output == "json",
        )
    )


@commands.command(
    short_help="End the mesh; returns when nothing is left.",
    epilog=examples("lateen down", "lateen down --name b"),
)
@name_option
def down(name: str) -> None:
    """End the mesh: pods in order, then everything else; returns when nothing is left."""
    from lateen.cli.down import run_down

    raise Exit(run_down(name))


@commands.command(
    short_help="Show pods, addresses and problems.",
    epilog=examples(
        "lateen status", "lateen status -o json | jq '.pods[] | select(.isReady | not)'"
    ),
)
@form_option
@name_option
def status(output: str, name: str) -> None:
    """Show pods, proxies, addresses and problems. Exit status 1 unless all is ready."""
    from lateen.cli.show import run_status

    raise Exit(run_status(name, as_json=output == "json"))


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
@click.argument(
    "pod",
    default="",
    metavar="[POD]",
    help="POD, NAMESPACE/POD or deployment/NAME; with a filter all that fit, or none for all.",
    shell_complete=complete_pods,
)
@click.option(
    "-c",
    "--container",
    default="",
    metavar="CONTAINER",
    help="Which container; istio-proxy for the Envoy.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("-p", "--previous", is_flag=True, help="Of the container before its last restart.")
@click.option(
    "--tail",
    default=-1,
    show_default=True,
    type=int,
    metavar="LINES",
    help="Only so many last lines; -1 for all.",
)
@click.option("--timestamps", is_flag=True, help="Print times.")
@click.option("-l", "--selector", default="", metavar="K=V,…", help="All pods with these labels.")
@click.option("--grep", default="", metavar="TEXT", help="Only lines with this text, in any case.")
@click.option(
    "--level", default="", metavar="LEVEL", help="This grave or more: debug, info, warn, error."
)
@click.option("--trace", default="", metavar="TRACE_ID", help="Only lines of this trace.")
@click.option("--since", default="", metavar="DURATION", help="Not older than this: 30s, 10m, 2h.")
@pod_namespace_option
@name_option
def logs(  # noqa: PLR0913, PLR0917 - an option each
    pod: str,
    container: str,
    follow: bool,
    previous: bool,
    tail: int,
    timestamps: bool,
    selector: str,
    grep: str,
    level: str,
    trace: str,
    since: str,
    namespace: str,
    name: str,
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
        raise Exit(run_search(name, pod, namespace, asked))
    if not pod:
        raise click.BadParameter(
            "name a pod, or give a filter: -l, --grep, --level, --trace, --since"
        )
    wanted = Wanted(
        container=container,
        follow=follow,
        previous=previous,
        tail=tail if tail >= 0 else None,
        timestamps=timestamps,
    )
    raise Exit(run_logs(name, pod, namespace=namespace, wanted=wanted))


@commands.command(
    "why-denied",
    short_help="Show which policy refused a request, or let it in.",
    epilog=examples(
        "lateen why-denied                                      what was refused lately",
        "lateen why-denied 6f1f3c1e-9f0b-4b52-8f6e-2f7a1d0c9b11    at each proxy it passed",
    ),
)
@click.argument(
    "id",
    default="",
    metavar="[REQUEST_ID]",
    help="The request's x-request-id, as apps and access logs have it.",
)
@form_option
@name_option
def why_denied(id: str, output: str, name: str) -> None:
    """Show which policy refused a request, or which rule let it in, at each proxy that saw it.

    Without an id: what was refused lately. Exit status 1 when nothing is found.
    """
    from lateen.cli.why import run_why_denied

    raise Exit(run_why_denied(name, id, as_json=output == "json"))


@commands.command(epilog=examples('kubectl --kubeconfig "$(lateen kubeconfig)" get pods -A'))
@name_option
def kubeconfig(name: str) -> None:
    """Print the path of the kubeconfig of a running mesh."""
    from lateen.cli.finding import client_of, status_of

    print(status_of(client_of(name))["kubeconfig"])


@commands.command()
def version() -> None:
    """Print lateen's version."""
    from lateen import __version__

    print(__version__)
