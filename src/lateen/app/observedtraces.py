"""The observer's part for traces: spans of proxies and apps are taken, kept, handed on, and searched.

In: settings, the pods there are.   Out: Part.
Before: telemetry/traces/        After: app/observing.py
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

from aiohttp import web

from lateen.app.settings import Settings
from lateen.base import layout
from lateen.base.clock import Clock
from lateen.base.rpc import Method, RpcServer
from lateen.stages.informing import Informed
from lateen.stages.resolving import slot_of
from lateen.stages.scraping import pod_sockets
from lateen.stages.tracing import sharing
from lateen.telemetry.exporting import Exporter
from lateen.telemetry.parts import Part
from lateen.telemetry.traces import api, jaeger, taking
from lateen.telemetry.traces.keeping import Keeping
from lateen.telemetry.traces.shares import ProxyName, Shares
from lateen.telemetry.traces.store import SpanStore
from lateen.telemetry.traces.thinning import Thinning

PER_SECOND = 3000  # spans kept; of more, whole traces are left out


def traces_part(
    *, settings: Settings, folder: Path, clock: Clock, pods: Informed, exporter: Exporter | None
) -> Part:
    """The store in STATE/observe/traces.db, the sockets for spans, Jaeger's API."""
    kept = settings.observing.kept
    store = SpanStore(folder / "traces.db", max_age=kept.traces_age, max_bytes=kept.traces_bytes)
    keeping, shares = Keeping(store, clock), Shares()

    def whose(slot: str) -> tuple[str, str]:
        for (namespace, name), pod in pods.known.items():
            if slot_of(str(pod["metadata"]["uid"])) == slot:
                return namespace, name
        return "", ""

    def sockets() -> dict[ProxyName, Path]:
        found = ((who, pod_sockets(pod, settings.run_dir)) for who, pod in pods.known.items())
        return {who: sockets.admin for who, sockets in found if sockets}

    def pass_on(body: bytes) -> None:
        if exporter:
            exporter.add(taking.PATH, body)

    taken = taking.Taking(
        keeping=keeping,
        thinning=Thinning(PER_SECOND, monotonic),
        shares=shares,
        whose=whose,
        pass_on=pass_on,
    )
    return Part(
        routes=(*api.routes(keeping, shares), *jaeger.routes(keeping)),
        loops=(
            ("keeping spans", keeping.running),
            ("taking spans", lambda: _serving(settings.run_dir, taken)),
            ("sharing traces", lambda: sharing(shares, sockets, clock)),
        ),
        close=keeping.close,
    )


async def _serving(run: Path, taken: taking.Taking) -> None:
    """Listen for proxies, and for apps by gRPC and by HTTP, until cancelled."""
    doors: tuple[tuple[Path, Method], ...] = (
        (layout.spans_socket(run), taken.from_proxy()),
        (layout.otlp_socket(run, layout.OTLP_GRPC_PORT), taken.from_app()),
    )
    servers = []
    app = web.Application(client_max_size=taking.LARGEST)
    app.router.add_post(taking.PATH, taken.by_http)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        for path, method in doors:
            server = RpcServer({taking.EXPORT: method}, largest=taking.LARGEST)
            await server.start(path)
            servers.append(server)
        path = layout.otlp_socket(run, layout.OTLP_HTTP_PORT)
        path.unlink(missing_ok=True)
        await web.UnixSite(runner, str(path)).start()
        path.chmod(0o600)
        await asyncio.Event().wait()
    finally:
        for server in servers:
            await server.stop()
        await runner.cleanup()
