"""What the objects say of themselves, under the names that kube-state-metrics gives it.

In: Pods, Deployments, HorizontalPodAutoscalers as the API shows them.    Out: Families.
Before: stages/informing.py        After: stages/scraping.py

Of its hundreds of metrics these are the ones that alerts and dashboards of pods and deployments read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lateen.api.quantity import exact
from lateen.telemetry.promtext import Family, Sample, series

PHASES = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
Raw = Mapping[str, Any]
_NAMES: Mapping[str, tuple[str, str]] = {
    "kube_pod_info": ("gauge", "Information about the pod."),
    "kube_pod_created": ("gauge", "Unix creation timestamp."),
    "kube_pod_owner": ("gauge", "Information about the pod's owner."),
    "kube_pod_status_phase": ("gauge", "The pod's current phase."),
    "kube_pod_status_ready": ("gauge", "Whether the pod is ready to serve requests."),
    "kube_pod_status_scheduled": ("gauge", "Whether the pod has a node."),
    "kube_pod_container_info": ("gauge", "Information about a container in a pod."),
    "kube_pod_container_status_restarts_total": ("counter", "Restarts of the container."),
    "kube_pod_container_status_ready": ("gauge", "Whether the container is ready."),
    "kube_pod_container_status_running": ("gauge", "Whether the container is running."),
    "kube_pod_container_status_waiting_reason": ("gauge", "Why the container is waiting."),
    "kube_pod_container_status_last_terminated_reason": ("gauge", "How the last run ended."),
    "kube_pod_container_resource_requests": ("gauge", "What the container asks for."),
    "kube_pod_container_resource_limits": ("gauge", "What the container may use at most."),
    "kube_deployment_created": ("gauge", "Unix creation timestamp."),
    "kube_deployment_spec_replicas": ("gauge", "Pods wanted."),
    "kube_deployment_status_replicas": ("gauge", "Pods there are."),
    "kube_deployment_status_replicas_ready": ("gauge", "Pods that are ready."),
    "kube_deployment_status_replicas_available": ("gauge", "Pods that are available."),
    "kube_deployment_status_replicas_unavailable": ("gauge", "Pods that are missing."),
    "kube_deployment_status_replicas_updated": ("gauge", "Pods of the newest template."),
    "kube_deployment_status_observed_generation": ("gauge", "The generation seen."),
    "kube_deployment_metadata_generation": ("gauge", "The generation wanted."),
    "kube_horizontalpodautoscaler_spec_max_replicas": ("gauge", "The upper limit."),
    "kube_horizontalpodautoscaler_spec_min_replicas": ("gauge", "The lower limit."),
    "kube_horizontalpodautoscaler_status_current_replicas": ("gauge", "Pods there are."),
    "kube_horizontalpodautoscaler_status_desired_replicas": ("gauge", "Pods it wants."),
}
_UNITS = {"cpu": "core", "memory": "byte", "ephemeral-storage": "byte"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What is told of."""

    pods: Iterable[Raw] = ()
    deployments: Iterable[Raw] = ()
    autoscalers: Iterable[Raw] = ()


def state_families(objects: Objects) -> tuple[Family, ...]:
    """Every metric that has a sample."""
    found: dict[str, list[Sample]] = {}
    for samples in (
        (sample for pod in objects.pods for sample in _pod(pod)),
        (sample for one in objects.deployments for sample in _deployment(one)),
        (sample for one in objects.autoscalers for sample in _autoscaler(one)),
    ):
        for sample in samples:
            found.setdefault(sample.name, []).append(sample)
    return tuple(
        Family(name=name, type=_NAMES[name][0], help=_NAMES[name][1], samples=tuple(samples))
        for name, samples in found.items()
    )


