"""Play tests on a running mesh: send each request, and hold what came of it against what was expected.

In: suites, the mesh's name.                          Out: Report.
Before: cli/sending.py, stages/rehearsing.py          After: cli/trying.py

What only a plan can tell (timeouts, retries, mTLS) is told by the mesh's own, as it is now; status, who
answers and in which share, redirects and refusals are what happened.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from lateen.base.errors import LateenError
from lateen.cli.reading import running_draft
from lateen.cli.sending import Live, Sender, sender_for
from lateen.explain.expecting import names_of
from lateen.explain.suite import Case, Expect, span_of
from lateen.explain.ways import Journey, ends_of
from lateen.stages.rehearsing import Rehearsal, Report, Result, rehearse

_MANY = 40  # requests from which a share is told
_SLACK = 15.0  # percent that so few may miss a share by


def rehearse_live(paths: tuple[str, ...], name: str, *, only: str = "") -> Report:
    """Play the tests, and send the request of each that is well so far. Raises Unreachable."""
    sender = sender_for(name)
    mesh = Rehearsal(draft=running_draft(name))
    played = rehearse(paths, only=only, mesh=mesh)
    results = tuple(_sent(sender, each) for each in played.results)
    return replace(played, results=results)


def _sent(sender: Sender, result: Result) -> Result:
    if result.case is None or result.journey is None or result.differences:
        return result
    if result.journey.ask.raw:
        return result
    started = time.perf_counter()
    try:
        found = tuple(_differs(sender, result.case, result.journey))
    except LateenError as fault:
        found = (f"live: {fault}",)
    seconds = result.seconds + time.perf_counter() - started
    return replace(result, differences=found, seconds=seconds)


def _differs(sender: Sender, case: Case, journey: Journey) -> Iterator[str]:
    shares = isinstance(case.expect.reaches, Mapping)
    times = case.times or (_MANY if shares and journey.source else 1)
    sent = [sender.send(journey) for _ in range(times)]
    lives = [sender.traced(live, journey) for live in sent]
    yield from _status(case.expect, lives)
    yield from _redirect(case.expect, lives)
    if journey.source is not None:
        yield from _reaches(case.expect, journey, lives)
        yield from _denied(case.expect, lives)


def _status(expect: Expect, lives: list[Live]) -> Iterator[str]:
    if expect.status is None:
        return
    wanted = (expect.status,) if isinstance(expect.status, int) else expect.status
    wrong = Counter(live.status for live in lives if live.status not in wanted)
    for status, count in wrong.items():
        error = next((live.error for live in lives if live.status == status and live.error), "")
        told = f"{status}" if status else f"nothing ({error})"
        yield f"live: {count} of {len(lives)} got {told}, expected {' or '.join(map(str, wanted))}"


def _redirect(expect: Expect, lives: list[Live]) -> Iterator[str]:
    for where in {live.location for live in lives} if expect.redirect else ():
        if where != expect.redirect:
            yield f"live: sent to {where or 'no other place'}, expected {expect.redirect}"


def _names(journey: Journey) -> dict[str, frozenset[str]]:
    """What each workload that may answer can be called, by `namespace/workload`."""
    return {end.answer.by: names_of(end) for end in ends_of(journey) if end.answer.app}


def _reaches(expect: Expect, journey: Journey, lives: list[Live]) -> Iterator[str]:
    if expect.reaches is None:
        return
    names = _names(journey)
    answered = Counter(_answered(live, names) for live in lives)
    told = ", ".join(f"{count} {who or 'nobody'}" for who, count in answered.items())
    wanted = expect.reaches
    if isinstance(wanted, Mapping):
        for word, share in wanted.items():
            low, high = span_of(share) or (0.0, 0.0)
            hits = sum(count for who, count in answered.items() if word in names.get(who, ()))
            got = 100.0 * hits / len(lives)
            if not low - _SLACK <= got <= high + _SLACK:
                yield f"live: {word} got {got:g} % of {len(lives)}, expected {share}: {told}"
        return
    allowed = {wanted} if isinstance(wanted, str) else set(wanted)
    if any(not allowed.intersection(names.get(who, ())) for who in answered):
        yield f"live: answered by {told}, expected {' or '.join(sorted(allowed))}"


def _answered(live: Live, names: Mapping[str, frozenset[str]]) -> str:
    """Who of those that may answer did: by the pod whose proxy wrote last, or the host outside."""
    last = live.pods[-1] if live.pods else ""
    for who in names:
        if last == who or last.startswith(f"{who}-"):
            return who
        if who.endswith(" outside") and live.status:
            return who
    return ""


def _denied(expect: Expect, lives: list[Live]) -> Iterator[str]:
    if expect.denied_by is None:
        return
    passed = [live for live in lives if not any(hop["refused"] for hop in live.hops)]
    if passed:
        yield f"live: {len(passed)} of {len(lives)} were not refused"
