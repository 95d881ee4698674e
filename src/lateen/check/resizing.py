"""Give a new pod the requests that a VerticalPodAutoscaler recommends.

In: a pod's tree, the objects of its namespace.    Out: the tree.
Before: api/vertical.py        After: check/newcomers.py
Source: kubernetes/autoscaler vertical-pod-autoscaler/pkg/admission-controller/resource/pod.

Limits keep their proportion to the requests, unless only requests are controlled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lateen.api.kinds import group_of
from lateen.api.meta import LabelSelector
from lateen.api.objects import Obj
from lateen.api.quantity import Quantity, exact
from lateen.api.vertical import (
    VERTICAL,
    ContainerPolicy,
    Resources,
    VerticalPodAutoscaler,
)
from lateen.base.origin import ObjectKey

OBSERVED, UPDATES = "vpaObservedContainers", "vpaUpdates"
Tree = Mapping[str, Any]


class _Objects(Protocol):
    def get(self, key: ObjectKey) -> Obj | None: ...

    def list(
        self, *, group: str | None = None, kind: str | None = None, namespace: str | None = None
    ) -> tuple[Obj, ...]: ...


def with_recommendation(store: _Objects, namespace: str, pod: Tree) -> dict[str, Any]:
    """The pod as the autoscaler of its workload would have it; unchanged if there is none."""
    found = store.list(group=VERTICAL, kind="VerticalPodAutoscaler", namespace=namespace)
    meta = pod.get("metadata") or {}
    owned = any(owner.get("controller") for owner in meta.get("ownerReferences") or ())
    for obj in found if owned else ():
        typed = obj.typed
        if isinstance(typed, VerticalPodAutoscaler) and _is_for(
            store, namespace, typed, meta.get("labels") or {}
        ):
            return _resized(pod, typed)
    return dict(pod)


def _is_for(
    store: _Objects, namespace: str, vertical: VerticalPodAutoscaler, labels: dict[str, str]
) -> bool:
    off = vertical.spec.update_policy.update_mode == "Off"
    if off or vertical.status.recommendation is None:
        return False
    ref = vertical.spec.target_ref
    target = store.get(
        ObjectKey(
            group=group_of(ref.api_version or "apps/v1"),
            kind=ref.kind,
            namespace=namespace,
            name=ref.name,
        )
    )
    selector = getattr(getattr(target and target.typed, "spec", None), "selector", None)
    return isinstance(selector, LabelSelector) and selector.matches(labels)


def _resized(pod: Tree, vertical: VerticalPodAutoscaler) -> dict[str, Any]:
    recommendation = vertical.status.recommendation
    known = recommendation.container_recommendations if recommendation else ()
    targets = {one.container_name: one.target for one in known}
    containers: list[dict[str, Any]] = []
    said: list[str] = []
    for index, container in enumerate(pod["spec"].get("containers") or ()):
        policy = vertical.spec.resource_policy.of(container["name"])
        target = {} if policy.mode == "Off" else targets.get(container["name"], {})
        containers.append(_container(container, target, policy))
        said += [f"container {index}: {name} request" for name in target]
    names = ", ".join(container["name"] for container in containers)
    notes = {OBSERVED: names}
    if said:
        notes[UPDATES] = f"Pod resources updated by {vertical.metadata.name}: {', '.join(said)}"
    meta = pod["metadata"]
    annotations = {**(meta.get("annotations") or {}), **notes}
    return {
        **pod,
        "metadata": {**meta, "annotations": annotations},
        "spec": {**pod["spec"], "containers": containers},
    }


def _container(container: Tree, target: Resources, policy: ContainerPolicy) -> dict[str, Any]:
    if not target:
        return dict(container)
    own = container.get("resources") or {}
    requests, limits = dict(own.get("requests") or {}), dict(own.get("limits") or {})
    for name, wanted in target.items():
        limit = limits.get(name)
        if limit is not None and policy.controlled_values == "RequestsAndLimits":
            limits[name] = _in_proportion(name, limit, requests.get(name) or limit, wanted)
        requests[name] = wanted
    made = {**own, "requests": requests} | ({"limits": limits} if limits else {})
    return {**container, "resources": made}


def _in_proportion(name: str, limit: Quantity, before: Quantity, after: Quantity) -> Quantity:
    """The limit that is to the new request what the old was to the old."""
    if not exact(before):
        return limit
    value = exact(limit) * exact(after) / exact(before)
    return f"{round(value * 1000)}m" if name == "cpu" else str(round(value))
