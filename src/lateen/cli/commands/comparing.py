"""Commands that compare: `diff`.

In: arguments.               Out: text for people or programs, and an exit status.
Before: cli/options.py       After: cli/main.py, cli/differing.py
"""

from __future__ import annotations

import click
from click.exceptions import Exit

from lateen.cli.options import Commands, examples, name_option, namespace_option

commands = Commands()


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
@click.argument(
    "sides",
    nargs=-1,
    required=True,
    metavar="OLD NEW",
    help="OLD and NEW: a file or folder, REVISION:PATH, or mesh:NAME. With --git the paths.",
)
@click.option(
    "--git", default="", metavar="REV1..REV2", help="Compare these revisions of the paths."
)
@click.option(
    "--with", "beside", multiple=True, metavar="PATH", help="Files and folders that are in both."
)
@click.option(
    "-o",
    "--output",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json", "markdown"]),
    help="text, json or markdown.",
)
@click.option("--exit-zero", is_flag=True, help="Exit status 0 even if traffic changes.")
@click.option("--no-push", is_flag=True, help="Do not work out what proxies would be sent.")
@namespace_option
@name_option
def diff(
    sides: tuple[str, ...],
    git: str,
    beside: tuple[str, ...],
    output: str,
    exit_zero: bool,
    no_push: bool,
    namespace: str,
    name: str,
) -> None:
    """Say what requests would meet that they do not meet now; of rewritten rules that mean the same, nothing.

    Exit status: 0 no traffic changes, 1 some does, 2 one side cannot be read.
    """
    from lateen.cli.differing import Comparison, run_diff

    if git:
        first, mark, second = git.partition("..")
        if not first or not mark:
            raise click.BadParameter("two revisions are written REV1..REV2", param_hint="--git")
        old = tuple(f"{first}:{path}" for path in sides)
        new = tuple(f"{second}:{path}" for path in sides) if second else sides
    elif len(sides) == 2:
        old, new = (sides[0],), (sides[1],)
    else:
        raise click.BadParameter("give OLD and NEW, or --git REV1..REV2 and paths")
    asked = Comparison(
        old=(*old, *beside),
        new=(*new, *beside),
        namespace=namespace,
        mesh=name,
        form=output,
        exit_zero=exit_zero,
        with_push=not no_push,
    )
    raise Exit(run_diff(asked))
