"""Make rates of what the node says its containers have used.

In: Use messages.    Out: PodUse by pod uid, as the metrics API and autoscalers want it.
Before: node/protocol.py        After: app/control.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lateen.apiserver.deps import ContainerUse, PodUse
from lateen.node.protocol import ContainerUse as Spent
from lateen.node.protocol import Use


@dataclass(kw_only=True)
class Accounting:
    """The last two accounts of each container that runs."""

    _last: Use | None = None
    _pods: dict[str, PodUse] = field(default_factory=dict)

    def take(self, use: Use, now: datetime) -> None:
        """Take the node's newest account; `now` is when it was heard."""
        before, self._last = self._last, use
        if before is None or use.at <= before.at:
            self._pods = {}
            return
        window = use.at - before.at
        earlier = {(one.uid, one.container): one for one in before.containers}
        found: dict[str, list[ContainerUse]] = {}
        for one in use.containers:
            old = earlier.get((one.uid, one.container))
            if old is None:
                continue
            # A container that was started again begins its account anew.
            spent = one.cpu - old.cpu if one.cpu >= old.cpu else one.cpu
            made = ContainerUse(name=one.container, cpu=spent / window, memory=one.memory)
            found.setdefault(one.uid, []).append(made)
        self._pods = {
            uid: PodUse(at=now, window=window, containers=tuple(sorted(some, key=lambda c: c.name)))
            for uid, some in found.items()
        }

    def containers(self) -> tuple[Spent, ...]:
        """The newest account as it came: since each container started."""
        return self._last.containers if self._last else ()

    def pods(self) -> Mapping[str, PodUse]:
        """What each running pod uses, by uid; nothing before two accounts were heard."""
        return self._pods
