"""Let an image that was built anew replace what runs of the older one.

In: an image's name, the store.    Out: workloads rolled out anew, pods of their own ended.
Before: stages/building.py       After: cluster/
Source: `kubectl rollout restart`, which sets the same annotation; a tag that now names other content
is rolled out in this way with Kubernetes, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lateen.api.objects import Obj
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import OWN
from lateen.cluster.deletion import delete_object
from lateen.store.interface import Store, Writer

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_ROLLED_OUT = ("Deployment", "StatefulSet", "DaemonSet")


def restart(store: Store, clock: Clock, image: str) -> tuple[ObjectKey, ...]:
    """Roll out what runs the image. Gives the pods without a workload, which were deleted for it."""
    ended: list[ObjectKey] = []
    with store.transaction():
        for kind in _ROLLED_OUT:
            for obj in store.list(group="apps", kind=kind):
                spec = obj.raw.get("spec") or {}
                if image in images_of((spec.get("template") or {}).get("spec") or {}):
                    stamped = _stamped(obj, clock.now().isoformat(timespec="milliseconds"))
                    source, writer = store.source_of(obj.key), Writer(name=OWN)
                    store.put(stamped, places=obj.places, source=source, writer=writer)
        for pod in store.list(group="", kind="Pod"):
            owned = (pod.raw.get("metadata") or {}).get("ownerReferences")
            if not owned and image in images_of(pod.raw.get("spec") or {}):
                delete_object(store, pod.key, clock)
                ended.append(pod.key)
    return tuple(ended)


def images_of(spec: Mapping[str, Any]) -> frozenset[str]:
    """The images that a pod's spec names."""
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return frozenset(str(container.get("image", "")) for container in containers)


def _stamped(obj: Obj, now: str) -> dict[str, Any]:
    spec = dict(obj.raw["spec"])
    template = dict(spec["template"])
    metadata = dict(template.get("metadata") or {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), RESTARTED_AT: now}
    return {**obj.raw, "spec": {**spec, "template": {**template, "metadata": metadata}}}
