"""Old objects are looked through when nothing is done, and at some time when there is always something."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Iterator

import pytest

from lateen.app.tidying import ALL_AT_LATEST, ALL_EVERY, AT_LATEST, ENOUGH, LOOK_EVERY, Tidying
from lateen.base.clock import FakeClock


class Cycle:
    """What only a collection lets go."""

    def __init__(self) -> None:
        self.me = self


class Scene:
    """A control plane that does what the test says it does."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.done = 0
        self.busy = False
        self.collected: list[float] = []

    def note(self, phase: str, info: dict[str, int]) -> None:
        """As gc.callbacks want it: remember when the oldest generation was looked through."""
        if phase == "stop" and info["generation"] == 2:
            self.collected.append(self.clock.monotonic())

    def how_much(self) -> int:
        self.done += self.busy
        return self.done

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """No collection but those that are asked for, and nothing kept from being looked at afterwards."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def play(scenario: Callable[[Scene], Awaitable[None]]) -> Scene:
    scene = Scene()

    async def run() -> None:
        tidying = asyncio.create_task(Tidying(clock=scene.clock, done=scene.how_much).tidying())
        await asyncio.sleep(0)
        scene.collected.clear()  # the first, which start-up is for
        await scenario(scene)
        tidying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tidying

    gc.callbacks.append(scene.note)
    try:
        asyncio.run(run())
    finally:
        gc.callbacks.remove(scene.note)
    return scene


def survive() -> None:
    """As often as it takes, some objects get old."""
    for _ in range(ENOUGH):
        gc.collect(1)


def test_what_got_old_is_looked_through_once_nothing_is_done() -> None:
    async def scenario(scene: Scene) -> None:
        scene.busy = True
        await scene.pass_time(3.5 * LOOK_EVERY)
        survive()
        await scene.pass_time(3 * LOOK_EVERY)
        assert scene.collected == []
        scene.busy = False
        await scene.pass_time(10 * LOOK_EVERY)

    assert play(scenario).collected == [7 * LOOK_EVERY]


def test_nothing_is_looked_through_where_little_got_old() -> None:
    async def scenario(scene: Scene) -> None:
        for _ in range(ENOUGH - 1):
            gc.collect(1)
        await scene.pass_time(AT_LATEST * 2)

    assert play(scenario).collected == []


def test_a_control_plane_that_never_rests_is_tidied_all_the_same() -> None:
    async def scenario(scene: Scene) -> None:
        scene.busy = True
        survive()
        await scene.pass_time(AT_LATEST + LOOK_EVERY)

    assert play(scenario).collected == [AT_LATEST]


def test_what_survived_is_not_looked_at_again_before_all_is() -> None:
    """Here the cycle becomes garbage only after it has survived."""
    gone: list[bool] = []

    async def scenario(scene: Scene) -> None:
        cycle = Cycle()
        known = id(cycle)

        def is_there() -> bool:
            gc.unfreeze()
            found = any(id(each) == known for each in gc.get_objects())
            gc.freeze()
            return found

        survive()
        await scene.pass_time(2 * LOOK_EVERY)
        del cycle
        survive()
        await scene.pass_time(2 * LOOK_EVERY)
        gone.append(not is_there())
        scene.done += 1
        await scene.pass_time(ALL_EVERY)
        gone.append(not is_there())

    play(scenario)
    assert gone == [False, True]


def test_all_is_looked_through_late_where_there_is_no_rest_and_not_at_all_where_nothing_was_done() -> (
    None
):
    async def restless(scene: Scene) -> None:
        scene.busy = True
        await scene.pass_time(ALL_AT_LATEST + ALL_EVERY)

    async def idle(scene: Scene) -> None:
        await scene.pass_time(ALL_AT_LATEST + ALL_EVERY)

    assert play(restless).collected == [ALL_AT_LATEST]
    assert play(idle).collected == []


def test_python_decides_by_itself_again_afterwards() -> None:
    before = gc.get_threshold()
    during: list[tuple[int, int, int]] = []

    async def scenario(scene: Scene) -> None:
        during.append(gc.get_threshold())

    play(scenario)
    assert gc.get_threshold() == before
    assert during[0][:2] == before[:2]
    assert during[0][2] > before[2]
