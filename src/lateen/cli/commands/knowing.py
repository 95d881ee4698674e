"""Commands that know without running anything: `translate`, `explain`, `test`.

In: arguments.               Out: text or data, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/translating.py
"""

from __future__ import annotations

import click
from click.exceptions import Exit

from lateen.cli.options import Commands, examples, name_option, namespace_option

commands = Commands()


def labels_of(text: str) -> dict[str, str]:
    """`app=web,version=v1` as labels."""
    found: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        name, mark, value = pair.partition("=")
        if not mark or not name:
            raise click.BadParameter(f"{pair}: labels are written app=web,version=v1")
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
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    help="Files and folders of YAML; - for stdin.",
)
@click.option(
    "--for",
    "word",
    default="",
    metavar="WORKLOAD",
    help="Whose proxy: KIND/NAME, NAME, each with .NAMESPACE behind it if need be.",
)
@click.option(
    "--to",
    default="ir",
    show_default=True,
    type=click.Choice(["ir", "envoy"]),
    help="ir: the plan; envoy: what Envoy is sent.",
)
@click.option(
    "--part",
    multiple=True,
    metavar="PART",
    help="Only these: of envoy listeners, routes, clusters, endpoints, secrets; of ir its fields.",
)
@click.option(
    "--labels", default="", metavar="A=B,…", help="A proxy that no file has: its pod's labels."
)
@click.option("--ip", default="", metavar="ADDRESS", help="With --labels: its address.")
@click.option(
    "--type",
    "type_",
    default="sidecar",
    show_default=True,
    type=click.Choice(["sidecar", "gateway"]),
    help="With --labels: sidecar or gateway.",
)
@click.option(
    "--account",
    default="default",
    show_default=True,
    metavar="NAME",
    help="With --labels: its service account.",
)
@namespace_option
@click.option(
    "-o",
    "--output",
    default="yaml",
    show_default=True,
    type=click.Choice(["yaml", "json"]),
    help="yaml or json.",
)
def translate(  # noqa: PLR0913, PLR0917 - an option each
    paths: tuple[str, ...],
    word: str,
    to: str,
    part: tuple[str, ...],
    labels: str,
    ip: str,
    type_: str,
    account: str,
    namespace: str,
    output: str,
) -> None:
    """Print any stage of any files for one proxy; the same files give the same bytes.

    The pods that Deployments, StatefulSets and their like would have are there, with addresses that
    follow from their names. Private keys are left out.
    """
    from lateen.cli.translating import Description, Translation, run_translate

    if bool(word) == bool(labels or ip):
        raise click.BadParameter("whose proxy? give either --for WORKLOAD, or --labels and --ip")
    described = Description(
        labels=labels_of(labels),
        ip=ip,
        namespace=namespace,
        gateway=type_ == "gateway",
        account=account,
    )
    asked = Translation(
        paths=tuple(paths),
        word=word,
        described=None if word else described,
        namespace=namespace,
        envoy=to == "envoy",
        parts=part,
        as_json=output == "json",
    )
    raise Exit(run_translate(asked))


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
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="REQUEST...",
    help="[METHOD] URL: http, https, tcp or tls.",
)
@click.option(
    "--from", "source", default="", metavar="WORKLOAD", help="Who sends it: KIND/NAME[.NAMESPACE]."
)
@click.option(
    "--via",
    default="",
    metavar="GATEWAY",
    help="From outside, by this gateway (the ingress gateway).",
)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="PATH",
    help="Files or folders; none: the running mesh.",
)
@click.option(
    "-H", "--header", multiple=True, metavar="'A: B'", help="A request header, as curl has it."
)
@click.option(
    "--jwt", default="", metavar="TOKEN", help="A token, or its claims as JSON; counts as signed."
)
@click.option(
    "--ip", "client", default="", metavar="ADDRESS", help="From outside: the client's address."
)
@click.option(
    "--why-not", default="", help="Why does it not come to HOST, HOST/SUBSET or WORKLOAD?"
)
@click.option(
    "--live", is_flag=True, help="Send it on the running mesh, too; show both side by side."
)
@click.option(
    "--dump", default="", metavar="FILE", help="An Envoy's config_dump, Istio's too; - for stdin."
)
@click.option("--inbound", is_flag=True, help="With --dump: on its way in to the dumped pod.")
@click.option(
    "--peer", default="", metavar="spiffe://…", help="With --inbound: the caller's identity."
)
@click.option(
    "-o",
    "--output",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json", "dot", "html"]),
    help="text, json, dot or html.",
)
@namespace_option
@name_option
def explain(  # noqa: PLR0913, PLR0917 - an option each
    words: tuple[str, ...],
    source: str,
    via: str,
    files: tuple[str, ...],
    header: tuple[str, ...],
    jwt: str,
    client: str,
    why_not: str,
    live: bool,
    dump: str,
    inbound: bool,
    peer: str,
    output: str,
    namespace: str,
    name: str,
) -> None:
    """Follow one request from who sends it to who answers it.

    Every proxy on the way: listener, virtual host, each rule tried and why it did or did not match,
    shares, timeout, retries, fault; at the destination mTLS, tokens and every policy's rule; the answer,
    by whom, and the file and line of each. Nothing is sent, unless with --live.
    """
    from lateen.cli.explaining import Question, run_explain
    from lateen.explain.asking import ask_of, header_of

    if len(words) > 2:
        raise click.BadParameter(f"one request, as in GET http://web:80/: {' '.join(words)}")
    if live and files:
        raise click.BadParameter("--live is about the running mesh: leave out -f")
    if source and via:
        raise click.BadParameter("--from a workload or --via a gateway, not both")
    ask = ask_of(
        words[0] if len(words) == 2 else "GET",
        words[-1],
        headers=[header_of(each) for each in header],
        jwt=jwt,
    )
    asked = Question(
        ask=ask,
        source=source,
        via=via,
        client=client,
        paths=files,
        name=name,
        namespace=namespace,
        dump=dump,
        inbound=inbound,
        peer=peer,
        why_not=why_not,
        live=live,
        form=output,
    )
    raise Exit(run_explain(asked))


