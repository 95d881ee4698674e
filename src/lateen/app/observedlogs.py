"""The observer's part for logs: the containers' files are searched and followed where they are, and handed on.

In: settings.                  Out: Part.
Before: telemetry/logs/        After: app/observing.py
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from lateen.app.settings import Settings
from lateen.base.clock import Clock
from lateen.telemetry.exporting import Exporter
from lateen.telemetry.logs import api
from lateen.telemetry.logs.exporting import PATH, export_of
from lateen.telemetry.logs.following import Follower
from lateen.telemetry.logs.search import Filter
from lateen.telemetry.parts import Part

_PAUSE = 1.0  # seconds between two looks


def logs_part(*, settings: Settings, clock: Clock, exporter: Exporter | None) -> Part:
    """`/logs/search` and `/logs/tail` over STATE/logs/pods; what is new goes to the exporter."""
    logs = settings.state_dir / "logs" / "pods"
    routes = api.routes(logs, clock)
    if exporter is None:
        return Part(routes=routes)
    return Part(
        routes=routes, loops=(("handing on logs", lambda: _handing_on(logs, clock, exporter)),)
    )


async def _handing_on(logs: Path, clock: Clock, exporter: Exporter) -> None:
    """Everything that is written from now on."""
    follower = await asyncio.to_thread(Follower, logs, Filter())
    while True:
        lines = await asyncio.to_thread(follower.look)
        if lines:
            exporter.add(PATH, export_of(lines))
        await clock.sleep(_PAUSE)
