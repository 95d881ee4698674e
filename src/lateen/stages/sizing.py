"""Look at the load every 15 seconds and let VerticalPodAutoscalers recommend and resize.

In: the store, what pods use.    Out: the store, with recommendations, and without pods of another size.
Before: cluster/recommending.py, cluster/resizing.py, stages/accounting.py        After: app/control.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lateen.api.objects import Obj
from lateen.api.vertical import VERTICAL
from lateen.base.clock import Clock
from lateen.cluster.performing import perform
from lateen.cluster.recommending import SYNC_SECONDS, Past, observed, recommended, vertical_of
from lateen.cluster.replicacalc import Usage
from lateen.cluster.resizing import resize
from lateen.cluster.statuses import say
from lateen.stages.scaletargets import pods_of, target_of
from lateen.store.interface import Store


@dataclass(kw_only=True)
class Sizing:
    """The vertical autoscalers of one store, and what each has seen; forgotten at a restart.

    A recommendation stays in the status until there is a new one.
    """

    store: Store
    clock: Clock
    usage: Callable[[], Usage]
    _past: dict[str, Past] = field(default_factory=dict)

    async def sizing(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.clock.sleep(SYNC_SECONDS)
            self.step()

    def step(self) -> None:
        """One look at every autoscaler."""
        found = self.store.list(group=VERTICAL, kind="VerticalPodAutoscaler")
        usage = self.usage() if found else {}
        self._past = {obj.meta.uid: self._one(obj, usage) for obj in found}

    def _one(self, vertical: Obj, usage: Usage) -> Past:
        now = self.clock.now()
        spec = vertical_of(vertical).spec
        target = target_of(self.store, spec.target_ref, vertical.key.namespace)
        pods = pods_of(self.store, target)
        past = observed(self._past.get(vertical.meta.uid, {}), pods, usage, now)
        status = recommended(vertical, target, pods, past, now)
        perform(self.store, say(vertical, status), self.clock)
        after = self.store.get(vertical.key)
        if after is not None:
            wanted = target.raw["spec"].get("replicas", len(pods)) if target is not None else 0
            budgets = self.store.list(
                group="policy", kind="PodDisruptionBudget", namespace=vertical.key.namespace
            )
            perform(self.store, resize(after, pods, wanted, budgets, now), self.clock)
        return past
