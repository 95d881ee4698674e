"""Commands that know without running anything: `translate`, `explain`, `test`.

In: arguments.               Out: text or data, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/translating.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lateen.cli.options import Name, Namespace, examples

commands = typer.Typer()


class Stage(StrEnum):
    """What `translate` prints."""

    IR = "ir"
    ENVOY = "envoy"


class Data(StrEnum):
    """How data is printed."""

    YAML = "yaml"
    JSON = "json"


class Type(StrEnum):
    """Istio's proxy types."""

    SIDECAR = "sidecar"
    GATEWAY = "gateway"


Paths = Annotated[
    list[str], typer.Argument(help="Files and folders of YAML; - for stdin.", metavar="PATH")
]


def labels_of(text: str) -> dict[str, str]:
    """`app=web,version=v1` as labels."""
    found: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        name, mark, value = pair.partition("=")
        if not mark or not name:
            raise typer.BadParameter(f"{pair}: labels are written app=web,version=v1")
        found[name.strip()] = value.strip()
    return found


@commands.command(
    short_help="Print what a proxy would be told, of any files, offline.",
    epilog=examples(
        "lateen translate k8s/ istio/ --for deploy/web               the plan, in the words of traffic",
        "lateen translate k8s/ --for web.shop --to envoy --part routes   Envoy's routes",
        "lateen translate k8s/ --for gateway/main --to envoy -o json > dump.json   as a config_dump",
        "lateen translate istio/ --labels app=web,version=v2 --namespace shop",
    ),
)
def translate(  # noqa: PLR0913, PLR0917 - an option each
    paths: Paths,
    word: Annotated[
        str,
        typer.Option(
            "--for",
            help="Whose proxy: KIND/NAME, NAME, each with .NAMESPACE behind it if need be.",
            metavar="WORKLOAD",
        ),
    ] = "",
    to: Annotated[
        Stage, typer.Option("--to", help="ir: the plan; envoy: what Envoy is sent.")
    ] = Stage.IR,
    part: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            help="Only these: of envoy listeners, routes, clusters, endpoints, secrets; of ir its fields.",
            metavar="PART",
        ),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            "--labels", help="A proxy that no file has: its pod's labels.", metavar="A=B,…"
        ),
    ] = "",
    ip: Annotated[
        str, typer.Option("--ip", help="With --labels: its address.", metavar="ADDRESS")
    ] = "",
    type_: Annotated[
        Type, typer.Option("--type", help="With --labels: sidecar or gateway.")
    ] = Type.SIDECAR,
    account: Annotated[
        str, typer.Option("--account", help="With --labels: its service account.", metavar="NAME")
    ] = "default",
    namespace: Namespace = "default",
    output: Annotated[Data, typer.Option("-o", "--output", help="yaml or json.")] = Data.YAML,
) -> None:
    """Print any stage of any files for one proxy; the same files give the same bytes.

    The pods that Deployments, StatefulSets and their like would have are there, with addresses that
    follow from their names. Private keys are left out.
    """
    from lateen.cli.translating import Description, Translation, run_translate

    if bool(word) == bool(labels or ip):
        raise typer.BadParameter("whose proxy? give either --for WORKLOAD, or --labels and --ip")
    described = Description(
        labels=labels_of(labels),
        ip=ip,
        namespace=namespace,
        gateway=type_ is Type.GATEWAY,
        account=account,
    )
    asked = Translation(
        paths=tuple(paths),
        word=word,
        described=None if word else described,
        namespace=namespace,
        envoy=to is Stage.ENVOY,
        parts=tuple(part or ()),
        as_json=output is Data.JSON,
    )
    raise typer.Exit(run_translate(asked))


class Form(StrEnum):
    """How a journey is told."""

    TEXT = "text"
    JSON = "json"
    DOT = "dot"
    HTML = "html"


