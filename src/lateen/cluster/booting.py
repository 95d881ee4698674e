"""Begin in a new sandbox: what an earlier one ran does not run any more.

In: the store as the last sandbox left it.    Out: the store, ready for the controllers.
Before: store/interface.py        After: app/control.py
"""

from __future__ import annotations

from typing import Any

from lateen.api.objects import Obj
from lateen.cluster.pods import is_done, is_terminating
from lateen.store.interface import Store


def forget_boot(store: Store) -> None:
    """Pods that ran go, and their controllers make new ones; a pod alone is to be started again.

    A pod that had ended by itself stays as it is, for its Job counts it and its log can be read.
    """
    with store.transaction():
        for obj in store.list(group="discovery.k8s.io", kind="EndpointSlice"):
            store.delete(obj.key)
        for obj in store.list(group="", kind="Pod"):
            if is_terminating(obj) or (not is_done(obj) and obj.meta.owner_references):
                store.delete(obj.key)
            elif not is_done(obj):
                store.put(_as_new(obj))


def _as_new(pod: Obj) -> dict[str, Any]:
    """The pod before it was given a node and an address; it keeps its uid, and so its logs."""
    spec = {key: value for key, value in pod.raw["spec"].items() if key != "nodeName"}
    return {**pod.raw, "spec": spec, "status": {"phase": "Pending"}}
