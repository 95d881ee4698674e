"""Check a status that somebody writes by the `status` subresource, in Kubernetes' words.

In: an object's tree with the status wanted, and the tree before.    Out: Broken, each with its field.
Before: check/rules.py        After: apiserver/saving.py

Source: Kubernetes pkg/apis/{core,apps,batch,policy,autoscaling}/validation, the `Validate…Status` functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from lateen.api.kinds import Kind
from lateen.check.rules import Broken

Tree = Mapping[str, Any]
_OF_SETS = (
    "observedGeneration",
    "replicas",
    "readyReplicas",
    "availableReplicas",
    "collisionCount",
)
_COUNTS: Mapping[str, tuple[str, ...]] = {
    "Deployment": (*_OF_SETS, "updatedReplicas", "unavailableReplicas"),
    "ReplicaSet": (*_OF_SETS, "fullyLabeledReplicas"),
    "StatefulSet": (*_OF_SETS, "updatedReplicas", "currentReplicas"),
    "DaemonSet": (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ),
    "Job": ("active", "succeeded", "failed", "ready"),
    "PodDisruptionBudget": (
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ),
    "HorizontalPodAutoscaler": ("currentReplicas", "desiredReplicas"),
}
_PARTS = (
    "fullyLabeledReplicas",
    "updatedReplicas",
    "currentReplicas",
    "readyReplicas",
    "availableReplicas",
)


def status_faults(kind: Kind, tree: Tree, old: Tree) -> Iterator[Broken]:
    """Everything wrong with the status of a built-in kind. What is of another type is passed over."""
    status = _mapping(tree, "status")
    yield from _counts(kind.kind, status)
    match kind.group, kind.kind:
        case "", "Namespace":
            yield from _namespace(status, tree)
        case "", "Pod":
            yield from _pod(status, tree, old)
        case "", "Service":
            yield from _service(status, tree)


def _mapping(tree: Tree, name: str) -> Tree:
    found = tree.get(name)
    return found if isinstance(found, Mapping) else {}


def _mappings(tree: Tree, name: str) -> list[Tree]:
    found = tree.get(name)
    return [e if isinstance(e, Mapping) else {} for e in found] if isinstance(found, list) else []


def _count(status: Tree, name: str) -> int:
    found = status.get(name)
    return found if type(found) is int else 0


def _counts(kind: str, status: Tree) -> Iterator[Broken]:
    names = _COUNTS.get(kind, ())
    for name in names:
        if _count(status, name) < 0:
            yield _invalid(name, status[name], "must be greater than or equal to 0")
    if "readyReplicas" not in names:
        return
    total, available = _count(status, "replicas"), _count(status, "availableReplicas")
    for name in _PARTS:
        if name in names and name in status and _count(status, name) > total:
            yield _invalid(name, status[name], "cannot be greater than status.replicas")
    if "availableReplicas" in status and available > _count(status, "readyReplicas"):
        where = "status.readyReplicas" if kind == "StatefulSet" else "readyReplicas"
        yield _invalid("availableReplicas", available, f"cannot be greater than {where}")


def _namespace(status: Tree, tree: Tree) -> Iterator[Broken]:
    ending = bool(tree["metadata"].get("deletionTimestamp"))
    if ending and status.get("phase") != "Terminating":
        words = "may only be 'Active' if `deletionTimestamp` is empty"
        yield _invalid("phase", status.get("phase", ""), words)
    if not ending and status.get("phase") == "Terminating":
        words = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        yield _invalid("phase", "Terminating", words)


def _pod(status: Tree, tree: Tree, old: Tree) -> Iterator[Broken]:
    """Addresses are addresses, and what has ended for good stays so."""
    for index, entry in enumerate(_mappings(status, "podIPs")):
        if not _is_ip(entry.get("ip")):
            words = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield _invalid(f"podIPs[{index}]", entry.get("ip"), words)
    policy = _mapping(tree, "spec").get("restartPolicy") or "Always"
    if policy == "Always":
        return
    before = _mappings(_mapping(old, "status"), "containerStatuses")
    for index, container in enumerate(_mappings(status, "containerStatuses")):
        same = next((c for c in before if c.get("name") == container.get("name")), {})
        had = _mapping(_mapping(same, "state"), "terminated")
        if not had or (policy == "OnFailure" and had.get("exitCode")):
            continue
        if not _mapping(container, "state").get("terminated"):
            yield Broken(
                path=f"status.containerStatuses[{index}].state",
                message="Forbidden: may not be transitioned to non-terminated state",
            )


def _service(status: Tree, tree: Tree) -> Iterator[Broken]:
    ingress = _mappings(_mapping(status, "loadBalancer"), "ingress")
    if ingress and _mapping(tree, "spec").get("type") != "LoadBalancer":
        words = 'Forbidden: may only be used when `spec.type` is "LoadBalancer"'
        yield Broken(path="status.loadBalancer.ingress", message=words)
    for index, entry in enumerate(ingress):
        if entry.get("ip") and not _is_ip(entry["ip"]):
            words = "must be a valid IP address"
            yield _invalid(f"loadBalancer.ingress[{index}].ip", entry["ip"], words)


def _is_ip(text: object) -> bool:
    try:
        ip_address(str(text))
    except ValueError:
        return False
    return True


def _invalid(path: str, value: Any, words: str) -> Broken:
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return Broken(path=f"status.{path}", message=f"Invalid value: {shown}: {words}")