@commands.command(
    short_help="Follow one request through the mesh, rule by rule, with file and line.",
    epilog=examples(
        "lateen explain GET http://reviews:9080/v1?x=1 --from deploy/productpage -f k8s/ -f istio/",
        "lateen explain http://reviews:9080/ --from productpage -H 'end-user: jason' -f .   -o html",
        "lateen explain https://shop.example.com/ -f .        by the ingress gateway",
        "lateen explain http://reviews:9080/ --from web --why-not reviews/v3 -f .",
        "lateen explain http://reviews:9080/ --from web --live    on the running mesh, and sent",
        "lateen proxy config web -o json | lateen explain http://reviews:9080/ --dump -",
    ),
)
def explain(  # noqa: PLR0913, PLR0917 - an option each
    words: Annotated[
        list[str], typer.Argument(help="[METHOD] URL: http, https, tcp or tls.", metavar="REQUEST")
    ],
    source: Annotated[
        str,
        typer.Option("--from", help="Who sends it: KIND/NAME[.NAMESPACE].", metavar="WORKLOAD"),
    ] = "",
    via: Annotated[
        str,
        typer.Option(
            "--via", help="From outside, by this gateway (the ingress gateway).", metavar="GATEWAY"
        ),
    ] = "",
    files: Annotated[
        list[str] | None,
        typer.Option(
            "-f", "--file", help="Files or folders; none: the running mesh.", metavar="PATH"
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("-H", "--header", help="A request header, as curl has it.", metavar="'A: B'"),
    ] = None,
    jwt: Annotated[
        str,
        typer.Option(
            "--jwt", help="A token, or its claims as JSON; counts as signed.", metavar="TOKEN"
        ),
    ] = "",
    client: Annotated[
        str, typer.Option("--ip", help="From outside: the client's address.", metavar="ADDRESS")
    ] = "",
    why_not: Annotated[
        str,
        typer.Option("--why-not", help="Why does it not come to HOST, HOST/SUBSET or WORKLOAD?"),
    ] = "",
    live: Annotated[
        bool,
        typer.Option("--live", help="Send it on the running mesh, too; show both side by side."),
    ] = False,
    dump: Annotated[
        str,
        typer.Option(
            "--dump", help="An Envoy's config_dump, Istio's too; - for stdin.", metavar="FILE"
        ),
    ] = "",
    inbound: Annotated[
        bool, typer.Option("--inbound", help="With --dump: on its way in to the dumped pod.")
    ] = False,
    peer: Annotated[
        str,
        typer.Option("--peer", help="With --inbound: the caller's identity.", metavar="spiffe://…"),
    ] = "",
    output: Annotated[
        Form, typer.Option("-o", "--output", help="text, json, dot or html.")
    ] = Form.TEXT,
    namespace: Namespace = "default",
    name: Name = "default",
) -> None:
    """Follow one request from who sends it to who answers it.

    Every proxy on the way: listener, virtual host, each rule tried and why it did or did not match,
    shares, timeout, retries, fault; at the destination mTLS, tokens and every policy's rule; the answer,
    by whom, and the file and line of each. Nothing is sent, unless with --live.
    """
    from lateen.cli.explaining import Question, run_explain
    from lateen.explain.asking import ask_of, header_of

    if len(words) > 2:
        raise typer.BadParameter(f"one request, as in GET http://web:80/: {' '.join(words)}")
    if live and files:
        raise typer.BadParameter("--live is about the running mesh: leave out -f")
    if source and via:
        raise typer.BadParameter("--from a workload or --via a gateway, not both")
    ask = ask_of(
        words[0] if len(words) == 2 else "GET",
        words[-1],
        headers=[header_of(each) for each in header or ()],
        jwt=jwt,
    )
    asked = Question(
        ask=ask,
        source=source,
        via=via,
        client=client,
        paths=tuple(files or ()),
        name=name,
        namespace=namespace,
        dump=dump,
        inbound=inbound,
        peer=peer,
        why_not=why_not,
        live=live,
        form=output.value,
    )
    raise typer.Exit(run_explain(asked))


class Report(StrEnum):
    """How results of tests are told."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    TAP = "tap"


def _print_schema(wanted: bool) -> None:
    if wanted:
        import json

        from lateen.explain.suite import schema

        print(json.dumps(schema(), indent=2))
        raise typer.Exit


@commands.command(
    "test",
    short_help="Play the tests beside manifests (*.mesh-test.yaml) through the mesh they make.",
    epilog=examples(
        "lateen test .                          all *.mesh-test.yaml below this folder",
        "lateen test shop.mesh-test.yaml --coverage      and which rules no test meets",
        "lateen test . -k checkout --explain    failures with their whole way",
        "lateen test . --watch                  again whenever a file changes",
        "lateen test . --live                   on the running mesh, too",
        "lateen test . -o junit > report.xml    for CI",
        "lateen test --schema > mesh-test.schema.json    for editors",
    ),
)
def play_tests(  # noqa: PLR0913, PLR0917 - an option each
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Test files, or folders with them; none: here.", metavar="PATH"),
    ] = None,
    only: Annotated[
        str,
        typer.Option("-k", "--only", help="Only tests with this in their name.", metavar="WORD"),
    ] = "",
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Name the rules and policies that no test meets.")
    ] = False,
    least: Annotated[
        float,
        typer.Option(
            "--least", help="Fail below this coverage.", metavar="PERCENT", min=0, max=100
        ),
    ] = 0.0,
    explain_failures: Annotated[
        bool, typer.Option("--explain", help="With each failure the whole way of its request.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Play them again whenever a file changes.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Send the requests through the running mesh's real Envoys, too."
        ),
    ] = False,
    output: Annotated[
        Report, typer.Option("-o", "--output", help="text, json, junit or tap.")
    ] = Report.TEXT,
    name: Name = "default",
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            help="Print the JSON schema of the file.",
            callback=_print_schema,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Play tests of mesh configuration, without a mesh: a thousand of them take about a second.

    A test is a request and what is to become of it: who it reaches and in which share, status, path,
    headers, redirect, retries, timeout, mTLS, the policy that denies it.
    """
    from lateen.cli.trying import Trial, run_test

    asked = Trial(
        paths=tuple(paths or ["."]),
        only=only,
        form=output.value,
        coverage=coverage,
        least=least,
        explain=explain_failures,
        watch=watch,
        live=name if live else "",
    )
    raise typer.Exit(run_test(asked))
