"""What becomes of a property: proved, refuted by a request, or only not refuted.

In: -      Out: Verdict (a union).
Before: -  After: properties/proving.py, cli/
"""

from __future__ import annotations

from msgspec import Struct

from lateen.explain.request import Request
from lateen.explain.symbolic.saying import said_request

OUTSIDE = "outside the mesh"


class Proved(Struct, frozen=True, kw_only=True):
    """It holds for every request; so many classes of requests were looked at."""

    classes: int


class Refuted(Struct, frozen=True, kw_only=True):
    """It does not hold: this request, from a workload (NAME.NAMESPACE), gets to another, or is kept from it.

    `request` is what the sender's proxy (or the gateway) gets, `arrived` what the target's proxy gets of it, None if none
    does. `why` names the rules, with their places. `confirmed`: the walkers say the same.
    """

    source: str
    target: str
    request: Request
    arrived: Request | None
    why: tuple[str, ...]
    confirmed: bool


class Sampled(Struct, frozen=True, kw_only=True):
    """Nothing was found that breaks it, in so many classes; for these reasons that is no proof."""

    classes: int
    doubts: tuple[str, ...]


Verdict = Proved | Refuted | Sampled


def simplicity(found: Refuted) -> tuple[bool, bool, int, str]:
    """By which the plainest of several is found."""
    request = found.request
    said = len(request.path) + len(request.authority) + 10 * len(request.headers)
    return (request.raw, request.method != "GET", said, found.source)


def told(verdict: Verdict) -> tuple[str, ...]:
    """What breaks a property, or why nothing is proved, in lines; none for one that is proved."""
    match verdict:
        case Proved():
            return ()
        case Sampled():
            return tuple(f"no proof: {doubt}" for doubt in verdict.doubts)
        case Refuted():
            asked = f"{said_request(verdict.request)} from {verdict.source}"
            return (f"{asked} {_end(verdict)}", *(f"  by {each}" for each in verdict.why))


def _end(found: Refuted) -> str:
    if found.arrived is None:
        return "leaves the mesh" if found.target == OUTSIDE else "does not get to where it is to"
    path = found.arrived.path
    as_what = "" if path == found.request.path else f", as {found.arrived.method} {path}"
    return f"gets to {found.target}{as_what}"
