"""Tell what is said of workloads' needs, and leads nowhere.

In: a world.                     Out: problems.
Before: world/needs.py           After: translate/views.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.base.problem import Problem
from lateen.translate.faults import not_found
from lateen.translate.hosts import covers, full_host
from lateen.world.model import World
from lateen.world.needs import OTHERS


def need_problems(world: World) -> Iterator[Problem]:
    """Workloads that have no pods, and hosts that nobody serves."""
    workloads = {(pod.namespace, pod.workload) for pod in world.workloads.values()}
    served = {(s.namespace, s.host) for some in world.services.values() for s in some}
    for (namespace, workload), need in world.needs.items():
        if workload != OTHERS and (namespace, workload) not in workloads:
            what = f"a pod of workload {namespace}/{workload}"
            yield not_found(need.origin, what, "NAMESPACE/NAME, as of a Deployment")
        for where, name in need.hosts:
            host = full_host(name, namespace if where == "*" else where)
            if not any(where in ("*", space) and covers(host, known) for space, known in served):
                yield not_found(need.origin, f"host {host}", "its proxies are not told of it")
