"""Commands that compare: `diff`.

In: arguments.               Out: text for people or programs, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/differing.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lateen.cli.options import Name, Namespace, examples

commands = typer.Typer()


class Report(StrEnum):
    """How to write changes down."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


@commands.command(
    short_help="Tell what traffic changes between two sets of files.",
    epilog=examples(
        "lateen diff old/ new/",
        "lateen diff main:deploy deploy                     the working tree against a branch",
        "lateen diff --git main..HEAD k8s istio             two revisions of some folders",
        "lateen diff mesh: deploy                           the running mesh against files",
        "lateen diff old.yaml new.yaml --with k8s/          what did not change is needed, too",
        "lateen diff main:deploy deploy -o markdown --exit-zero > comment.md",
    ),
)
def diff(
    sides: Annotated[
        list[str],
        typer.Argument(
            help="OLD and NEW: a file or folder, REVISION:PATH, or mesh:NAME. With --git the paths.",
            metavar="OLD NEW",
            show_default=False,
        ),
    ],
    git: Annotated[
        str,
        typer.Option("--git", help="Compare these revisions of the paths.", metavar="REV1..REV2"),
    ] = "",
    beside: Annotated[
        list[str] | None,
        typer.Option("--with", help="Files and folders that are in both.", metavar="PATH"),
    ] = None,
    output: Annotated[
        Report, typer.Option("-o", "--output", help="text, json or markdown.")
    ] = Report.TEXT,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit status 0 even if traffic changes.")
    ] = False,
    no_push: Annotated[
        bool, typer.Option("--no-push", help="Do not work out what proxies would be sent.")
    ] = False,
    namespace: Namespace = "default",
    name: Name = "default",
) -> None:
    """Say what requests would meet that they do not meet now; of rewritten rules that mean the same, nothing.

    Exit status: 0 no traffic changes, 1 some does, 2 one side cannot be read.
    """
    from lateen.cli.differing import Comparison, run_diff

    if git:
        first, mark, second = git.partition("..")
        if not first or not mark:
            raise typer.BadParameter("two revisions are written REV1..REV2", param_hint="--git")
        old = tuple(f"{first}:{path}" for path in sides)
        new = tuple(f"{second}:{path}" for path in sides) if second else tuple(sides)
    elif len(sides) == 2:
        old, new = (sides[0],), (sides[1],)
    else:
        raise typer.BadParameter("give OLD and NEW, or --git REV1..REV2 and paths")
    asked = Comparison(
        old=(*old, *(beside or ())),
        new=(*new, *(beside or ())),
        namespace=namespace,
        mesh=name,
        form=output.value,
        exit_zero=exit_zero,
        with_push=not no_push,
    )
    raise typer.Exit(run_diff(asked))
