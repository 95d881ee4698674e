"""Keep what a namespace uses of its quotas.

In: ResourceQuotas, the objects of their namespaces.    Out: their statuses.
Before: check/quotas.py        After: cluster/controllers.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from lateen.api.limits import ResourceQuota
from lateen.api.objects import Obj
from lateen.api.quantity import exact
from lateen.check.limits import shown
from lateen.check.quotas import summed, used_by
from lateen.cluster.actions import PutStatus


def reconcile_quotas(
    quotas: Sequence[Obj], inside: Callable[[str], Sequence[Obj]]
) -> tuple[PutStatus, ...]:
    """The statuses that are not as they should be; `inside` lists a namespace's objects."""
    made: list[PutStatus] = []
    for obj in quotas:
        if not isinstance(obj.typed, ResourceQuota):
            continue
        used = summed(used_by(o.key, o.raw) for o in inside(obj.key.namespace))
        hard = obj.typed.spec.hard
        status = {
            "hard": {name: shown(exact(quantity)) for name, quantity in hard.items()},
            "used": {name: shown(used.get(name, Fraction(0))) for name in hard},
        }
        if status != obj.raw.get("status"):
            made.append(PutStatus(key=obj.key, status=status))
    return tuple(made)
