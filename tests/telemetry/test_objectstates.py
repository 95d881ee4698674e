"""Objects' states under kube-state-metrics' names, as alerts ask for them."""

from __future__ import annotations

from typing import Any

from lateen.telemetry.objectstates import Objects, state_families

POD: dict[str, Any] = {
    "metadata": {
        "namespace": "shop",
        "name": "web-1",
        "uid": "u",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}],
    },
    "spec": {
        "nodeName": "n",
        "containers": [
            {"name": "app", "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Mi"}}}
        ],
    },
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [
            {
                "name": "app",
                "image": "web",
                "restartCount": 4,
                "ready": False,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "OOMKilled"}},
            }
        ],
    },
}


def values(objects: Objects) -> dict[tuple[str, str], float]:
    """Values by name and by what tells a metric's samples apart."""
    telling = ("phase", "condition", "reason", "resource", "created_by_kind")
    found = {}
    for family in state_families(objects):
        for sample in family.samples:
            labels = dict(sample.labels)
            found[family.name, next((labels[n] for n in telling if n in labels), "")] = sample.value
    return found


def test_a_pod() -> None:
    found = values(Objects(pods=[POD]))
    assert found["kube_pod_status_phase", "Running"] == 1
    assert found["kube_pod_status_phase", "Pending"] == 0
    assert found["kube_pod_status_ready", "false"] == 1
    assert found["kube_pod_container_status_restarts_total", ""] == 4
    assert found["kube_pod_container_status_waiting_reason", "CrashLoopBackOff"] == 1
    assert found["kube_pod_container_status_last_terminated_reason", "OOMKilled"] == 1
    assert found["kube_pod_container_resource_requests", "cpu"] == 0.25
    assert found["kube_pod_container_resource_limits", "memory"] == 1024**2
    assert found["kube_pod_info", "ReplicaSet"] == 1
    assert found["kube_pod_created", ""] == 1767225600


def test_a_deployment_and_its_autoscaler() -> None:
    meta = {"namespace": "shop", "name": "web", "generation": 3}
    deployment = {
        "metadata": meta,
        "spec": {"replicas": 3},
        "status": {"replicas": 3, "availableReplicas": 2, "unavailableReplicas": 1},
    }
    autoscaler = {
        "metadata": meta,
        "spec": {"maxReplicas": 5},
        "status": {"currentReplicas": 3, "desiredReplicas": 4},
    }
    found = values(Objects(deployments=[deployment], autoscalers=[autoscaler]))
    assert found["kube_deployment_spec_replicas", ""] == 3
    assert found["kube_deployment_status_replicas_unavailable", ""] == 1
    assert found["kube_horizontalpodautoscaler_status_desired_replicas", ""] == 4


def test_a_pod_that_has_only_just_been_made() -> None:
    found = values(Objects(pods=[{"metadata": {"name": "new"}}]))
    assert found["kube_pod_status_phase", "Unknown"] == 1
