"""The observer's part for logs: the containers' files are searched and followed where they are, handed on, and kept within bounds.

In: settings, the pods there are.    Out: Part.
Before: telemetry/logs/        After: app/observing.py
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from lateen.app.settings import Settings
from lateen.base.clock import Clock
from lateen.stages.informing import Informed
from lateen.telemetry.exporting import Exporter
from lateen.telemetry.logs import api
from lateen.telemetry.logs.exporting import PATH, export_of
from lateen.telemetry.logs.following import Follower
from lateen.telemetry.logs.search import Filter
from lateen.telemetry.logs.tidying import Bounds, shorten_own, tidy
from lateen.telemetry.parts import Loop, Part

log = logging.getLogger(__name__)
TIDY_EVERY = 60.0  # seconds
_PAUSE = 1.0  # seconds between two looks


def logs_part(
    *, settings: Settings, clock: Clock, exporter: Exporter | None, pods: Informed
) -> Part:
    """`/logs/search` and `/logs/tail` over STATE/logs/pods; what is new goes to the exporter."""
    logs = settings.state_dir / "logs" / "pods"
    loops: list[tuple[str, Loop]] = [("tidying logs", lambda: _tidying(settings, clock, pods))]
    if exporter is not None:
        loops.append(("handing on logs", lambda: _handing_on(logs, clock, exporter)))
    return Part(routes=api.routes(logs, clock), loops=tuple(loops))


async def _tidying(settings: Settings, clock: Clock, pods: Informed) -> None:
    """Hold the files to their bounds, now and then."""
    await pods.complete.wait()
    while True:
        there = frozenset(str(pod["metadata"]["uid"]) for pod in pods.known.values())
        try:
            now = clock.now().timestamp()
            removed = await asyncio.to_thread(_tidied, settings, there, now)
        except OSError as fault:
            log.warning("old logs cannot be removed: %s", fault)
        else:
            if removed:
                log.info("removed %d bytes of old logs", removed)
        await clock.sleep(TIDY_EVERY)


def _tidied(settings: Settings, there: frozenset[str], now: float) -> int:
    kept, logs = settings.observing.kept, settings.state_dir / "logs"
    bounds = Bounds(age=kept.logs_age, largest=kept.logs_bytes)
    shorten_own(logs)
    return tidy(logs / "pods", bounds, now, lambda container: container.uid in there)


async def _handing_on(logs: Path, clock: Clock, exporter: Exporter) -> None:
    """Everything that is written from now on."""
    follower = await asyncio.to_thread(Follower, logs, Filter())
    while True:
        lines = await asyncio.to_thread(follower.look)
        if lines:
            exporter.add(PATH, export_of(lines))
        await clock.sleep(_PAUSE)
