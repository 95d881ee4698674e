"""What a pod's container statuses amount to: phase and conditions, as the kubelet reports them.

In: ContainerStatus of each container and of the proxy.    Out: `pod_status`, status values.
Before: api/pod.py        After: node/containers.py, node/pods.py

Source: kubernetes pkg/kubelet/kubelet_pods.go `getPhase`, pkg/kubelet/status/generate.go. The proxy is
what Kubernetes calls a sidecar container: it counts for readiness, not for the phase.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from lateen.api.meta import Condition
from lateen.api.pod import (
    ContainerState,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    PodIP,
    PodStatus,
)

PROXY = "istio-proxy"
START_ERROR_CODE = 128


class PodFacts(Struct, frozen=True, kw_only=True):
    """What does not change while a pod lives."""

    address: str
    restart_policy: str
    started_at: str
    sidecars: frozenset[str] = frozenset()
    unlimited: str = ""  # why some of its limits have no effect here


def timestamp(moment: datetime) -> str:
    """RFC 3339 in whole seconds, as Kubernetes' metav1.Time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(reason: str, message: str = "") -> ContainerState:
    """A container that does not run yet, or not now."""
    return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))


def terminated(
    status: int, started_at: str, finished_at: str, message: str = "", *, starved: bool = False
) -> ContainerState:
    """How a process ended; `status` is negative for a signal's number, which becomes 128 + it.

    `starved` says that something in its container was killed for using too much memory.
    """
    reason = "OOMKilled" if starved else "Completed" if status == 0 else "Error"
    return ContainerState(
        terminated=ContainerStateTerminated(
            exit_code=128 - status if status < 0 else status,
            signal=-status if status < 0 else None,
            reason=reason,
            message=message,
            started_at=started_at,
            finished_at=finished_at,
        )
    )


def start_error(message: str, at: str) -> ContainerState:
    """A process that could not be started, in containerd's words."""
    return ContainerState(
        terminated=ContainerStateTerminated(
            exit_code=START_ERROR_CODE,
            reason="StartError",
            message=message,
            started_at=at,
            finished_at=at,
        )
    )


def pod_status(
    facts: PodFacts,
    apps: tuple[ContainerStatus, ...],
    proxy: ContainerStatus | None,
    before: PodStatus,
    now: str,
    inits: tuple[ContainerStatus, ...] = (),
) -> PodStatus:
    """The pod's status; a condition keeps its transition time from `before` while it does not change.

    `inits` are its init containers, of which those `facts` names are sidecars.
    """
    everything = (*apps, proxy) if proxy is not None else apps
    open_ = [c for c in inits if not _initialized(c, c.name in facts.sidecars)]
    was = any(c.type == "Initialized" and c.status == "True" for c in before.conditions)
    phase = _phase(facts.restart_policy, apps or everything)
    if open_ and not was:
        failed = any(_exit_code(c) for c in open_ if c.name not in facts.sidecars)
        phase = "Failed" if failed and facts.restart_policy == "Never" else "Pending"
    done = phase in {"Succeeded", "Failed"}
    sidecars = tuple(c for c in inits if c.name in facts.sidecars)
    unready = [c.name for c in (*sidecars, *everything) if not c.ready]
    reason, message = "", ""
    if phase == "Succeeded":
        reason = "PodCompleted"
    elif unready or done:
        reason = "ContainersNotReady"
        message = f"containers with unready status: [{' '.join(unready)}]"
    ready = "True" if not unready and not done else "False"
    wanted = (
        _initialized_condition(() if was else tuple(c.name for c in open_)),
        Condition(type="Ready", status=ready, reason=reason, message=message),
        Condition(type="ContainersReady", status=ready, reason=reason, message=message),
        Condition(type="PodScheduled", status="True"),
        *_limits_condition(facts.unlimited),
    )
    return PodStatus(
        phase=phase,
        conditions=tuple(_since(condition, before, now) for condition in wanted),
        pod_ip=facts.address,
        pod_ips=(PodIP(ip=facts.address),),
        host_ip="127.0.0.1",
        start_time=facts.started_at,
        container_statuses=everything,
        init_container_statuses=inits,
    )


def expired(status: PodStatus) -> PodStatus:
    """The status of a pod that was ended because it ran for its activeDeadlineSeconds."""
    return msgspec.structs.replace(
        status,
        phase="Failed",
        reason="DeadlineExceeded",
        message="Pod was active on the node longer than the specified deadline",
    )


def _limits_condition(unlimited: str) -> tuple[Condition, ...]:
    """Only where it is not as Kubernetes has it."""
    if not unlimited:
        return ()
    condition = Condition(
        type="LimitsEnforced", status="False", reason="NoControlGroups", message=unlimited
    )
    return (condition,)


def _initialized_condition(incomplete: tuple[str, ...]) -> Condition:
    if not incomplete:
        return Condition(type="Initialized", status="True")
    return Condition(
        type="Initialized",
        status="False",
        reason="ContainersNotInitialized",
        message=f"containers with incomplete status: [{' '.join(incomplete)}]",
    )


def _initialized(container: ContainerStatus, sidecar: bool) -> bool:
    if sidecar:
        return container.started
    return container.state.terminated is not None and container.state.terminated.exit_code == 0


def _exit_code(container: ContainerStatus) -> int:
    ended = container.state.terminated
    return ended.exit_code if ended is not None else 0


def _since(wanted: Condition, before: PodStatus, now: str) -> Condition:
    old = next((c for c in before.conditions if c.type == wanted.type), None)
    same = old is not None and old.status == wanted.status
    return Condition(
        type=wanted.type,
        status=wanted.status,
        reason=wanted.reason,
        message=wanted.message,
        last_transition_time=old.last_transition_time if old is not None and same else now,
    )


def _phase(policy: str, containers: tuple[ContainerStatus, ...]) -> str:
    never_ran = [c for c in containers if c.state.waiting and not c.last_state.terminated]
    running = [c for c in containers if c.state.running]
    stopped = [c for c in containers if c not in never_ran and c not in running]
    if never_ran or not containers:
        return "Pending"
    if running or policy == "Always":
        return "Running"
    codes = [c.state.terminated.exit_code for c in stopped if c.state.terminated]
    if len(codes) == len(stopped) and not any(codes):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"
