"""How much a step from one mesh to another sends to proxies.

In: plans by pod, what Envoy is sent for each.      Out: Push.
Before: envoy/resources.py                          After: cli/differing.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lateen.envoy.resources import Resource, Resources
from lateen.explain.differing.changes import Push
from lateen.ir.plan import ProxyPlan

PodKey = tuple[str, str]
Emit = Callable[[ProxyPlan], Resources]


def push(
    old: Mapping[PodKey, ProxyPlan], new: Mapping[PodKey, ProxyPlan], emit: tuple[Emit, Emit]
) -> Push:
    """The resources whose bytes differ, of every proxy; one that is new is sent all of its own.

    `emit` says what Envoy is sent for a plan, in the old mesh and in the new one.
    """
    touched: list[str] = []
    resources = size = 0
    for key, plan in new.items():
        before = old.get(key)
        if before == plan:
            continue
        was = _all(emit[0](before)) if before else {}
        is_now = _all(emit[1](plan))
        sent = [
            r for name, r in is_now.items() if name not in was or was[name].version != r.version
        ]
        gone = was.keys() - is_now.keys()
        if sent or gone:
            touched.append(f"{key[1]}.{key[0]}")
            resources += len(sent) + len(gone)
            size += sum(len(each.body) for each in sent)
    return Push(proxies=tuple(touched), resources=resources, size=size, of=len(new))


def _all(resources: Resources) -> Mapping[tuple[str, str], Resource]:
    return {(kind, name): r for kind, some in resources.items() for name, r in some.items()}