def _print_schema(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    if wanted:
        import json

        from lateen.explain.suite import schema

        print(json.dumps(schema(), indent=2))
        raise Exit


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
@click.argument(
    "paths", nargs=-1, metavar="[PATH]...", help="Test files, or folders with them; none: here."
)
@click.option(
    "-k", "--only", default="", metavar="WORD", help="Only tests with this in their name."
)
@click.option("--coverage", is_flag=True, help="Name the rules and policies that no test meets.")
@click.option(
    "--least",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0, max=100),
    metavar="PERCENT",
    help="Fail below this coverage.",
)
@click.option(
    "--explain",
    "explain_failures",
    is_flag=True,
    help="With each failure the whole way of its request.",
)
@click.option("--watch", is_flag=True, help="Play them again whenever a file changes.")
@click.option(
    "--live", is_flag=True, help="Send the requests through the running mesh's real Envoys, too."
)
@click.option(
    "-o",
    "--output",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json", "junit", "tap"]),
    help="text, json, junit or tap.",
)
@name_option
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON schema of the file.",
)
def play_tests(  # noqa: PLR0913, PLR0917 - an option each
    paths: tuple[str, ...],
    only: str,
    coverage: bool,
    least: float,
    explain_failures: bool,
    watch: bool,
    live: bool,
    output: str,
    name: str,
) -> None:
    """Play tests of mesh configuration, without a mesh: a thousand of them take about a second.

    A test is a request and what is to become of it: who it reaches and in which share, status, path,
    headers, redirect, retries, timeout, mTLS, the policy that denies it.
    """
    from lateen.cli.trying import Trial, run_test

    asked = Trial(
        paths=paths or (".",),
        only=only,
        form=output,
        coverage=coverage,
        least=least,
        explain=explain_failures,
        watch=watch,
        live=name if live else "",
    )
    raise Exit(run_test(asked))
