"""Commands that look at manifests before anything runs: `analyze`.

In: arguments.               Out: text for people or programs, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/analyze.py
"""

from __future__ import annotations

import click
from click.exceptions import Exit

from lateen.cli.options import Commands, examples, name_option, namespace_option

commands = Commands()


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
@click.argument(
    "paths",
    nargs=-1,
    metavar="[PATH]...",
    help="Files and folders of YAML; - for stdin. None: what the running mesh has.",
)
@click.option(
    "-o",
    "--output",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json", "yaml", "sarif", "junit", "github"]),
    help="text, json, yaml, sarif, junit or github.",
)
@click.option(
    "--failure-threshold",
    default="Error",
    show_default=True,
    type=click.Choice(["Info", "Warning", "Error"], case_sensitive=False),
    help="From which level on problems fail the analysis.",
)
@click.option(
    "--output-threshold",
    default="Info",
    show_default=True,
    type=click.Choice(["Info", "Warning", "Error"], case_sensitive=False),
    help="From which level on problems are shown.",
)
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option(
    "-S",
    "--suppress",
    multiple=True,
    metavar="CODE[=OBJECT]",
    help='Leave out a code, or "CODE=KIND NAME.NAMESPACE"; * stands for anything.',
)
@click.option("--fix", is_flag=True, help="Mend in the files what can be mended safely.")
@click.option("--dry-run", is_flag=True, help="With --fix: only show what would change.")
@click.option("--explain", default="", metavar="CODE", help="Print the page of a code instead.")
@namespace_option
@name_option
def analyze(  # noqa: PLR0913, PLR0917 - an option each
    paths: tuple[str, ...],
    output: str,
    failure_threshold: str,
    output_threshold: str,
    strict: bool,
    suppress: tuple[str, ...],
    fix: bool,
    dry_run: bool,
    explain: str,
    namespace: str,
    name: str,
) -> None:
    """Find what is wrong in the files and folders given, alone and together, without a cluster.

    Codes IST… are those of `istioctl analyze`, LAT… are lateen's own; each has a page, docs/problems/CODE.md.
    An object leaves codes out for itself by the annotation galley.istio.io/analyze-suppress: CODE,CODE.

    Exit status: 0 nothing at or above the failure threshold, 1 something was found, 2 wrong usage.
    """
    from lateen.cli.analyze import Wish, run_analyze, run_explain

    if explain:
        raise Exit(run_explain(explain))
    if dry_run and not fix:
        raise click.BadParameter("goes with --fix", param_hint="--dry-run")
    wish = Wish(
        form=output,
        fails_at=failure_threshold,
        shows_from=output_threshold,
        strict=strict,
        suppress=suppress,
        fix=fix,
        dry_run=dry_run,
        namespace=namespace,
        mesh=name,
    )
    raise Exit(run_analyze(paths, wish))