def _pod(pod: Raw) -> Iterator[Sample]:
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    who = {
        "namespace": meta.get("namespace", ""),
        "pod": meta["name"],
        "uid": meta.get("uid", ""),
    }
    owner: Raw = next(iter(meta.get("ownerReferences") or ()), {})
    info = {
        "host_ip": status.get("hostIP", ""),
        "pod_ip": status.get("podIP", ""),
        "node": spec.get("nodeName", ""),
        "created_by_kind": owner.get("kind", "<none>"),
        "created_by_name": owner.get("name", "<none>"),
    }
    yield series("kube_pod_info", 1, who | info)
    yield series("kube_pod_created", _seconds(meta.get("creationTimestamp")), who)
    owned = {
        "owner_kind": owner.get("kind", "<none>"),
        "owner_name": owner.get("name", "<none>"),
        "owner_is_controller": str(owner.get("controller", "<none>")).lower(),
    }
    yield series("kube_pod_owner", 1, who | owned)
    phase = status.get("phase", "Unknown")
    for one in PHASES:
        yield series("kube_pod_status_phase", one == phase, who | {"phase": one})
    conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    for kind, name in (("Ready", "ready"), ("PodScheduled", "scheduled")):
        held = str(conditions.get(kind, "False")).lower()
        for value in ("true", "false", "unknown"):
            labels = who | {"condition": value}
            yield series(f"kube_pod_status_{name}", value == held, labels)
    for container in spec.get("containers") or ():
        yield from _resources(container, who | {"node": spec.get("nodeName", "")})
    for container in status.get("containerStatuses") or ():
        yield from _container(container, who)


def _resources(container: Raw, who: Mapping[str, str]) -> Iterator[Sample]:
    given = container.get("resources") or {}
    for field in ("requests", "limits"):
        for resource, amount in (given.get(field) or {}).items():
            labels = {
                "container": container["name"],
                "resource": resource.replace("-", "_"),
                "unit": _UNITS.get(resource, "integer"),
            }
            value = float(exact(amount))
            yield series(f"kube_pod_container_resource_{field}", value, {**who, **labels})


def _container(status: Raw, who: Mapping[str, str]) -> Iterator[Sample]:
    labels = {**who, "container": status["name"]}
    yield series("kube_pod_container_info", 1, labels | {"image": status.get("image", "")})
    restarts = status.get("restartCount", 0)
    yield series("kube_pod_container_status_restarts_total", restarts, labels)
    yield series("kube_pod_container_status_ready", bool(status.get("ready")), labels)
    state = status.get("state") or {}
    yield series("kube_pod_container_status_running", "running" in state, labels)
    if reason := (state.get("waiting") or {}).get("reason"):
        why = labels | {"reason": reason}
        yield series("kube_pod_container_status_waiting_reason", 1, why)
    if reason := ((status.get("lastState") or {}).get("terminated") or {}).get("reason"):
        why = labels | {"reason": reason}
        yield series("kube_pod_container_status_last_terminated_reason", 1, why)


def _deployment(one: Raw) -> Iterator[Sample]:
    meta, spec, status = one["metadata"], one.get("spec") or {}, one.get("status") or {}
    who = {"namespace": meta.get("namespace", ""), "deployment": meta["name"]}
    values = {
        "created": _seconds(meta.get("creationTimestamp")),
        "spec_replicas": spec.get("replicas", 1),
        "status_replicas": status.get("replicas", 0),
        "status_replicas_ready": status.get("readyReplicas", 0),
        "status_replicas_available": status.get("availableReplicas", 0),
        "status_replicas_unavailable": status.get("unavailableReplicas", 0),
        "status_replicas_updated": status.get("updatedReplicas", 0),
        "status_observed_generation": status.get("observedGeneration", 0),
        "metadata_generation": meta.get("generation", 0),
    }
    for name, value in values.items():
        yield series(f"kube_deployment_{name}", value, who)


def _autoscaler(one: Raw) -> Iterator[Sample]:
    meta, spec, status = one["metadata"], one.get("spec") or {}, one.get("status") or {}
    who = {"namespace": meta.get("namespace", ""), "horizontalpodautoscaler": meta["name"]}
    values = {
        "spec_max_replicas": spec.get("maxReplicas", 0),
        "spec_min_replicas": spec.get("minReplicas", 1),
        "status_current_replicas": status.get("currentReplicas", 0),
        "status_desired_replicas": status.get("desiredReplicas", 0),
    }
    for name, value in values.items():
        yield series(f"kube_horizontalpodautoscaler_{name}", value, who)


def _seconds(stamp: str | None) -> float:
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
