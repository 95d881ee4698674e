"""Say which proxies run which of Istio's settings, and which have not acknowledged them yet.

In: what was made of the settings, what proxies acknowledged.    Out: plain JSON-able data.
Before: stages/programming.py       After: apiserver/lookingroutes.py, by app/control.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from lateen.base.origin import ObjectKey
from lateen.ir.plan import ProxyPlan
from lateen.stages.programming import Programming


class Holding(Struct, frozen=True, kw_only=True):
    """Looks from both ends: an object's proxies, and a proxy's objects."""

    programming: Programming
    plans: Callable[[], Iterable[ProxyPlan]]

    def holders(self, key: ObjectKey) -> dict[str, Any]:
        """The proxies that the object is for, and whether each has acknowledged all of it."""
        waiting = self.programming.holders(key)
        names = {plan.proxy.id: plan.proxy for plan in self.plans()}
        return {
            "proxies": [
                {
                    "namespace": names[id].namespace,
                    "pod": names[id].pod,
                    "acknowledged": not still,
                }
                for id, still in sorted(waiting.items())
                if id in names
            ]
        }

    def settings_at(self, namespace: str, pod: str) -> dict[str, Any]:
        """The settings that have a part in what this pod's proxy runs."""
        ids = [
            p.proxy.id for p in self.plans() if (p.proxy.namespace, p.proxy.pod) == (namespace, pod)
        ]
        found = self.programming.settings_at(ids[0]) if ids else {}
        return {
            "settings": [
                {
                    "group": key.group,
                    "kind": key.kind,
                    "namespace": key.namespace,
                    "name": key.name,
                    "acknowledged": not still,
                }
                for key, still in sorted(found.items())
            ]
        }
