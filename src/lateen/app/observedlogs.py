"""The observer's part for logs: the containers' files are searched and followed where they are.

In: settings.                  Out: Part.
Before: telemetry/logs/        After: app/observing.py
"""

from __future__ import annotations

from lateen.app.settings import Settings
from lateen.base.clock import Clock
from lateen.telemetry.logs import api
from lateen.telemetry.parts import Part


def logs_part(*, settings: Settings, clock: Clock) -> Part:
    """`/logs/search` and `/logs/tail` over STATE/logs/pods."""
    return Part(routes=api.routes(settings.state_dir / "logs" / "pods", clock))
