"""Say what the gRPC library's own xDS client is told in a pod: what its proxy would carry.

In: the latest plan.          Out: Resources, made when a client asks or the plan is another.
Before: stages/planning.py    After: envoy/grpc.py, xds/server.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lateen.envoy.grpc import emit_for_grpc
from lateen.envoy.resources import Resources
from lateen.ir.plan import ProxyPlan
from lateen.stages.planning import Planned


@dataclass(kw_only=True)
class Proxyless:
    """What was made for each proxy's clients, kept while its plan is the same."""

    latest: Callable[[], Planned | None]
    _made: dict[str, tuple[ProxyPlan, Resources]] = field(default_factory=dict)

    def resources(self, node: str) -> Resources | None:
        """For clients with the token of that proxy; None if there is no such proxy."""
        planned = self.latest()
        plan = planned.plans.get(node) if planned else None
        if plan is None:
            self._made.pop(node, None)
            return None
        made = self._made.get(node)
        if made is None or made[0] is not plan:
            made = self._made[node] = (plan, emit_for_grpc(plan))
        return made[1]
