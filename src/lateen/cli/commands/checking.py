"""Commands that look at manifests before anything runs: `analyze`.

In: arguments.               Out: text for people or programs, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/analyze.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lateen.cli.options import Name, Namespace, examples

commands = typer.Typer()


class Report(StrEnum):
    """How to write problems down."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"


class Weight(StrEnum):
    """From which level on."""

    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"


@commands.command(
    short_help="Find what is wrong in YAML, or surely not meant, before it runs.",
    epilog=examples(
        "lateen analyze k8s/ istio/",
        "lateen analyze                                         the objects of the running mesh",
        "kubectl kustomize . | lateen analyze -",
        "lateen analyze . --strict -o sarif > lateen.sarif      for GitHub's code scanning",
        "lateen analyze . --failure-threshold Warning -o github",
        'lateen analyze . --suppress "IST0101=VirtualService reviews.shop" --suppress LAT04*',
        "lateen analyze . --fix --dry-run                       what --fix would write",
        "lateen analyze --explain IST0101                       the page of a code",
    ),
)
def analyze(  # noqa: PLR0913, PLR0917 - each is an option
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files and folders of YAML; - for stdin. None: what the running mesh has.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Report, typer.Option("-o", "--output", help="text, json, yaml, sarif, junit or github.")
    ] = Report.TEXT,
    failure_threshold: Annotated[
        Weight,
        typer.Option(
            "--failure-threshold",
            help="From which level on problems fail the analysis.",
            case_sensitive=False,
        ),
    ] = Weight.ERROR,
    output_threshold: Annotated[
        Weight,
        typer.Option(
            "--output-threshold",
            help="From which level on problems are shown.",
            case_sensitive=False,
        ),
    ] = Weight.INFO,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    suppress: Annotated[
        list[str] | None,
        typer.Option(
            "-S",
            "--suppress",
            help='Leave out a code, or "CODE=KIND NAME.NAMESPACE"; * stands for anything.',
            metavar="CODE[=OBJECT]",
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend in the files what can be mended safely.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --fix: only show what would change.")
    ] = False,
    explain: Annotated[
        str,
        typer.Option("--explain", help="Print the page of a code instead.", metavar="CODE"),
    ] = "",
    namespace: Namespace = "default",
    name: Name = "default",
) -> None:
    """Find what is wrong in the files and folders given, alone and together, without a cluster.

    Codes IST… are those of `istioctl analyze`, LAT… are lateen's own; each has a page, docs/problems/CODE.md.
    An object leaves codes out for itself by the annotation galley.istio.io/analyze-suppress: CODE,CODE.

    Exit status: 0 nothing at or above the failure threshold, 1 something was found, 2 wrong usage.
    """
    from lateen.cli.analyze import Wish, run_analyze, run_explain

    if explain:
        raise typer.Exit(run_explain(explain))
    if dry_run and not fix:
        raise typer.BadParameter("goes with --fix", param_hint="--dry-run")
    wish = Wish(
        form=output.value,
        fails_at=failure_threshold.value,
        shows_from=output_threshold.value,
        strict=strict,
        suppress=tuple(suppress or ()),
        fix=fix,
        dry_run=dry_run,
        namespace=namespace,
        mesh=name,
    )
    raise typer.Exit(run_analyze(paths or [], wish))
