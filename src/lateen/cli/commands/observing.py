"""The commands that look at traffic: `lateen traces`, `lateen tap`; and `lateen logging`.

In: -        Out: commands.
Before: cli/options.py    After: cli/main.py, cli/traces.py, cli/tap.py
"""

from __future__ import annotations

from pathlib import Path

import click
from click.exceptions import Exit

from lateen.cli.options import Commands, complete_pods, examples, form_option, name_option

commands = Commands()
logging = Commands(
    no_args_is_help=True,
    help="Settings for the tools that collect logs.",
)


@commands.command(
    short_help="Find traces, or show one as a tree.",
    epilog=examples(
        "lateen traces                                    the newest",
        "lateen traces --service web.shop --errors        those in which a span of web went wrong",
        "lateen traces --min 500 --since 10m              that have a span of half a second or more",
        "lateen traces --tag http.status_code=503",
        "lateen traces 7e4670e64217649fa65e9b4a895db74a   one, span by span",
    ),
)
@click.argument("id", default="", metavar="[TRACE_ID]", help="One trace; none: search.")
@click.option("--service", default="", metavar="SERVICE", help="APP.NAMESPACE of a span.")
@click.option("--operation", default="", metavar="OPERATION", help="A span's operation.")
@click.option("--tag", multiple=True, metavar="K=V", help="A span's tag; may be repeated.")
@click.option(
    "--min",
    "least",
    default=0,
    show_default=True,
    type=float,
    metavar="MS",
    help="Milliseconds a span took at least.",
)
@click.option(
    "--max",
    "most",
    default=0,
    show_default=True,
    type=float,
    metavar="MS",
    help="Milliseconds a span took at most.",
)
@click.option("--errors", is_flag=True, help="Only with a span in error.")
@click.option("--since", default="", metavar="DURATION", help="Not older than this: 30s, 10m, 2h.")
@click.option(
    "--limit", default=20, show_default=True, type=int, metavar="TRACES", help="How many."
)
@form_option
@name_option
def traces(  # noqa: PLR0913, PLR0917 - an option each
    id: str,
    service: str,
    operation: str,
    tag: tuple[str, ...],
    least: float,
    most: float,
    errors: bool,
    since: str,
    limit: int,
    output: str,
    name: str,
) -> None:
    """Find traces by what one of their spans is, newest first; or show one trace as a tree.

    Exit status 1 when nothing is found.
    """
    from lateen.cli.traces import Asked, run_traces

    asked = Asked(
        service=service,
        operation=operation,
        tags=tag,
        least=least,
        most=most,
        errors=errors,
        since=since,
        limit=limit,
    )
    raise Exit(run_traces(name, id, asked, as_json=output == "json"))


@commands.command(
    short_help="Show requests as they pass.",
    epilog=examples(
        "lateen tap                             all that arrives at any pod",
        "lateen tap deployment/web --status 5xx",
        "lateen tap web --from istio-ingressgateway --path '/api/*' --headers",
        "lateen tap -n shop -o json --count 10",
        "lateen tap web --outbound              what web itself asks for",
    ),
)
@click.argument(
    "pod",
    default="",
    metavar="[POD]",
    help="POD, NAMESPACE/POD or deployment/NAME; all that fit. None: every pod.",
    shell_complete=complete_pods,
)
@click.option(
    "--from", "source", default="", metavar="POD", help="Only from this pod (its name's beginning)."
)
@click.option("--method", default="", metavar="METHOD", help="Only GET, POST …")
@click.option("--path", default="", metavar="PATH", help="Paths that begin so; with * a pattern.")
@click.option("--status", default="", metavar="STATUS", help="404, or 5xx.")
@click.option("--authority", default="", metavar="HOST", help="Only for this Host.")
@click.option("--headers", is_flag=True, help="Show headers, too; not tokens and cookies.")
@click.option("--outbound", is_flag=True, help="What the pods send, not what they are sent.")
@click.option(
    "--count", default=0, show_default=True, type=int, metavar="N", help="End after so many."
)
@click.option("-n", "--namespace", default="", metavar="NAMESPACE", help="Only its pods.")
@form_option
@name_option
def tap(  # noqa: PLR0913, PLR0917 - an option each
    pod: str,
    source: str,
    method: str,
    path: str,
    status: str,
    authority: str,
    headers: bool,
    outbound: bool,
    count: int,
    namespace: str,
    output: str,
    name: str,
) -> None:
    """Show requests as they pass: from whom, to whom, method, path, status, time to the answer.

    Bodies are not looked at. Refused requests are shown as well. Ctrl-C ends it.
    """
    from lateen.cli.tap import Asked, run_tap

    asked = Asked(
        source=source,
        method=method,
        path=path,
        status=status,
        authority=authority,
        headers=headers,
        outbound=outbound,
        count=count,
    )
    raise Exit(run_tap(name, pod, namespace, asked, as_json=output == "json"))


@logging.command(
    short_help="Write settings for Promtail, Alloy, Fluent Bit, Fluentd, Filebeat, rsyslog.",
    epilog=examples(
        "lateen logging export logging",
        "lateen logging export logging --loki http://loki:3100 --elasticsearch http://es:9200",
    ),
)
@click.argument(
    "folder", type=click.Path(path_type=Path), metavar="DIR", help="Where to; made if missing."
)
@click.option(
    "--loki",
    default="http://127.0.0.1:3100",
    show_default=True,
    metavar="URL",
    help="Where Loki listens.",
)
@click.option(
    "--elasticsearch",
    default="http://127.0.0.1:9200",
    show_default=True,
    metavar="URL",
    help="Where Elasticsearch listens.",
)
@name_option
def export(folder: Path, loki: str, elasticsearch: str, name: str) -> None:
    """Write settings with which well-known tools collect this mesh's logs, for Loki and for Elasticsearch.

    The pods' files have the layout and the format of a cluster's nodes; the tools run beside the mesh, as you.
    """
    from lateen.cli.logging import run_logging_export

    raise Exit(run_logging_export(name, folder, loki=loki, elasticsearch=elasticsearch))
