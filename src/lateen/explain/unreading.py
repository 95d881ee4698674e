"""Answer a made-up request whose path Envoy does not take, whatever its routes and policies say.

In: Request.                       Out: the answer, or None.
Before: urls.py, request.py        After: walk_ir.py, walk_envoy.py
"""

from __future__ import annotations

from lateen.explain.request import Answered, Request
from lateen.explain.steps import Part, Step, Walk
from lateen.explain.urls import unreadable


def unread(request: Request, *, resolve: bool) -> Walk[Answered | None]:
    """What Envoy answers to a path that it does not take; None if it takes it."""
    why = unreadable(request.path, resolve=resolve)
    if not why:
        return None
    yield Step(part=Part.CHAIN, name="HTTP", held=False, because=f"{why}: 400")
    return Answered(route="", origin="", status=400)
