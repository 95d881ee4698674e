"""The Node object of this machine.

In: what the machine has, the Node as it is.    Out: actions.
Before: api/node.py        After: cluster/scheduling.py, cluster/controllers.py
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.base.errors import Bug
from lateen.cluster.actions import PROVIDED, Action, PutObject
from lateen.cluster.addresses import HOST
from lateen.cluster.statuses import timestamp

NODE = "lateen"
HOSTNAME = "kubernetes.io/hostname"
_MOST_PODS = 250
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Cores, memory in bytes, Go's name of the architecture, the kernel's version."""

    cores: int
    memory: int
    architecture: str = "amd64"
    kernel: str = ""


def this_machine() -> Machine:
    """What this process may use: the cores it is let run on, the memory there is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory=memory,
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
    )


def node_of(obj: Obj) -> Node:
    """The typed Node."""
    if not isinstance(obj.typed, Node):
        raise Bug(f"{obj.key} is no Node")
    return obj.typed


def provided_nodes(nodes: Sequence[Obj], machine: Machine, now: datetime) -> tuple[Action, ...]:
    """Make the Node of this machine, and keep what it says of the machine true."""
    found = next((node for node in nodes if node.key.name == NODE), None)
    if found is None:
        tree = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE, "labels": _labels(machine)},
            "spec": {},
            "status": {**_facts(machine), "conditions": _conditions(timestamp(now))},
        }
        return (PutObject(raw=tree, source=PROVIDED),)
    labels = {**found.meta.labels, **_labels(machine)}
    status = {**(found.raw.get("status") or {}), **_facts(machine)}
    metadata = {**found.raw["metadata"], "labels": labels}
    if labels == found.meta.labels and status == found.raw.get("status"):
        return ()
    return (PutObject(raw={**found.raw, "metadata": metadata, "status": status}),)


def _labels(machine: Machine) -> dict[str, str]:
    return {
        "kubernetes.io/arch": machine.architecture,
        HOSTNAME: NODE,
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/control-plane": "true",
    }


def _facts(machine: Machine) -> dict[str, Any]:
    amounts = {
        "cpu": str(machine.cores),
        "memory": f"{machine.memory // 1024}Ki",
        "pods": str(_MOST_PODS),
    }
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": HOST},
            {"type": "Hostname", "address": NODE},
        ],
        "nodeInfo": {
            "architecture": machine.architecture,
            "kernelVersion": machine.kernel,
            "operatingSystem": "linux",
            "osImage": "Linux",
            "containerRuntimeVersion": "lateen://processes",
            "kubeletVersion": "v1.32.0+lateen",
        },
    }


def _conditions(since: str) -> list[dict[str, str]]:
    calm = {
        "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    }
    times = {"lastHeartbeatTime": since, "lastTransitionTime": since}
    made = [
        {"type": kind, "status": "False", "reason": reason, "message": words, **times}
        for kind, (reason, words) in calm.items()
    ]
    ready = {"reason": "KubeletReady", "message": "kubelet is posting ready status"}
    return [*made, {"type": "Ready", "status": "True", **ready, **times}]
