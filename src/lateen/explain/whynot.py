"""Say why a request does not come to a destination.

In: Journey, plans, a destination (`reviews/v3`).     Out: reasons, each with its origin.
Before: ways.py, words.py                             After: cli/explaining.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lateen.explain.steps import Part, Step
from lateen.explain.ways import Answer, Hop, Journey, ends_of, hops_of
from lateen.explain.words import unmet
from lateen.ir.backends import BackendId
from lateen.ir.plan import ProxyPlan
from lateen.ir.routes import Forward, Route, VirtualHost
from lateen.world.model import Workload


def why_not(
    journey: Journey, wanted: str, plan_of: Callable[[Workload], ProxyPlan | None]
) -> tuple[Step, ...]:
    """Why nothing of a request is answered at `HOST`, `HOST/SUBSET` or `WORKLOAD`; none if some is.

    `HOST` may be a short name.
    """
    if any(end.answer.app and _is_there(end.legs, wanted) for end in ends_of(journey)):
        return ()
    found = tuple(_reasons(journey, wanted, plan_of))
    return found or (_step(wanted, "nothing on the way leads there"),)


def _is_there(legs: tuple[object, ...], wanted: str) -> bool:
    from lateen.explain.ways import Leg

    last = legs[-1] if legs else None
    if not isinstance(last, Leg):
        return False
    host, _, subset = wanted.partition("/")
    workload = last.to.rpartition("/")[2]
    is_host = f"|{host}." in last.cluster or last.cluster.endswith(f"|{host}")
    return wanted in (workload, last.to) or (is_host and subset in ("", last.subset))


def _reasons(
    journey: Journey, wanted: str, plan_of: Callable[[Workload], ProxyPlan | None]
) -> Iterator[Step]:
    for hop in hops_of(journey):
        plan = plan_of(hop.workload)
        host = _host_taken(hop, plan) if plan else None
        if plan and host:
            yield from _in_host(host, hop, plan, wanted)
        for leg in hop.then if isinstance(hop.then, tuple) else ():
            if _is_there((leg,), wanted):
                yield from _at_its_end(leg.then)


def _at_its_end(then: Hop | Answer) -> Iterator[Step]:
    """It is sent there, and somebody refuses it."""
    answer = then if isinstance(then, Answer) else then.then
    if isinstance(answer, Answer) and not answer.app:
        words = (
            f"it is sent there, and {answer.by} answers {answer.status or 'nothing'}: {answer.why}"
        )
        yield _step("refused", words, answer.origin)
    if isinstance(then, Hop):
        yield from (step for step in then.steps if not step.held and step.part is not Part.RULE)


def _host_taken(hop: Hop, plan: ProxyPlan) -> VirtualHost | None:
    name = next((step.name for step in hop.steps if step.part is Part.HOST and step.held), "")
    hosts = (host for table in plan.tables for host in table.hosts)
    return next((host for host in hosts if host.name == name), None)


def _in_host(host: VirtualHost, hop: Hop, plan: ProxyPlan, wanted: str) -> Iterator[Step]:
    """The rules of the virtual host that would lead there, and why each did not."""
    taken = next((s for s in hop.steps if s.part is Part.RULE and s.held), None)
    before = True
    known = [each.id for each in plan.backends if _means(each.id, wanted)]
    leading = False
    for route in host.routes:
        is_taken = taken is not None and route.origin == taken.origin and route.name == taken.name
        if _leads(route, wanted):
            leading = True
            why = unmet(route.match, hop.request)
            if is_taken:
                why = "this rule is taken, and its share for it is 0"
            elif not why and not before:
                why = f"{taken.origin if taken else 'another rule'} stands before it and takes it"
            yield _rule(route, why)
        before = before and not is_taken
    if not leading:
        words = f"no rule of the virtual host {host.name} leads there"
        yield _step(wanted, words, str(host.origin))
    if not known:
        yield _step(wanted, "no Service and no subset of a DestinationRule is called so here")
    for id in known:
        if not any(each.id == id and each.endpoints for each in plan.endpoints):
            yield _step(wanted, f"{id.host}:{id.port} {id.subset} has no endpoint")


def _leads(route: Route, wanted: str) -> bool:
    if not isinstance(route.action, Forward):
        return False
    return any(_means(split.backend, wanted) for split in route.action.splits)


def _means(id: BackendId, wanted: str) -> bool:
    host, _, subset = wanted.partition("/")
    return (id.host == host or id.host.startswith(f"{host}.")) and subset in ("", id.subset)


def _rule(route: Route, why: str) -> Step:
    return Step(part=Part.RULE, name=route.name, held=False, because=why, origin=route.origin)


def _step(name: str, words: str, origin: str = "") -> Step:
    return Step(part=Part.HOST, name=name, held=False, because=words, origin=origin)
