"""The Node objects of this machine: one, or several with a share of it each.

In: what the machine has, the Nodes as they are.    Out: actions.
Before: api/node.py        After: cluster/scheduling.py, cluster/controllers.py

A node is a name, a place and a share of the machine that the scheduler counts with. Nothing else
divides the machine: all nodes are one kernel, one network and one agent.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.base.errors import Bug
from lateen.base.locality import NOWHERE, Locality, locality_labels
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import KUBELET, PROVIDED, Action, DeleteObject, PutObject
from lateen.cluster.addresses import HOST
from lateen.cluster.statuses import timestamp

NODE = "lateen"
HOSTNAME = "kubernetes.io/hostname"
ABOUT = "lateen.dev/about"
_MOST_PODS = 250
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Machine(Struct, frozen=True, kw_only=True):
    """Cores, memory in bytes, Go's name of the architecture, the kernel's version.

    `nodes` are the places of the nodes it is to be; each has an equal share of it.
    """

    cores: int
    memory: int
    architecture: str = "amd64"
    kernel: str = ""
    nodes: tuple[Locality, ...] = (NOWHERE,)


def this_machine(nodes: tuple[Locality, ...] = (NOWHERE,)) -> Machine:
    """What this process may use: the cores it is let run on, the memory there is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory=memory,
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        nodes=nodes,
    )


def node_of(obj: Obj) -> Node:
    """The typed Node."""
    if not isinstance(obj.typed, Node):
        raise Bug(f"{obj.key} is no Node")
    return obj.typed


def node_name(number: int) -> str:
    """The name of the first, second … node, counted from 0."""
    return f"{NODE}-{number + 1}" if number else NODE


def provided_nodes(
    nodes: Sequence[Obj], machine: Machine, source_of: Callable[[ObjectKey], str], now: datetime
) -> tuple[Action, ...]:
    """Make the Nodes of this machine, keep what they say of it true, and end those it is no more."""
    known = {node.key.name: node for node in nodes}
    wanted = {node_name(number): number for number in range(len(machine.nodes))}
    made = (
        action
        for name, number in wanted.items()
        for action in _provided(known.get(name), machine, number, now)
    )
    spare = (n.key for n in nodes if n.key.name not in wanted and source_of(n.key) == PROVIDED)
    return (*made, *(DeleteObject(key=key) for key in spare))


def _provided(
    found: Obj | None, machine: Machine, number: int, now: datetime
) -> tuple[Action, ...]:
    said, facts = _said(machine, number), _facts(machine, node_name(number))
    if found is None:
        tree = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node_name(number), **said},
            "spec": {},
            "status": {**facts, "conditions": _conditions(timestamp(now))},
        }
        return (PutObject(raw=tree, source=PROVIDED, manager=KUBELET),)
    before = found.raw["metadata"]
    merged = {field: {**(before.get(field) or {}), **values} for field, values in said.items()}
    metadata = {**before, **merged}
    old = found.raw.get("status") or {}
    amounts = {f: {**(old.get(f) or {}), **facts[f]} for f in ("capacity", "allocatable")}
    status = {**old, **facts, **amounts}
    if metadata == before and status == old:
        return ()
    whole = {**found.raw, "metadata": metadata, "status": status}
    return (PutObject(raw=whole, manager=KUBELET),)


def _said(machine: Machine, number: int) -> dict[str, dict[str, str]]:
    """The labels of a node; and what it is, where it is not the whole machine."""
    labels = {
        "kubernetes.io/arch": machine.architecture,
        HOSTNAME: node_name(number),
        "kubernetes.io/os": "linux",
        **locality_labels(machine.nodes[number]),
    }
    if number == 0:
        labels["node-role.kubernetes.io/control-plane"] = "true"
    count = len(machine.nodes)
    if count == 1:
        return {"labels": labels}
    words = (
        f"a name for 1/{count} of one machine: scheduling tells its nodes apart, nothing else does"
    )
    return {"labels": labels, "annotations": {ABOUT: words}}


def _facts(machine: Machine, name: str) -> dict[str, Any]:
    count = len(machine.nodes)
    millicores = machine.cores * 1000 // count
    amounts = {
        "cpu": f"{millicores}m" if millicores % 1000 else str(millicores // 1000),
        "memory": f"{machine.memory // 1024 // count}Ki",
        "pods": str(_MOST_PODS // count),
    }
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": HOST},
            {"type": "Hostname", "address": name},
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
