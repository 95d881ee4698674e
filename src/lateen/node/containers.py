"""Run one container: start it, probe it, start it again, end it.

In: how to launch its process, its probes, the pod's restart policy.    Out: Container, its status.
Before: node/processes.py, node/probes.py, node/status.py        After: node/pods.py
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lateen.api.pod import ContainerState, ContainerStateRunning, ContainerStatus, Probe
from lateen.base.clock import Clock
from lateen.base.tasks import named
from lateen.node.backoff import Backoff, restarts
from lateen.node.logs import ContainerLog
from lateen.node.probes import Outcome, probing
from lateen.node.processes import Process, StartError
from lateen.node.status import START_ERROR_CODE, start_error, terminated, timestamp, waiting

_LEAST_GRACE_SECONDS = 2.0  # between TERM and KILL when a preStop hook took all there was


class Recipe(Struct, frozen=True, kw_only=True):
    """What one container is made of.

    `ask` puts a probe's question to a running process. `longest_grace` bounds, in seconds, the wait
    after TERM when a probe wants the container restarted. `post_start` runs a hook and says why it
    failed, or ""; `pre_stop` runs one whose failure changes nothing. `last_words` is what the app
    left to be read when it has ended; it hears whether it failed, and where its log is. `memory_kills`
    counts what the kernel killed in it for using too much memory.
    """

    pod: str  # NAME_NAMESPACE(UID), for messages
    name: str
    image: str
    restart_policy: str
    longest_grace: float
    logs: Path
    launch: Callable[[Tee], Awaitable[Process]]
    kill: Callable[[Process, signal.Signals], None]
    ask: Callable[[Process, Probe], Awaitable[Outcome]]
    liveness: Probe | None = None
    readiness: Probe | None = None
    startup: Probe | None = None
    post_start: Callable[[Process], Awaitable[str]] | None = None
    pre_stop: Callable[[Process], Awaitable[object]] | None = None
    last_words: Callable[[bool, Path], str] = lambda failed, log: ""
    waits_as: str = "ContainerCreating"
    memory_kills: Callable[[], int] = lambda: 0


class Tee:
    """What a container writes, for its log and for whoever is attached (1: stdout, 2: stderr)."""

    def __init__(self, log: ContainerLog, attached: set[Callable[[int, bytes], None]]) -> None:
        self._log = log
        self._attached = attached

    def stdout(self, chunk: bytes) -> None:
        """Take what the process wrote to its standard output."""
        self._log.stdout(chunk)
        for take in tuple(self._attached):
            take(1, chunk)

    def stderr(self, chunk: bytes) -> None:
        """Take what the process wrote to its standard error."""
        self._log.stderr(chunk)
        for take in tuple(self._attached):
            take(2, chunk)


class Container:
    """One container of a pod, from its first start to its last end."""

    def __init__(self, recipe: Recipe, clock: Clock, changed: Callable[[], None]) -> None:
        self._recipe = recipe
        self._clock = clock
        self._changed = changed
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._why = ""  # why the running process is being ended
        self.status = ContainerStatus(
            name=recipe.name,
            image=recipe.image,
            image_id=recipe.image,
            state=waiting(recipe.waits_as),
        )
        self._started = asyncio.Event()
        self.attached: set[Callable[[int, bytes], None]] = set()

    def start(self) -> asyncio.Task[None]:
        """Run it until its restart policy says it is done, or `stop` is called."""
        self._task = named(f"container {self._recipe.pod} {self._recipe.name}", self._run())
        return self._task

    async def stop(self, grace: float) -> None:
        """TERM, up to `grace` seconds, KILL; returns when the process is gone."""
        self._stopping.set()
        self._set(ready=False)
        if self._process is not None:
            await self._end(self._process, grace)
        if self._task is not None:
            await self._task

    async def until_started(self) -> None:
        """Wait until its startup probe has passed, or it has none and runs."""
        await self._started.wait()

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return self._recipe.name

    @property
    def process(self) -> Process | None:
        """Its process, while that runs."""
        return self._process

    @property
    def succeeded(self) -> bool:
        """Whether it has ended with exit code 0."""
        ended = self.status.state.terminated
        return ended is not None and ended.exit_code == 0

    def withdraw(self) -> None:
        """Say not ready from now on, whatever the probes find: the pod is about to end."""
        self._stopping.set()
        self._set(ready=False)

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._recipe.kill(self._process, signal.SIGKILL)

    async def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            exit_code = await self._once()
            if self._stopping.is_set() or not restarts(self._recipe.restart_policy, exit_code):
                return
            delay, backoff = backoff.after_end(self._clock.monotonic())
            if delay:
                await self._back_off(delay)
            if not self._stopping.is_set():
                self._set(restart_count=self.status.restart_count + 1)

    async def _back_off(self, delay: float) -> None:
        message = (
            f"back-off {delay:g}s restarting failed container={self._recipe.name}"
            f" pod={self._recipe.pod}"
        )
        self._set(state=waiting("CrashLoopBackOff", message), last_state=self.status.state)
        await first(self._clock.sleep(delay), self._stopping.wait())

    async def _once(self) -> int:
        """One life of the process; returns its exit code."""
        before = self.status
        log = ContainerLog(self._recipe.logs, before.restart_count, self._clock)
        kills = self._recipe.memory_kills()
        try:
            process = await self._recipe.launch(Tee(log, self.attached))
        except StartError as error:
            log.close()
            self._set(state=start_error(str(error), timestamp(self._clock.now())))
            return START_ERROR_CODE
        started_at = timestamp(self._clock.now())
        last = before.state if before.state.terminated else before.last_state
        running = ContainerState(running=ContainerStateRunning(started_at=started_at))
        self._process = process
        if self._stopping.is_set():
            self._recipe.kill(process, signal.SIGKILL)
        await self._post_start(process)
        self._set(state=running, last_state=last, started=False)
        watching = named(f"probes {self._recipe.pod} {self._recipe.name}", self._watch(process))
        watching.add_done_callback(told)
        code = await asyncio.shield(process.ended)
        self._process = None
        await _cancelled(watching)
        await process.output_read()
        process.hang_up()
        log.close()
        why, self._why = self._why or self._recipe.last_words(code != 0, log.path), ""
        starved = self._recipe.memory_kills() > kills
        now = timestamp(self._clock.now())
        ended = terminated(code, started_at, now, why, starved=starved)
        self._set(state=ended, ready=False, started=False)
        return code

    async def _post_start(self, process: Process) -> None:
        """Run the hook; the container counts as running only after it, as for the kubelet."""
        hook = self._recipe.post_start
        if hook is None:
            return
        running = asyncio.ensure_future(hook(process))
        await asyncio.wait((running, process.ended), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await _cancelled(running)
        elif failure := running.result():
            self._why = f"PostStartHook failed: {failure}"
            self._ending = named(
                f"end {self._recipe.name}", self._end(process, self._recipe.longest_grace)
            )

    async def _watch(self, process: Process) -> None:
        recipe = self._recipe
        if recipe.startup is not None and not await self._started_up(process, recipe.startup):
            return
        self._started.set()
        self._set(started=True, ready=recipe.readiness is None and not self._stopping.is_set())
        async with asyncio.TaskGroup() as group:
            if recipe.readiness is not None:
                group.create_task(self._probe(process, recipe.readiness, self._heard_readiness))
            if recipe.liveness is not None:
                alive = self._killing(process, recipe.liveness, "liveness")
                group.create_task(self._probe(process, recipe.liveness, alive))

    async def _started_up(self, process: Process, probe: Probe) -> bool:
        failed = self._killing(process, probe, "startup")
        passed = False

        def heard(passing: bool, detail: str) -> bool:
            nonlocal passed
            passed = passing
            if not passing:
                failed(passing, detail)
            return False

        await self._probe(process, probe, heard, eager=True)
        return passed

    async def _probe(
        self,
        process: Process,
        probe: Probe,
        verdict: Callable[[bool, str], bool],
        *,
        eager: bool | None = None,
    ) -> None:
        if eager is None:
            eager = probe is self._recipe.readiness
        ask = self._recipe.ask
        await probing(probe, lambda: ask(process, probe), self._clock, verdict, eager=eager)

    def _heard_readiness(self, passing: bool, detail: str) -> bool:
        del detail
        self._set(ready=passing and not self._stopping.is_set())
        return True

    def _killing(self, process: Process, probe: Probe, kind: str) -> Callable[[bool, str], bool]:
        """What to do about a liveness or startup verdict: end a process that fails."""
        grace = probe.termination_grace_period_seconds

        def heard(passing: bool, detail: str) -> bool:
            if passing:
                return True
            self._why = f"container {self._recipe.name} failed {kind} probe: {detail}"
            longest = self._recipe.longest_grace if grace is None else grace
            self._ending = named(f"end {self._recipe.name}", self._end(process, longest))
            return False

        return heard

    async def _end(self, process: Process, grace: float) -> None:
        hook = self._recipe.pre_stop
        if hook is not None and grace > 0 and not process.ended.done():
            before = self._clock.monotonic()
            await first(self._clock.sleep(grace), asyncio.shield(process.ended), hook(process))
            grace = max(grace - (self._clock.monotonic() - before), _LEAST_GRACE_SECONDS)
        self._recipe.kill(process, signal.SIGTERM)
        await first(self._clock.sleep(grace), asyncio.shield(process.ended))
        self._recipe.kill(process, signal.SIGKILL)
        await asyncio.shield(process.ended)

    def _set(self, **fields: object) -> None:
        changed = msgspec.structs.replace(self.status, **fields)
        if changed != self.status:
            self.status = changed
            self._changed()


async def first(*waits: Awaitable[Any]) -> None:
    """Return when one of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            await _cancelled(task)


def told(task: asyncio.Task[None]) -> None:
    """A fault of ours in a task nobody waits for is printed at once, not when the task is dropped."""
    if not task.cancelled() and (fault := task.exception()):
        sys.excepthook(type(fault), fault, fault.__traceback__)


async def _cancelled(task: asyncio.Future[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
