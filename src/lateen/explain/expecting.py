"""Hold what became of a request against what was expected of it.

In: Expect, Journey.             Out: what differs, in words; nothing if all is as expected.
Before: ways.py, suite.py        After: stages/rehearsing.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lateen.explain.request import Denied, Forwarded, Unverified
from lateen.explain.steps import Part
from lateen.explain.suite import Expect, seconds_of, span_of
from lateen.explain.telling import answer_words, percent, seconds
from lateen.explain.ways import End, Hop, Journey, ends_of, hops_of

_WHOLE = 100.0


def differences(expect: Expect, journey: Journey) -> tuple[str, ...]:
    """What is not as expected, one line each."""
    ends = tuple(ends_of(journey))
    return tuple(
        words
        for found in (
            _reaches(expect, ends),
            _status(expect, ends),
            _sent(expect, ends),
            _redirect(expect, ends),
            _on_the_way(expect, journey),
            _mtls(expect, ends),
            _denied(expect, ends),
            _egress(expect, ends),
            _through(expect, ends),
            _copied(expect, journey),
        )
        for words in found
    )


def _listed(given: str | Iterable[str] | None) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def names_of(end: End) -> frozenset[str]:
    """All that who answers at an end may be called."""
    if not end.answer.app:
        return frozenset()
    by = end.answer.by.removesuffix(" outside")
    names = {by, by.rpartition("/")[2], by.rpartition(":")[0]}
    for leg in end.legs:
        host = leg.cluster.rpartition("|")[2]
        short = host.partition(".")[0]
        names |= {f"{each}/{leg.subset}" if leg.subset else each for each in (host, short)}
    return frozenset(names - {""})


def _answered(ends: tuple[End, ...]) -> str:
    return ", ".join(f"{percent(end.share)} {answer_words(end.answer)}" for end in ends)


def _reaches(expect: Expect, ends: tuple[End, ...]) -> Iterator[str]:
    wanted = expect.reaches
    if isinstance(wanted, Mapping):
        for word, share in wanted.items():
            low, high = span_of(share) or (0.0, 0.0)
            got = sum(end.share for end in ends if word in names_of(end))
            if not low <= got <= high:
                yield f"{word} gets {percent(got)}, expected {share}: {_answered(ends)}"
    elif wanted is not None:
        allowed = _listed(wanted)
        got = sum(end.share for end in ends if names_of(end).intersection(allowed))
        if got < _WHOLE - 0.01:
            told = " or ".join(allowed)
            yield f"{percent(got)} reaches {told}, expected all: {_answered(ends)}"


def _status(expect: Expect, ends: tuple[End, ...]) -> Iterator[str]:
    if expect.status is None:
        return
    wanted = (expect.status,) if isinstance(expect.status, int) else expect.status
    for end in ends:
        if end.answer.status not in wanted:
            told = " or ".join(map(str, wanted))
            yield f"status {told} expected: {percent(end.share)} {answer_words(end.answer)}"


def _sent(expect: Expect, ends: tuple[End, ...]) -> Iterator[str]:
    """What who answers is sent."""
    for end in ends:
        if not end.hops or not end.answer.app:
            continue
        last = end.hops[-1].request
        sent = end.hops[-1].outcome
        path = sent.path if isinstance(sent, Forwarded) else last.path
        host = sent.authority if isinstance(sent, Forwarded) else last.authority
        if expect.path not in (None, path):
            yield f"path is {path}, expected {expect.path}"
        if expect.host not in (None, host):
            yield f"host is {host}, expected {expect.host}"
        headers = dict(last.headers)
        for name, value in (expect.headers or {}).items():
            got = headers.get(name.lower())
            if got != value:
                wanted = "absent" if value is None else f'"{value}"'
                found = "absent" if got is None else f'"{got}"'
                yield f"header {name} is {found}, expected {wanted}"


def _redirect(expect: Expect, ends: tuple[End, ...]) -> Iterator[str]:
    for end in ends if expect.redirect is not None else ():
        if end.answer.location != expect.redirect:
            where = end.answer.location or answer_words(end.answer)
            yield f"sent to {where}, expected a redirect to {expect.redirect}"


def _forwarded(journey: Journey) -> Forwarded | None:
    """What the first proxy on the way out does."""
    first = next(iter(hops_of(journey)), None)
    return first.outcome if first and isinstance(first.outcome, Forwarded) else None


def _on_the_way(expect: Expect, journey: Journey) -> Iterator[str]:
    """Timeout, retries and delay that are in force at the first proxy."""
    if (expect.timeout, expect.retries, expect.delay) == (None, None, None):
        return
    sent = _forwarded(journey)
    if sent is None:
        yield "timeout, retries and delay are expected, and the request is not sent on"
        return
    for name, given, got in (
        ("timeout", expect.timeout, sent.timeout),
        ("delay", expect.delay, sent.delays[1] if sent.delays else 0.0),
    ):
        wanted = None if given is None else seconds_of(given)
        if wanted is not None and abs(wanted - got) > 1e-9:
            yield f"{name} is {seconds(got) if got else 'none'}, expected {given}"
    if expect.retries is None:
        return
    attempts = sent.tries.attempts if sent.tries else 0
    if expect.retries.attempts not in (None, attempts):
        yield f"{attempts} retries, expected {expect.retries.attempts}"
    on = sent.tries.on if sent.tries else ()
    lacking = [
        w for w in (expect.retries.retry_on or "").split(",") if w.strip() and w.strip() not in on
    ]
    if lacking:
        yield f"retried on {','.join(on) or 'nothing'}, expected {','.join(lacking)} too"
    each = sent.tries.each or 0.0 if sent.tries else 0.0
    per_try = (
        None
        if expect.retries.per_try_timeout is None
        else seconds_of(expect.retries.per_try_timeout)
    )
    if per_try is not None and abs(per_try - each) > 1e-9:
        yield f"each try takes up to {seconds(each)}, expected {expect.retries.per_try_timeout}"


def _mtls(expect: Expect, ends: tuple[End, ...]) -> Iterator[str]:
    if expect.mtls is None:
        return
    for end in ends:
        inside = [leg for leg in end.legs if isinstance(leg.then, Hop)]
        if isinstance(expect.mtls, bool):
            wrong = next((leg for leg in inside if leg.mtls is not expect.mtls), None)
            if wrong:
                how = "is not" if expect.mtls else "is"
                yield f"the way to {wrong.to} {how} encrypted by the mesh"
            continue
        modes = [s.name for hop in end.hops[-1:] for s in hop.steps if s.part is Part.MTLS]
        if "STRICT" not in modes:
            yield f"mTLS is {', '.join(modes) or 'not asked for'} at the end, expected STRICT"


def _denied(expect: Expect, ends: tuple[End, ...]) -> Iterator[str]:
    wanted = expect.denied_by
    if wanted is None:
        return
    for end in ends:
        outcome = end.hops[-1].outcome if end.hops else None
        if isinstance(outcome, Unverified):
            names = {"token"}
        elif isinstance(outcome, Denied):
            names = _policy_names(outcome.rule)
        else:
            names = set()
        if wanted not in names:
            told = answer_words(end.answer)
            yield f"expected to be denied by {wanted}: {percent(end.share)} {told}"


def _policy_names(rule: str) -> set[str]:
    """`ns[shop]-policy[no]-rule[1]` as `no`, `shop/no`, and with the rule's number."""
    if rule == "none":
        return {"none"}
    namespace, _, rest = rule.removeprefix("ns[").partition("]-policy[")
    name, _, number = rest.partition("]-rule[")
    return {name, f"{namespace}/{name}", f"{namespace}/{name}[{number}", f"{name}[{number}"}


def _egress(expect: Expect, ends: tuple[End, ...]) -> Iterator[str]:
    for end in ends if expect.egress else ():
        if end.answer.app != (expect.egress == "allowed"):
            yield f"expected to be {expect.egress}: {percent(end.share)} {answer_words(end.answer)}"


def _through(expect: Expect, ends: tuple[End, ...]) -> Iterator[str]:
    for wanted in _listed(expect.through):
        for end in ends:
            passed = {hop.workload.workload for hop in end.hops}
            if wanted.rpartition("/")[2] not in passed:
                yield f"expected to pass {wanted}, passes {', '.join(sorted(passed)) or 'nobody'}"


def _copied(expect: Expect, journey: Journey) -> Iterator[str]:
    copies = {
        leg.to.rpartition("/")[2]
        for hop in hops_of(journey)
        for leg in (hop.then if isinstance(hop.then, tuple) else ())
        if leg.copy
    }
    for wanted in _listed(expect.copied_to):
        if wanted.rpartition("/")[2] not in copies:
            yield f"expected a copy to {wanted}, copied to {', '.join(sorted(copies)) or 'nobody'}"
