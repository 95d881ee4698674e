"""Give each new pod its node and its address.

In: all pods, the time.    Out: actions.    Source: core/v1 PodSpec, PodStatus; kubelet's QoS classes.
Before: cluster/replicasets.py        After: stages/running.py

There is one node, so this is all there is of a scheduler. An address stands in its pod's status and is
free again when the pod object is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.api.pod import Container
from lateen.api.quantity import Quantity, exact
from lateen.cluster.actions import Action, PutObject
from lateen.cluster.addresses import HOST, PODS, free_addresses
from lateen.cluster.plain import plain_tree
from lateen.cluster.pods import is_active, pod_of
from lateen.cluster.statuses import with_conditions

NODE = "lateen"


def schedule(pods: Sequence[Obj], now: datetime) -> tuple[Action, ...]:
    """Place the pods that have no address yet; those beyond the last free address stay pending."""
    new = [pod for pod in pods if is_active(pod) and not pod_of(pod).status.pod_ip]
    if not new:
        return ()
    free = free_addresses(PODS, (pod_of(pod).status.pod_ip for pod in pods))
    return tuple(
        PutObject(raw=_placed(pod, address, now)) for pod, address in zip(new, free, strict=False)
    )


def qos_class(containers: Sequence[Container]) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' cpu and memory."""
    wishes = [(_amounts(c.resources.requests), _amounts(c.resources.limits)) for c in containers]
    if not any(requests or limits for requests, limits in wishes):
        return "BestEffort"
    full = (
        set(limits) == {"cpu", "memory"} and limits | requests == limits
        for requests, limits in wishes
    )
    return "Guaranteed" if all(full) else "Burstable"


def _amounts(amounts: Mapping[str, Quantity]) -> dict[str, Fraction]:
    wanted = {name: exact(amounts[name]) for name in ("cpu", "memory") if name in amounts}
    return {name: amount for name, amount in wanted.items() if amount}


def _placed(pod: Obj, address: str, now: datetime) -> dict[str, Any]:
    typed = pod_of(pod)
    spec = {**pod.raw["spec"], "nodeName": typed.spec.node_name or NODE}
    spec["serviceAccountName"] = typed.spec.service_account_name or "default"
    scheduled = with_conditions(
        typed.status.conditions, [Condition(type="PodScheduled", status="True")], now
    )
    status = {
        **(pod.raw.get("status") or {}),
        "phase": typed.status.phase,
        "conditions": [plain_tree(condition) for condition in scheduled],
        "hostIP": HOST,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "qosClass": qos_class((*typed.spec.init_containers, *typed.spec.containers)),
    }
    return {**pod.raw, "spec": spec, "status": status}
