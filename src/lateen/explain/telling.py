"""Tell a journey in lines that people read.

In: Journey.             Out: lines of text.
Before: ways.py          After: cli/explaining.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.base.origin import Origin
from lateen.explain.request import Forwarded, Request, Tries
from lateen.explain.steps import Step
from lateen.explain.ways import Answer, End, Hop, Journey, Leg, ends_of
from lateen.ir.routes import HeaderChanges

_WAYS = {"outbound": "on the way out", "inbound": "on the way in", "gateway": "at the gateway"}
_HELD, _NOT = "+", "-"


def told(journey: Journey) -> Iterator[str]:
    """The whole way, hop by hop; at the end who answers what, with shares.

    A step begins with + where it concerned the request, with - where it did not or refused it.
    """
    who = _who(journey.source.namespace, journey.source.workload) if journey.source else "outside"
    yield f"{journey.ask.text} from {who}"
    for step in journey.steps:
        yield f"  {line_of(step)}"
    if isinstance(journey.then, Hop):
        yield from _hop(journey.then, 100.0)
    yield ""
    for end in ends_of(journey):
        yield _end(end)


def line_of(step: Step) -> str:
    """One step: what it is, why, and the object, file and line it comes from."""
    name = step.name or _field(step.origin)
    words = " ".join(filter(None, (step.part.value, name)))
    why = f": {step.why}" if step.why else ""
    return f"{_HELD if step.held else _NOT} {words}{why}{_place(step.origin)}"


def _field(origin: Origin | str) -> str:
    return origin.field.removeprefix("spec.") if isinstance(origin, Origin) else ""


def _place(origin: Origin | str) -> str:
    if isinstance(origin, str):
        return f"  [{origin}]" if origin else ""
    if origin.key is None:
        return f"  [{origin.field}]" if origin.field else ""
    place = f", {origin.place}" if origin.place else ""
    return f"  [{origin.text}{place}]"


def _who(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"


def _hop(hop: Hop, share: float) -> Iterator[str]:
    who = _who(hop.workload.namespace, hop.workload.workload)
    part = "" if share > 99.99 else f", {percent(share)} of all"
    proxy = "" if hop.outcome else " (no proxy)"
    yield ""
    yield f"{who}, {_WAYS[hop.way.value]}{proxy}{part}"
    for step in hop.steps:
        yield f"  {line_of(step)}"
    if isinstance(hop.outcome, Forwarded):
        for line in sent_lines(hop.outcome, hop.request):
            yield f"    {line}"
    if isinstance(hop.then, Answer):
        yield f"  = {answer_words(hop.then)}"
        return
    for leg in hop.then:
        yield f"  > {leg_words(leg)}"
        for step in leg.steps:
            yield f"    {line_of(step)}"
        for origin in leg.origins:
            yield f"      by{_place(origin).replace('  [', ' ').rstrip(']')}"
        if isinstance(leg.then, Answer):
            yield f"    = {answer_words(leg.then)}"
    for leg in hop.then:
        if isinstance(leg.then, Hop):
            yield from _hop(leg.then, share * leg.share / 100)


def leg_words(leg: Leg) -> str:
    """`90 % to shop/web-v1, subset v1, 2 endpoints, mTLS (outbound|80|v1|web…)`."""
    kind = " copied" if leg.copy else ""
    if not leg.cluster and not leg.to:
        return f"{percent(leg.share)} not sent on"
    count = len(leg.endpoints)
    words = (
        f"{percent(leg.share)}{kind} to {leg.to or 'nobody'}",
        f"subset {leg.subset}" if leg.subset else "",
        f"{count} endpoints" if count > 1 else leg.endpoints[0] if count else "",
        "mTLS" if leg.mtls else "not encrypted by the mesh",
    )
    cluster = f" ({leg.cluster})" if leg.cluster else ""
    return ", ".join(filter(None, words)) + cluster


def sent_lines(sent: Forwarded, request: Request) -> Iterator[str]:
    """What is done to a request that is sent on, a line each."""
    if sent.path != request.path:
        yield f"path becomes {sent.path}"
    if sent.authority != request.authority:
        yield f"host becomes {sent.authority}"
    if sent.delays:
        yield f"{percent(sent.delays[0])} held back for {seconds(sent.delays[1])} on purpose"
    if sent.aborts:
        yield f"{percent(sent.aborts[0])} answered {sent.aborts[1]} on purpose"
    if sent.timeout:
        yield f"timeout {seconds(sent.timeout)}"
    if sent.tries:
        yield tries_words(sent.tries)
    if sent.hashed:
        yield f"the endpoint follows from {', '.join(sent.hashed)}"
    for number, changes in enumerate(sent.changes):
        to = f" to {sent.shares[number][0]}" if len(sent.shares) > 1 else ""
        for each in changes.request:
            yield f"request headers{to}: {_changes(each)}"
        for each in changes.response:
            yield f"answer's headers{to}: {_changes(each)}"


def tries_words(tries: Tries) -> str:
    """`2 retries on 5xx,reset, each up to 1 s`."""
    number = f"{tries.attempts} {'retry' if tries.attempts == 1 else 'retries'}"
    codes = f" ({', '.join(map(str, tries.statuses))})" if tries.statuses else ""
    each = f", each up to {seconds(tries.each)}" if tries.each else ""
    return f"{number} on {','.join(tries.on)}{codes}{each}"


def _changes(changes: HeaderChanges) -> str:
    sets = (f"{name}={value}" for name, value in changes.set)
    adds = (f"{name}+={value}" for name, value in changes.add)
    gone = (f"{name} removed" for name in changes.remove)
    return ", ".join((*sets, *adds, *gone))


def answer_words(answer: Answer) -> str:
    """`403 by the proxy of shop/web: why  [where]`."""
    status = str(answer.status) if answer.status else "connection" if answer.app else "closed"
    who = f"the app of {answer.by}" if answer.app and "outside" not in answer.by else answer.by
    if answer.app:
        return f"{status}, as {who} answers" if answer.status else f"{status} to {who}"
    return f"{status} by {who}" + (f": {answer.why}" if answer.why else "") + _place(answer.origin)


def _end(end: End) -> str:
    return f"{percent(end.share)}: {answer_words(end.answer)}"


def percent(share: float) -> str:
    """`90 %`, `33.3 %`."""
    return f"{round(share, 1):g} %"


def seconds(time: float) -> str:
    """`0.5 s`."""
    return f"{time:g} s"
