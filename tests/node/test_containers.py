"""One container's life under a pretended clock: starts, back-off, ends, and what it says meanwhile."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lateen.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStatus,
    PodStatus,
    Probe,
)
from lateen.base.clock import FakeClock
from lateen.node.backoff import Backoff, restarts
from lateen.node.containers import Container, Recipe, Tee
from lateen.node.probes import Outcome
from lateen.node.processes import Process, StartError
from lateen.node.status import PodFacts, pod_status, start_error, terminated, waiting


def test_the_first_restart_is_at_once_and_the_wait_doubles_to_five_minutes() -> None:
    waits, backoff = [], Backoff()
    for second in range(8):
        wait, backoff = backoff.after_end(float(second))
        waits.append(wait)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


def test_ten_quiet_minutes_forget_the_crashes() -> None:
    _, backoff = Backoff().after_end(0)
    wait, backoff = backoff.after_end(601)
    assert wait == 0
    assert backoff.after_end(700)[0] == 10


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_the_restart_policy_decides(policy: str, code: int, again: bool) -> None:
    assert restarts(policy, code) is again


@dataclass
class Bench:
    """A container whose processes are pretended."""

    folder: Path
    policy: str = "Always"
    obedient: bool = True
    missing: bool = False
    clock: FakeClock = field(default_factory=FakeClock)
    started: list[Process] = field(default_factory=list)
    signals: list[tuple[float, str]] = field(default_factory=list)
    seen: list[ContainerStatus] = field(default_factory=list)
    answers: dict[str, bool] = field(default_factory=dict)

    def container(self, **parts: Any) -> Container:
        recipe = Recipe(
            pod="web_shop(1)",
            name="app",
            image="web",
            restart_policy=self.policy,
            longest_grace=30,
            logs=self.folder,
            launch=self._launch,
            kill=self._kill,
            ask=self._ask,
            **parts,
        )
        self.made = Container(recipe, self.clock, self._changed)
        return self.made

    def _changed(self) -> None:
        self.seen.append(self.made.status)

    async def _launch(self, out: Tee) -> Process:
        if self.missing:
            raise StartError("no such file")
        process = Process(len(self.started) + 2, asyncio.get_running_loop().create_future())
        self.started.append(process)
        return process

    def _kill(self, process: Process, number: signal.Signals) -> None:
        if process.ended.done():
            return
        self.signals.append((self.clock.monotonic(), number.name))
        if self.obedient or number == signal.SIGKILL:
            process.ended.set_result(-int(number))

    async def _ask(self, process: Process, probe: Probe) -> Outcome:
        kind = {1: "liveness", 2: "readiness", 3: "startup"}[probe.period_seconds]
        return Outcome(self.answers.get(kind, False), "sick")

    async def settle(self, seconds: float = 0) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await self.clock.advance(seconds)
        for _ in range(20):
            await asyncio.sleep(0)

    async def end(self, code: int) -> None:
        self.started[-1].ended.set_result(code)
        await self.settle()


def _run(work: Callable[[], Awaitable[Any]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_a_crashing_container_is_restarted_with_back_off(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        container = bench.container()
        container.start()
        await bench.settle()
        assert container.status.ready
        await bench.end(1)
        assert (len(bench.started), container.status.restart_count) == (2, 1)
        await bench.end(1)
        state = container.status.state.waiting
        assert state
        assert state.reason == "CrashLoopBackOff"
        assert state.message == "back-off 10s restarting failed container=app pod=web_shop(1)"
        await bench.settle(9.9)
        assert len(bench.started) == 2
        await bench.settle(0.2)
        assert (len(bench.started), container.status.restart_count) == (3, 2)
        await container.stop(0)

    _run(work)


def test_a_container_that_completes_stays_completed(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, policy="OnFailure")
        container = bench.container()
        done = container.start()
        await bench.settle()
        await bench.end(0)
        await done
        ended = container.status.state.terminated
        assert ended
        assert (ended.reason, ended.exit_code, container.status.ready) == ("Completed", 0, False)

    _run(work)


def test_a_container_that_cannot_start_says_why_and_tries_again(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, missing=True)
        container = bench.container()
        container.start()
        await bench.settle()
        assert container.status.state.waiting
        last = container.status.last_state.terminated
        assert last
        assert (last.reason, last.message) == ("StartError", "no such file")
        bench.missing = False
        await bench.settle(10)
        assert container.status.state.running
        await container.stop(0)

    _run(work)


def test_stop_waits_out_the_grace_then_kills(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, obedient=False)
        container = bench.container()
        container.start()
        await bench.settle()
        stopping = asyncio.create_task(container.stop(30))
        await bench.settle()
        assert not container.status.ready
        assert container.status.state.running
        await bench.settle(30)
        await stopping
        assert bench.signals == [(0, "SIGTERM"), (30, "SIGKILL")]
        ended = container.status.state.terminated
        assert ended
        assert ended.exit_code == 137

    _run(work)


def test_stop_during_back_off_ends_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        container = bench.container()
        container.start()
        await bench.settle()
        await bench.end(1)
        await bench.end(1)
        await container.stop(30)
        assert len(bench.started) == 2

    _run(work)


def test_liveness_and_readiness_wait_for_startup(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        container = bench.container(
            liveness=Probe(period_seconds=1, failure_threshold=2),
            readiness=Probe(period_seconds=2),
            startup=Probe(period_seconds=3, failure_threshold=10),
        )
        container.start()
        await bench.settle(5)
        assert not container.status.started
        assert bench.signals == []
        bench.answers = {"startup": True, "readiness": True, "liveness": True}
        await bench.settle(1.5)
        assert (container.status.started, container.status.ready) == (True, True)
        bench.answers = {"readiness": True}
        await bench.settle(3)
        assert [name for _, name in bench.signals] == ["SIGTERM"]
        assert container.status.restart_count == 1
        last = container.status.last_state.terminated
        assert last
        assert last.message == "container app failed liveness probe: sick"
        await container.stop(0)

    _run(work)


def test_a_startup_probe_that_never_succeeds_ends_the_container(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, policy="Never")
        container = bench.container(startup=Probe(period_seconds=3, failure_threshold=2))
        container.start()
        await bench.settle(2.5)
        assert bench.signals == []
        await bench.settle(3)
        assert [name for _, name in bench.signals] == ["SIGTERM"]
        assert not any(status.started for status in bench.seen)

    _run(work)


def test_a_container_runs_only_when_its_post_start_hook_is_done(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path)
        hook = asyncio.Event()

        async def greet(process: Process) -> str:
            await hook.wait()
            return ""

        container = bench.container(post_start=greet)
        container.start()
        await bench.settle(5)
        assert container.status.state.waiting
        hook.set()
        await bench.settle()
        assert container.status.state.running
        await container.stop(0)

    _run(work)


def test_a_post_start_hook_that_fails_ends_the_container(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, policy="Never")

        async def fail(process: Process) -> str:
            return "exit 1"

        container = bench.container(post_start=fail)
        await container.start()
        ended = container.status.state.terminated
        assert ended
        assert ended.message == "PostStartHook failed: exit 1"

    _run(work)


@pytest.mark.parametrize(("hook_seconds", "killed_at"), [(4, 10), (60, 12)])
def test_a_pre_stop_hook_takes_from_the_grace_but_leaves_two_seconds(
    tmp_path: Path, hook_seconds: float, killed_at: float
) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, obedient=False)

        async def linger(process: Process) -> None:
            await bench.clock.sleep(hook_seconds)

        container = bench.container(pre_stop=linger)
        container.start()
        await bench.settle()
        stopping = asyncio.create_task(container.stop(10))
        for _ in range(60):
            await bench.settle(0.5)
        await stopping
        termed = min(hook_seconds, 10)
        assert bench.signals == [(termed, "SIGTERM"), (killed_at, "SIGKILL")]

    _run(work)


def test_last_words_become_the_message(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, policy="Never")
        container = bench.container(last_words=lambda failed, log: f"{failed} {log.name}")
        done = container.start()
        await bench.settle()
        await bench.end(3)
        await done
        ended = container.status.state.terminated
        assert ended
        assert ended.message == "True 0.log"

    _run(work)


_FACTS = PodFacts(address="198.18.0.9", restart_policy="Always", started_at="then")
_SINCE = ContainerStateRunning(started_at="then")


def _status(*containers: ContainerStatus, policy: str = "Always") -> PodStatus:
    facts = PodFacts(address="198.18.0.9", restart_policy=policy, started_at="then")
    return pod_status(facts, containers, None, PodStatus(), "now")


def _ended(code: int) -> ContainerStatus:
    return ContainerStatus(name="app", state=terminated(code, "then", "now"))


@pytest.mark.parametrize(
    ("container", "policy", "phase"),
    [
        (ContainerStatus(name="app", state=waiting("ContainerCreating")), "Always", "Pending"),
        (_ended(0), "Always", "Running"),
        (_ended(0), "Never", "Succeeded"),
        (_ended(1), "Never", "Failed"),
        (_ended(1), "OnFailure", "Running"),
        (ContainerStatus(name="app", state=start_error("none", "now")), "Never", "Failed"),
    ],
)
def test_the_phase_follows_the_containers(
    container: ContainerStatus, policy: str, phase: str
) -> None:
    assert _status(container, policy=policy).phase == phase


_INIT = ContainerStatus(name="init", state=waiting("PodInitializing"))
_SIDECAR = ContainerStatus(name="side", state=waiting("PodInitializing"))
_APP = ContainerStatus(name="app", ready=True, state=ContainerState(running=_SINCE))


@pytest.mark.parametrize(
    ("init", "side", "policy", "phase", "open_"),
    [
        (waiting("PodInitializing"), False, "Always", "Pending", "[init side]"),
        (terminated(0, "then", "now"), False, "Always", "Pending", "[side]"),
        (terminated(0, "then", "now"), True, "Always", "Running", ""),
        (terminated(1, "then", "now"), True, "Always", "Pending", "[init]"),
        (terminated(1, "then", "now"), True, "Never", "Failed", "[init]"),
    ],
)
def test_a_pod_is_pending_until_its_init_containers_are_done(
    init: ContainerState, side: bool, policy: str, phase: str, open_: str
) -> None:
    facts = PodFacts(
        address="198.18.0.9",
        restart_policy=policy,
        started_at="then",
        sidecars=frozenset({"side"}),
    )
    inits = (
        msgspec.structs.replace(_INIT, state=init),
        msgspec.structs.replace(_SIDECAR, started=side, ready=side),
    )
    status = pod_status(facts, (_APP,), None, PodStatus(), "now", inits)
    assert status.phase == phase
    assert status.conditions[0].message.removeprefix("containers with incomplete status: ") == open_
    assert [c.name for c in status.init_container_statuses] == ["init", "side"]


def test_a_sidecar_that_starts_again_does_not_undo_initialization() -> None:
    facts = PodFacts(
        address="198.18.0.9", restart_policy="Always", started_at="", sidecars=frozenset({"side"})
    )
    up = msgspec.structs.replace(_SIDECAR, started=True, ready=True)
    before = pod_status(facts, (_APP,), None, PodStatus(), "now", (up,))
    after = pod_status(facts, (_APP,), None, before, "later", (_SIDECAR,))
    assert (after.phase, after.conditions[0].status) == ("Running", "True")
    assert after.conditions[1].message == "containers with unready status: [side]"


def test_conditions_name_who_is_not_ready_and_keep_their_time() -> None:
    app = ContainerStatus(name="app", ready=True, state=waiting("x"))
    proxy = ContainerStatus(name="istio-proxy", state=waiting("x"))
    first = pod_status(_FACTS, (app,), proxy, PodStatus(), "now")
    ready = first.conditions[1]
    assert (ready.type, ready.status, ready.reason) == ("Ready", "False", "ContainersNotReady")
    assert ready.message == "containers with unready status: [istio-proxy]"
    second = pod_status(_FACTS, (app,), proxy, first, "later")
    assert second.conditions[1].last_transition_time == "now"
