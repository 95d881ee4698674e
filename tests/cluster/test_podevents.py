"""What kubectl describe says of a pod's containers, as the kubelet would have said it."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from lateen.api.objects import Obj
from lateen.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)
from lateen.cluster.podevents import pod_events, stopping_events
from lateen.cluster.pods import pod_of
from tests.cluster.simulated import read

(POD,) = read(
    """
    apiVersion: v1
    kind: Pod
    metadata: {name: web, namespace: shop, uid: u1}
    spec:
      nodeName: lateen
      initContainers: [{name: first, image: "first:1"}]
      containers: [{name: app, image: "app:1"}]
    """
)
NOTHING = ContainerState()
WAITING = ContainerState(waiting=ContainerStateWaiting(reason="ContainerCreating"))
RUNNING = ContainerState(running=ContainerStateRunning(started_at="2026-01-01T00:00:00Z"))


def waiting(reason: str, message: str = "") -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))


def ended(code: int = 1, reason: str = "Error", message: str = "") -> ContainerState:
    state = ContainerStateTerminated(exit_code=code, reason=reason, message=message)
    return ContainerState(terminated=state)


def pod(state: ContainerState, last: ContainerState = NOTHING, *, init: bool = False) -> Obj:
    name = "first" if init else "app"
    status = ContainerStatus(name=name, image=f"{name}:1", state=state, last_state=last)
    field = "init_container_statuses" if init else "container_statuses"
    typed = pod_of(POD)
    changed = msgspec.structs.replace(typed.status, **{field: (status,)})
    return replace(POD, typed=msgspec.structs.replace(typed, status=changed))


def told(before: Obj, after: Obj) -> list[tuple[str, str, str]]:
    return [(t.type, t.reason, t.message) for t in pod_events(before, after)]


def test_a_start_is_told_step_by_step() -> None:
    assert told(pod(WAITING), pod(RUNNING)) == [
        ("Normal", "Pulled", 'Container image "app:1" already present on machine'),
        ("Normal", "Created", "Created container: app"),
        ("Normal", "Started", "Started container app"),
    ]
    assert told(pod(RUNNING), pod(RUNNING)) == []


def test_the_event_names_the_container_and_the_node() -> None:
    (first, *_) = pod_events(POD, pod(RUNNING, init=True))
    assert (first.field_path, first.host, first.component) == (
        "spec.initContainers{first}",
        "lateen",
        "kubelet",
    )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            waiting("CrashLoopBackOff", "back-off 10s"),
            (
                "Warning",
                "BackOff",
                f"Back-off restarting failed container app in pod web_shop({POD.meta.uid})",
            ),
        ),
        (waiting("Building"), ("Normal", "Pulling", 'Building image "app:1"')),
        (
            waiting("BuildFailed", "no source for app:1"),
            ("Warning", "Failed", "Error: no source for app:1"),
        ),
        (
            waiting("CreateContainerConfigError", 'secret "x" not found'),
            ("Warning", "Failed", 'Error: secret "x" not found'),
        ),
        (
            ended(128, "StartError", "no such file: /bin/app"),
            ("Warning", "Failed", "Error: no such file: /bin/app"),
        ),
    ],
)
def test_what_holds_it_up_is_a_warning(state: ContainerState, words: tuple[str, str, str]) -> None:
    assert told(pod(WAITING), pod(state)) == [words]


def test_an_end_of_its_own_is_told_by_the_status_alone() -> None:
    assert told(pod(RUNNING), pod(ended(0, "Completed"))) == []


def test_a_failed_probe_is_told_with_what_follows_from_it_once() -> None:
    why = ended(137, "Error", "container app failed liveness probe: HTTP 500")
    begun = pod(why)
    expected = [
        ("Warning", "Unhealthy", "Liveness probe failed: HTTP 500"),
        ("Normal", "Killing", "Container app failed liveness probe, will be restarted"),
    ]
    assert told(pod(RUNNING), begun) == expected
    again = pod(RUNNING, why)
    assert [t[1] for t in told(begun, again)] == ["Pulled", "Created", "Started"]
    assert [t[1] for t in told(pod(RUNNING), again)] == ["Unhealthy", "Killing"]


def test_containers_that_run_are_asked_to_end() -> None:
    assert [(t.reason, t.message) for t in stopping_events(pod(RUNNING))] == [
        ("Killing", "Stopping container app")
    ]
    assert stopping_events(pod(WAITING)) == ()
