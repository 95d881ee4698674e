"""Kinds of Kubernetes' own that look different in an older version of their API.

In: a tree in one version.    Out: the tree in another; the struct of a version.
Before: api/autoscaling.py        After: api/decode.py, apiserver/serializing.py, apiserver/openapi.py

What the older form has no field for travels in annotations, as Kubernetes does it, so that nothing is lost when an old client
reads an object and writes it back.

Source: k8s.io/api autoscaling/v1, pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lateen.api.autoscaling import ScaleTargetRef
from lateen.api.fields import Api
from lateen.api.meta import ObjectMeta

Tree = dict[str, Any]
_KEPT = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
_CPU = "targetCPUUtilizationPercentage"
_NOTE = "autoscaling.alpha.kubernetes.io/"


class OldAutoscalerSpec(Api, frozen=True, kw_only=True):
    """Between so many replicas, by the use of cpu alone."""

    scale_target_ref: ScaleTargetRef
    max_replicas: int
    min_replicas: int = 1
    target_cpu: int | None = msgspec.field(default=None, name=_CPU)


class OldAutoscalerStatus(Api, frozen=True, kw_only=True):
    """How many there are and should be."""

    observed_generation: int | None = None
    last_scale_time: str | None = None
    current_replicas: int = 0
    desired_replicas: int = 0
    current_cpu: int | None = msgspec.field(default=None, name="currentCPUUtilizationPercentage")


class OldAutoscaler(Api, frozen=True, kw_only=True):
    """autoscaling/v1 HorizontalPodAutoscaler."""

    api_version: str = "autoscaling/v1"
    kind: str = "HorizontalPodAutoscaler"
    metadata: ObjectMeta
    spec: OldAutoscalerSpec
    status: OldAutoscalerStatus = OldAutoscalerStatus()


class Form(Struct, frozen=True, kw_only=True):
    """What a kind is in a version that is not the stored one."""

    struct: type[Api]
    stored: str  # the apiVersion it is kept in
    to_stored: Callable[[Tree], Tree]
    from_stored: Callable[[Tree], Tree]


def form_of(api_version: str, kind: str) -> Form | None:
    """The older form that is meant; None for a version whose form is the stored one."""
    return _FORMS.get((api_version, kind))


def as_stored(tree: Tree) -> Tree:
    """A tree in the form that is kept, whatever its version; one that is no object stays as it is."""
    form = form_of(str(tree.get("apiVersion")), str(tree.get("kind")))
    return form.to_stored(tree) | {"apiVersion": form.stored} if form else tree


def _mapping(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = tree.get(name)
    return found if isinstance(found, Mapping) else {}


def _new_autoscaler(tree: Tree) -> Tree:
    spec, metadata = _mapping(tree, "spec"), _mapping(tree, "metadata")
    if not spec:
        return tree
    notes = dict(_mapping(metadata, "annotations"))
    metrics, behavior = _noted(notes, "metrics"), _noted(notes, "behavior")
    others = metrics if isinstance(metrics, list) else []
    made = {key: value for key, value in spec.items() if key != _CPU}
    if (share := spec.get(_CPU)) is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        cpu = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        others = [cpu, *others]
    if others:
        made["metrics"] = others
    if isinstance(behavior, dict):
        made["behavior"] = behavior
    whole = tree | {"spec": made}
    if "annotations" in metadata:
        whole["metadata"] = {**metadata, "annotations": notes}
    return whole


def _noted(notes: Tree, name: str) -> Any:
    """What an annotation carries, which is then taken out; None if it cannot be read."""
    text = notes.get(f"{_NOTE}{name}")
    try:
        found = msgspec.json.decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, RecursionError):
        return None
    if found is not None:
        del notes[f"{_NOTE}{name}"]
    return found


def _old_autoscaler(tree: Tree) -> Tree:
    spec, status = _mapping(tree, "spec"), _mapping(tree, "status")
    made: Tree = {key: spec[key] for key in _KEPT if key in spec}
    metrics = list(spec.get("metrics") or ())
    if (cpu := next((m for m in metrics if _share(m, "target") is not None), None)) is not None:
        made[_CPU] = _share(cpu, "target")
        metrics.remove(cpu)
    carried = {"metrics": metrics, "behavior": spec.get("behavior")}
    notes = {f"{_NOTE}{k}": msgspec.json.encode(v).decode() for k, v in carried.items() if v}
    metadata = tree["metadata"]
    if notes:
        metadata = {**metadata, "annotations": {**_mapping(metadata, "annotations"), **notes}}
    whole = tree | {"metadata": metadata, "spec": made}
    if status:
        shown: Tree = {key: status[key] for key in _STATUS if key in status}
        found = (_share(m, "current") for m in status.get("currentMetrics") or ())
        if (share := next((s for s in found if s is not None), None)) is not None:
            shown["currentCPUUtilizationPercentage"] = share
        whole["status"] = shown
    return whole


def _share(metric: Mapping[str, Any], part: str) -> int | None:
    """The percentage of cpu a metric is about; None for any other metric."""
    resource = _mapping(metric, "resource")
    share = _mapping(resource, part).get("averageUtilization")
    return share if resource.get("name") == "cpu" and type(share) is int else None


_FORMS: Mapping[tuple[str, str], Form] = {
    ("autoscaling/v1", "HorizontalPodAutoscaler"): Form(
        struct=OldAutoscaler,
        stored="autoscaling/v2",
        to_stored=_new_autoscaler,
        from_stored=_old_autoscaler,
    )
}
