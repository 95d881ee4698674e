"""What is worth telling of a pod, from what its status was and what it is.

In: a pod before and after a status.    Out: Tell actions.
Before: cluster/podstatus.py        After: stages/running.py
Source: kubernetes pkg/kubelet/events, kuberuntime_container.go, prober.go: their reasons and words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lateen.api.objects import Obj
from lateen.api.pod import ContainerState, ContainerStatus, Pod, PodStatus
from lateen.cluster.actions import Tell
from lateen.cluster.pods import pod_of

_SELF = "kubelet"
_EXPIRED = "DeadlineExceeded"
_FAILED_PROBE = re.compile(
    r"container \S+ failed (?P<kind>liveness|startup) probe: (?P<why>.*)", re.S
)
_HELD_UP = {  # waiting reasons that are a fault, with the reason of their event
    "BuildFailed": "Failed",
    "ErrImagePull": "Failed",
    "ImagePullBackOff": "BackOff",
    "CreateContainerConfigError": "Failed",
    "RunContainerError": "Failed",
    "CrashLoopBackOff": "BackOff",
}


def pod_events(before: Obj, after: Obj) -> tuple[Tell, ...]:
    """What happened to the containers between these two statuses of one pod."""
    old, new = pod_of(before).status, pod_of(after).status
    known = {c.name: c for c in _every(old)}
    told = tuple(
        tell
        for container in _every(new)
        for tell in _container_events(after, known.get(container.name), container)
    )
    if new.reason == _EXPIRED != old.reason:
        host = pod_of(after).spec.node_name
        words = "Pod was active on the node longer than specified deadline"
        told += (Tell(about=after, reason=_EXPIRED, message=words, component=_SELF, host=host),)
    return told


def _every(status: PodStatus) -> tuple[ContainerStatus, ...]:
    return (
        *status.init_container_statuses,
        *status.container_statuses,
        *status.ephemeral_container_statuses,
    )


def stopping_events(pod: Obj) -> tuple[Tell, ...]:
    """That the running containers of a pod on its way out are asked to end."""
    return tuple(
        _tell(pod, container, "Killing", f"Stopping container {container.name}")
        for container in pod_of(pod).status.container_statuses
        if container.state.running
    )


def _container_events(
    pod: Obj, before: ContainerStatus | None, now: ContainerStatus
) -> Iterator[Tell]:
    old = before.state if before is not None else ContainerState()
    if now.state != old:
        yield from _entered(pod, now)
    ended = now.state.terminated or now.last_state.terminated
    seen = before is not None and ended in (before.state.terminated, before.last_state.terminated)
    if ended is not None and not seen and (found := _FAILED_PROBE.match(ended.message)):
        kind = found["kind"]
        words = f"{kind.capitalize()} probe failed: {found['why']}"
        yield _tell(pod, now, "Unhealthy", words, warning=True)
        words = f"Container {now.name} failed {kind} probe, will be restarted"
        yield _tell(pod, now, "Killing", words)


def _entered(pod: Obj, now: ContainerStatus) -> Iterator[Tell]:
    """What a container's new state is worth telling."""
    state = now.state
    if state.running is not None:
        if now.image:
            words = f'Container image "{now.image}" already present on machine'
            yield _tell(pod, now, "Pulled", words)
        yield _tell(pod, now, "Created", f"Created container: {now.name}")
        yield _tell(pod, now, "Started", f"Started container {now.name}")
    elif state.waiting is not None:
        yield from _held_up(pod, now)
    elif state.terminated is not None and state.terminated.reason == "StartError":
        yield _tell(pod, now, "Failed", f"Error: {state.terminated.message}", warning=True)


def _held_up(pod: Obj, now: ContainerStatus) -> Iterator[Tell]:
    waiting = now.state.waiting
    if waiting is None:
        return
    if waiting.reason == "Building":
        yield _tell(pod, now, "Pulling", f'Building image "{now.image}"')
    elif waiting.reason == "CrashLoopBackOff":
        full = f"{pod.key.name}_{pod.key.namespace}({pod.meta.uid})"
        words = f"Back-off restarting failed container {now.name} in pod {full}"
        yield _tell(pod, now, "BackOff", words, warning=True)
    elif reason := _HELD_UP.get(waiting.reason):
        yield _tell(pod, now, reason, f"Error: {waiting.message}", warning=True)


def _tell(
    pod: Obj, container: ContainerStatus, reason: str, words: str, *, warning: bool = False
) -> Tell:
    typed: Pod = pod_of(pod)
    return Tell(
        about=pod,
        reason=reason,
        message=words,
        component=_SELF,
        warning=warning,
        field_path=f"{_field(typed, container.name)}{{{container.name}}}",
        host=typed.spec.node_name,
    )


def _field(pod: Pod, name: str) -> str:
    if any(c.name == name for c in pod.spec.ephemeral_containers):
        return "spec.ephemeralContainers"
    initial = any(c.name == name for c in pod.spec.init_containers)
    return "spec.initContainers" if initial else "spec.containers"
