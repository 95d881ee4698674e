"""What proxies answer themselves, and what apps are taken to.

In: Outcome, Request, a workload.     Out: Answer.
Before: ways.py                       After: journey.py
"""

from __future__ import annotations

from lateen.explain.request import (
    Answered,
    Denied,
    Lost,
    Outcome,
    Redirected,
    Request,
    Unverified,
)
from lateen.explain.ways import Answer
from lateen.ir.backends import BackendId
from lateen.world.model import Injection, Workload


def own_answer(workload: Workload, outcome: Outcome, request: Request) -> Answer:
    """What a workload's proxy answers itself."""
    return own_outcome(proxy_named(workload), outcome, request)


def own_outcome(by: str, outcome: Outcome, request: Request) -> Answer:
    """What a proxy of that name answers itself."""
    match outcome:
        case Redirected():
            return Answer(
                status=outcome.status,
                by=by,
                why=f"go to {outcome.location}",
                origin=outcome.origin,
                location=outcome.location,
            )
        case Answered():
            why = outcome.body or "its rule answers"
            return Answer(status=outcome.status, by=by, why=why, origin=outcome.origin)
        case Denied():
            by_rule = "no ALLOW policy lets it in" if outcome.rule == "none" else outcome.rule
            return Answer(status=0 if request.raw else 403, by=by, why=by_rule)
        case Unverified():
            return Answer(status=401, by=by, why="no rule accepts the token it shows")
        case Lost() if outcome.why.startswith("404"):
            return Answer(status=404, by=by, why=outcome.why.removeprefix("404: "))
        case Lost():
            return Answer(status=0, by=by, why=outcome.why)
    raise AssertionError(outcome)


def closed(workload: Workload, why: str) -> Answer:
    """The connection is closed."""
    return Answer(status=0, by=proxy_named(workload), why=why)


def unavailable(workload: Workload, request: Request, why: str, origin: str = "") -> Answer:
    """503 of the client's own proxy; where no HTTP is spoken, or there is no proxy, nothing."""
    spoken = not request.raw and workload.injection is not Injection.NONE
    by = proxy_named(workload) if workload.injection is not Injection.NONE else "nobody"
    return Answer(status=503 if spoken else 0, by=by, why=why, origin=origin)


def status_of(request: Request) -> int:
    """What an app answers: 200, or 0 where no HTTP is spoken."""
    return 0 if request.raw else 200


def named_pod(workload: Workload) -> str:
    """`shop/web`, the workload."""
    return f"{workload.namespace}/{workload.workload}"


def proxy_named(workload: Workload) -> str:
    """`the proxy of shop/web`."""
    return f"the proxy of {named_pod(workload)}"


def named_backend(id: BackendId) -> str:
    """`web.shop.svc.cluster.local:80 subset v1`."""
    return f"{id.host}:{id.port}" + (f" subset {id.subset}" if id.subset else "")
