"""Commands that know without running anything: `translate`, `explain`, `test`.

In: arguments.               Out: text or data, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/translating.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lateen.cli.options import Namespace, examples

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
