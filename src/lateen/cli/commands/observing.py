"""The commands that look at traffic: `lateen traces`, `lateen tap`; and `lateen logging`.

In: -        Out: commands.
Before: cli/options.py    After: cli/main.py, cli/traces.py, cli/tap.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lateen.cli.options import SETTINGS, Form, Name, Output, complete_pods, examples

commands = typer.Typer(context_settings=SETTINGS)
logging = typer.Typer(
    context_settings=SETTINGS,
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
def traces(  # noqa: PLR0913, PLR0917 - an option each
    id: Annotated[
        str,
        typer.Argument(metavar="TRACE_ID", help="One trace; none: search.", show_default=False),
    ] = "",
    service: Annotated[
        str, typer.Option("--service", help="APP.NAMESPACE of a span.", metavar="SERVICE")
    ] = "",
    operation: Annotated[
        str, typer.Option("--operation", help="A span's operation.", metavar="OPERATION")
    ] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="A span's tag; may be repeated.", metavar="K=V"),
    ] = None,
    least: Annotated[
        float, typer.Option("--min", help="Milliseconds a span took at least.", metavar="MS")
    ] = 0,
    most: Annotated[
        float, typer.Option("--max", help="Milliseconds a span took at most.", metavar="MS")
    ] = 0,
    errors: Annotated[bool, typer.Option("--errors", help="Only with a span in error.")] = False,
    since: Annotated[
        str, typer.Option("--since", help="Not older than this: 30s, 10m, 2h.", metavar="DURATION")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many.", metavar="TRACES")] = 20,
    output: Form = Output.TEXT,
    name: Name = "default",
) -> None:
    """Find traces by what one of their spans is, newest first; or show one trace as a tree.

    Exit status 1 when nothing is found.
    """
    from lateen.cli.traces import Asked, run_traces

    asked = Asked(
        service=service,
        operation=operation,
        tags=tuple(tag or ()),
        least=least,
        most=most,
        errors=errors,
        since=since,
        limit=limit,
    )
    raise typer.Exit(run_traces(name, id, asked, as_json=output is Output.JSON))


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
def tap(  # noqa: PLR0913, PLR0917 - an option each
    pod: Annotated[
        str,
        typer.Argument(
            metavar="POD",
            help="POD, NAMESPACE/POD or deployment/NAME; all that fit. None: every pod.",
            autocompletion=complete_pods,
            show_default=False,
        ),
    ] = "",
    source: Annotated[
        str,
        typer.Option("--from", help="Only from this pod (its name's beginning).", metavar="POD"),
    ] = "",
    method: Annotated[
        str, typer.Option("--method", help="Only GET, POST …", metavar="METHOD")
    ] = "",
    path: Annotated[
        str, typer.Option("--path", help="Paths that begin so; with * a pattern.", metavar="PATH")
    ] = "",
    status: Annotated[str, typer.Option("--status", help="404, or 5xx.", metavar="STATUS")] = "",
    authority: Annotated[
        str, typer.Option("--authority", help="Only for this Host.", metavar="HOST")
    ] = "",
    headers: Annotated[
        bool, typer.Option("--headers", help="Show headers, too; not tokens and cookies.")
    ] = False,
    outbound: Annotated[
        bool, typer.Option("--outbound", help="What the pods send, not what they are sent.")
    ] = False,
    count: Annotated[int, typer.Option("--count", help="End after so many.", metavar="N")] = 0,
    namespace: Annotated[
        str, typer.Option("-n", "--namespace", help="Only its pods.", metavar="NAMESPACE")
    ] = "",
    output: Form = Output.TEXT,
    name: Name = "default",
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
    raise typer.Exit(run_tap(name, pod, namespace, asked, as_json=output is Output.JSON))


@logging.command(
    short_help="Write settings for Promtail, Alloy, Fluent Bit, Fluentd, Filebeat, rsyslog.",
    epilog=examples(
        "lateen logging export logging",
        "lateen logging export logging --loki http://loki:3100 --elasticsearch http://es:9200",
    ),
)
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to; made if missing.", show_default=False)
    ],
    loki: Annotated[
        str, typer.Option("--loki", help="Where Loki listens.", metavar="URL")
    ] = "http://127.0.0.1:3100",
    elasticsearch: Annotated[
        str, typer.Option("--elasticsearch", help="Where Elasticsearch listens.", metavar="URL")
    ] = "http://127.0.0.1:9200",
    name: Name = "default",
) -> None:
    """Write settings with which well-known tools collect this mesh's logs, for Loki and for Elasticsearch.

    The pods' files have the layout and the format of a cluster's nodes; the tools run beside the mesh, as you.
    """
    from lateen.cli.logging import run_logging_export

    raise typer.Exit(run_logging_export(name, folder, loki=loki, elasticsearch=elasticsearch))
