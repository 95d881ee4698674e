"""What commands that look at files have in common: read them, tell what is wrong with them.

In: paths from the command line.      Out: Draft, words on stderr.
Before: stages/drafts.py              After: cli/translating.py, cli/explaining.py, cli/trying.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from lateen.api.objects import Obj
from lateen.base.errors import LateenError
from lateen.base.problem import Level
from lateen.stages.drafts import Draft, draft_as_is, draft_from


def read_draft(
    paths: Sequence[str], *, namespace: str = "default", further: Iterable[Obj] = ()
) -> Draft:
    """The mesh that the files would make; what was left out of it is told on stderr.

    Raises LateenError when nothing at all can be read from them.
    """
    draft = draft_from(paths, stdin=sys.stdin, namespace=namespace, further=further)
    if draft.refused:
        for problem in draft.problems:
            if problem.level is Level.ERROR:
                print(problem, file=sys.stderr)
    if not draft.files:
        said = "; ".join(problem.message for problem in draft.problems)
        raise LateenError(f"{', '.join(paths)}: {said or 'there is nothing to read'}")
    return draft


def running_draft(name: str, otherwise: str = "") -> Draft:
    """A running mesh as it is now. Raises Unreachable, which says what to do `otherwise`."""
    from lateen.cli.meshobjects import everything_in_mesh

    return draft_as_is(everything_in_mesh(name, otherwise))
