"""Find what an autoscaler scales, and its pods.

In: the store, a reference.    Out: objects.
Before: store/interface.py        After: stages/autoscaling.py, stages/sizing.py
"""

from __future__ import annotations

from lateen.api.autoscaling import ScaleTargetRef
from lateen.api.kinds import group_of
from lateen.api.meta import LabelSelector
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.store.interface import Store


def target_of(store: Store, reference: ScaleTargetRef, namespace: str) -> Obj | None:
    """The object that is scaled, if it is there."""
    return store.get(
        ObjectKey(
            group=group_of(reference.api_version or "apps/v1"),
            kind=reference.kind,
            namespace=namespace,
            name=reference.name,
        )
    )


def pods_of(store: Store, target: Obj | None) -> tuple[Obj, ...]:
    """The pods its selector finds."""
    selector = getattr(getattr(target and target.typed, "spec", None), "selector", None)
    if target is None or not isinstance(selector, LabelSelector):
        return ()
    pods = store.list(group="", kind="Pod", namespace=target.key.namespace)
    return tuple(pod for pod in pods if selector.matches(pod.meta.labels))
