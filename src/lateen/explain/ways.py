"""The whole way of a request: hops through proxies, legs between them, answers at their ends.

In: -    Out: Journey, Hop, Leg, Answer, End; `ends_of`, `hops_of`.
Before: steps.py, request.py       After: journey.py, telling.py, drawing.py
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from lateen.base.origin import Origin
from lateen.explain.asking import Ask
from lateen.explain.request import Outcome, Request, Way
from lateen.explain.steps import Step
from lateen.world.model import Workload


class Answer(Struct, frozen=True, kw_only=True):
    """Who answers what. `status` is 0 where no HTTP is spoken; `app` if it is no proxy's own answer."""

    status: int
    by: str
    why: str = ""
    origin: str = ""
    app: bool = False
    location: str = ""


class Leg(Struct, frozen=True, kw_only=True):
    """One of the ways on from a hop: the share of its requests (percent), where to, and what comes of it.

    `to` is the workload (`shop/reviews-v1`) or the host outside; `mtls` if the mesh encrypts it; `copy`
    for a mirror, whose answer nobody hears.
    """

    share: float
    cluster: str
    to: str
    subset: str = ""
    endpoints: tuple[str, ...] = ()
    mtls: bool = False
    copy: bool = False
    origins: tuple[Origin, ...] = ()
    steps: tuple[Step, ...] = ()
    then: Hop | Answer


class Hop(Struct, frozen=True, kw_only=True):
    """What one pod's proxy does with a request; `outcome` is None for a pod without one."""

    workload: Workload
    way: Way
    request: Request
    steps: tuple[Step, ...]
    outcome: Outcome | None
    then: tuple[Leg, ...] | Answer


class Journey(Struct, frozen=True, kw_only=True):
    """The whole way of one request; `source` is None for a client outside."""

    ask: Ask
    source: Workload | None
    steps: tuple[Step, ...]
    then: Hop | Answer


class End(Struct, frozen=True, kw_only=True):
    """One way's end: its share of all requests, the legs that led to it, the last hop, the answer."""

    share: float
    legs: tuple[Leg, ...]
    hops: tuple[Hop, ...]
    answer: Answer


def ends_of(journey: Journey) -> Iterator[End]:
    """Every way's end; mirrored copies are left out."""
    if isinstance(journey.then, Answer):
        yield End(share=100.0, legs=(), hops=(), answer=journey.then)
    else:
        yield from _ends(journey.then, 100.0, (), ())


def hops_of(journey: Journey) -> Iterator[Hop]:
    """Every hop, mirrored copies' too, in the order in which they are told."""
    if isinstance(journey.then, Hop):
        yield from _hops(journey.then)


def _hops(hop: Hop) -> Iterator[Hop]:
    yield hop
    for leg in hop.then if isinstance(hop.then, tuple) else ():
        if isinstance(leg.then, Hop):
            yield from _hops(leg.then)


def _ends(hop: Hop, share: float, legs: tuple[Leg, ...], hops: tuple[Hop, ...]) -> Iterator[End]:
    if isinstance(hop.then, Answer):
        yield End(share=share, legs=legs, hops=(*hops, hop), answer=hop.then)
        return
    for leg in hop.then:
        if leg.copy:
            continue
        part, way = share * leg.share / 100, (*legs, leg)
        if isinstance(leg.then, Hop):
            yield from _ends(leg.then, part, way, (*hops, hop))
        else:
            yield End(share=part, legs=way, hops=(*hops, hop), answer=leg.then)
