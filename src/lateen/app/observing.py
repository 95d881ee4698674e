"""The observer: `python -m lateen.app.observing RUN`. Keeps metrics and answers questions about them.

In: RUN/settings.json, RUN/api.sock, the proxies' sockets.    Out: RUN/observe.sock, a port of loopback, STATE/observe.
Before: app/supervising.py       After: app/observedmetrics.py, app/observerdoors.py

A process beside the control plane, so that scraping and questions never hold up what proxies wait for. It
changes nothing: when it dies, it is started again, and what it kept is on disk. What it does stands in
`_parts`, each part with its routes and loops.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path
from secrets import token_urlsafe

from lateen.app.observedlogs import logs_part
from lateen.app.observedmetrics import metrics_part
from lateen.app.observedtaps import taps_part
from lateen.app.observedtraces import traces_part
from lateen.app.observerdoors import served
from lateen.app.settings import Settings, load_settings, make_private, write_private
from lateen.base import layout
from lateen.base.clock import Clock, SystemClock
from lateen.base.errors import EnvironmentFault
from lateen.base.tasks import named
from lateen.stages.informing import Informed, informing
from lateen.telemetry.exporting import Exporter
from lateen.telemetry.objectstates import Objects
from lateen.telemetry.parts import Part

_COLLECTIONS = (
    "/api/v1/pods",
    "/apis/apps/v1/deployments",
    "/apis/autoscaling/v2/horizontalpodautoscalers",
)
log = logging.getLogger(__name__)


class Observer:
    """One life of the observer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.folder = settings.state_dir / "observe"
        make_private(self.folder)

    async def run(self) -> None:
        """Serve until told to end; raises EnvironmentFault where it cannot."""
        ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        token, parts = _kept(self.folder / "token"), self._parts()
        routes = [route for part in parts for route in part.routes]
        socket = layout.observe_socket(self.settings.run_dir)
        try:
            async with served(routes, socket=socket, port=_port(self.folder), token=token) as port:
                self._say_where(port, token)
                loops = [named(name, loop()) for part in parts for name, loop in part.loops]
                gc.collect()
                gc.freeze()
                await _first_of([named("ending", _wait(ending)), *loops])
        finally:
            for part in parts:
                part.close()

    def _parts(self) -> tuple[Part, ...]:
        """All that is observed, each part with its routes, its loops and its end."""
        pods, deployments, autoscalers = (Informed(path) for path in _COLLECTIONS)
        known = (pods, deployments, autoscalers)
        informed = Part(
            loops=(("informing", lambda: informing(self.settings.api_socket, known, self.clock)),)
        )
        metrics = metrics_part(
            settings=self.settings,
            folder=self.folder,
            clock=self.clock,
            pods=pods,
            objects=lambda: Objects(
                pods=list(pods.known.values()),
                deployments=list(deployments.known.values()),
                autoscalers=list(autoscalers.known.values()),
            ),
        )
        collector = self.settings.observing.collector
        exporter = Exporter(collector, self.clock) if collector else None
        traces = traces_part(
            settings=self.settings,
            folder=self.folder,
            clock=self.clock,
            pods=pods,
            exporter=exporter,
        )
        logs = logs_part(settings=self.settings, clock=self.clock, exporter=exporter, pods=pods)
        handed_on = Part(loops=(("handing on", exporter.running),)) if exporter else Part()
        taps = taps_part(settings=self.settings, pods=pods)
        return informed, metrics, traces, logs, taps, handed_on

    def _say_where(self, port: int, token: str) -> None:
        write_private(self.folder / "port", str(port))
        base = f"http://127.0.0.1:{port}/t/{token}"
        otlp = f"http://{layout.GATEWAY}:{layout.OTLP_HTTP_PORT}"  # for pods
        told = {"prometheus": f"{base}/prometheus", "jaeger": f"{base}/jaeger", "otlp": otlp}
        write_private(layout.observe_addresses(self.settings.run_dir), json.dumps(told))


async def _first_of(tasks: list[asyncio.Task[None]]) -> None:
    """Wait until one ends, end the others, and raise what it raised."""
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _kept(path: Path) -> str:
    """The token, the same one as long as the state is kept."""
    if not path.exists():
        write_private(path, token_urlsafe(24))
    return path.read_text()


def _port(folder: Path) -> int:
    """The port of the last time, so that an address given to a tool stays true; 0 for none."""
    try:
        return int((folder / "port").read_text())
    except (OSError, ValueError):
        return 0


def main() -> None:
    """Run until SIGTERM."""
    logging.basicConfig(
        level=os.environ.get("LATEEN_LOG", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        asyncio.run(Observer(load_settings(Path(sys.argv[1]))).run())
    except EnvironmentFault as fault:
        log.critical("%s", fault)
        sys.exit(1)


if __name__ == "__main__":
    main()
