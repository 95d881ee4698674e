"""Look at the load every 15 seconds and let the autoscalers follow it.

In: the store, what pods use.    Out: the store, with other numbers of replicas.
Before: cluster/autoscaling.py, stages/accounting.py        After: app/control.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from lateen.apiserver.deps import PodUse
from lateen.base.clock import Clock
from lateen.cluster.autoscaling import SYNC_SECONDS, autoscale, autoscaler_of
from lateen.cluster.performing import perform
from lateen.cluster.replicacalc import Usage
from lateen.cluster.scalingrules import Past
from lateen.stages.scaletargets import pods_of, target_of
from lateen.store.interface import Store


def usage_of(pods: Mapping[str, PodUse]) -> Usage:
    """What the accounts say, as autoscalers ask for it."""
    return {
        uid: {
            one.name: {"cpu": Fraction(one.cpu), "memory": Fraction(one.memory)}
            for one in use.containers
        }
        for uid, use in pods.items()
    }


@dataclass(kw_only=True)
class Autoscaling:
    """The autoscalers of one store, and what each has wished and done; forgotten at a restart.

    `usage` tells what pods use now; nothing, as long as nobody measures.
    """

    store: Store
    clock: Clock
    usage: Callable[[], Usage]
    _past: dict[str, Past] = field(default_factory=dict)

    async def autoscaling(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.clock.sleep(SYNC_SECONDS)
            self.step()

    def step(self) -> None:
        """One look at every autoscaler."""
        found = self.store.list(group="autoscaling", kind="HorizontalPodAutoscaler")
        usage = self.usage() if found else {}
        past = {obj.meta.uid: self._past.get(obj.meta.uid, Past()) for obj in found}
        for obj in found:
            reference = autoscaler_of(obj).spec.scale_target_ref
            target = target_of(self.store, reference, obj.key.namespace)
            pods = pods_of(self.store, target)
            made = autoscale(obj, target, pods, usage, past[obj.meta.uid], self.clock.now())
            past[obj.meta.uid] = made.past
            perform(self.store, made.actions, self.clock)
        self._past = past
