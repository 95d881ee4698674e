"""Informers of two client libraries hear of each change once, over cut connections and after 410 Gone."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from kubernetes import client, config
from kubernetes.informer import SharedInformer

from lateen.base.errors import BuildFailed
from lateen.build.steps import Need, Tool
from lateen.build.toolchains import Toolchains
from tests.apiserver.informed import HISTORY, InformedApi, Told, informed_api

HERE = Path(__file__).parent / "informers"
CHANGES = 1_000
PATIENCE = 30.0  # seconds
pytestmark = [
    pytest.mark.anyio,
    # The Python client leaves closing its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Heard:
    """What an informer said it was told, and how to ask what it knows."""

    known: Callable[[], Awaitable[dict[str, str]]]
    told: list[Told] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, kind: str, name: str, revision: str) -> None:
        """Note what was told."""
        self.told.append((kind, name, int(revision)))
        self._more.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait, not for ever; who waits in vain looks at what there is instead."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not holds():
                    self._more.clear()
                    await self._more.wait()

    async def all_of(self, changes: list[Told]) -> list[Told]:
        """What was told since the first of the changes, once the last of them has been heard."""
        await self.until(lambda: bool(self.told) and self.told[-1][2] >= changes[-1][2])
        return [one for one in self.told if one[2] >= changes[0][2]]


@asynccontextmanager
async def python_informer(api: InformedApi) -> AsyncIterator[Heard]:
    """The official Python client's, in a thread of its own."""
    settings = client.Configuration()
    config.load_kube_config(  # type: ignore[no-untyped-call]
        str(api.kubeconfig), client_configuration=settings
    )
    settings.retries = False
    with client.ApiClient(settings) as connection:
        core = client.CoreV1Api(connection)
        informer: Any = SharedInformer(  # type: ignore[no-untyped-call]
            core.list_namespaced_config_map, namespace="default"
        )

        async def known() -> dict[str, str]:
            cached = informer.cache.list()
            return {o.metadata.name: o.metadata.resource_version for o in cached}

        heard = Heard(known)
        loop = asyncio.get_running_loop()

        def tell(kind: str, about: Any) -> None:
            said = about.metadata
            loop.call_soon_threadsafe(heard.hear, kind, said.name, said.resource_version)

        for kind in ("ADDED", "MODIFIED", "DELETED"):
            informer.add_event_handler(kind, partial(tell, kind))
        informer.start()
        try:
            yield heard
        finally:
            informer._stop_event.set()
            api.cutter.closed = True
            api.cutter.cut()  # it would wait for the next event
            await asyncio.to_thread(informer.stop)


@asynccontextmanager
async def node_informer(api: InformedApi, node: Path, packages: Path) -> AsyncIterator[Heard]:
    """The JavaScript client's, in a process of its own."""
    script = str(HERE / "informer.mjs")
    process = await asyncio.create_subprocess_exec(
        *(str(node), script, str(packages), str(api.kubeconfig), "default"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout
    answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def known() -> dict[str, str]:
        stdin.write(b"\n")
        async with asyncio.timeout(10):
            return await answers.get()

    heard = Heard(known)

    async def read() -> None:
        async for line in stdout:
            if line.startswith(b"{"):
                answers.put_nowait(json.loads(line))
            else:
                heard.hear(*line.decode().split())

    reading = asyncio.create_task(read())
    try:
        yield heard
    finally:
        process.kill()
        await process.wait()
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def hears_all_once(api: InformedApi, heard: Heard) -> None:
    """A thousand changes over seven cuts, then 410 Gone, then what comes after it."""
    await heard.until(lambda: len(heard.told) == len(api.objects))
    begin = len(api.changes)
    await api.make_changes(CHANGES, cut_every=140)
    changes = api.changes[begin:]
    assert await heard.all_of(changes) == changes
    assert api.lists == 1, "it went on where it was"
    await api.change_behind_their_backs(2 * HISTORY)
    last = api.store.revision
    listed = max(int(revision) for revision in api.objects.values())
    await heard.until(lambda: max(one[2] for one in heard.told) >= listed)
    assert api.lists == 2, "it was told 410 Gone"
    begin = len(api.changes)
    await api.make_changes(100)
    later = api.changes[begin:]
    assert await heard.all_of(later) == later
    assert later[0][2] == last + 1
    assert await heard.known() == api.objects


async def test_the_python_client_hears_all_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "kubernetes.informer.informer")
    async with informed_api(tmp_path) as api:
        await api.make_changes(20)
        async with python_informer(api) as heard:
            await hears_all_once(api, heard)


@pytest.mark.e2e  # it fetches a package
async def test_the_javascript_client_hears_all_once(tmp_path: Path) -> None:
    node = await fetched_client(tmp_path)
    async with informed_api(tmp_path) as api:
        await api.make_changes(20)
        async with node_informer(api, node, tmp_path) as heard:
            await hears_all_once(api, heard)


async def fetched_client(folder: Path) -> Path:
    """Fetch the JavaScript client's packages into a folder; the Node.js to run it with.

    Without them there is no such test, but in CI, where it fails.
    """
    shutil.copy(HERE / "package.json", folder)
    tools = Toolchains(folder / "cache", os.environ)
    try:
        node = await tools.find(Need(tool=Tool.NODE), lambda _: None)
    except BuildFailed as failed:
        return _without(failed.reason)
    path = os.pathsep.join([*map(str, node.paths), os.environ["PATH"]])
    npm = shutil.which("npm", path=path)
    if npm is None:
        return _without("there is Node.js, but no npm")
    command = (npm, "install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts")
    environment = {**os.environ, "PATH": path}
    fetching = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment)
    if await fetching.wait():
        return _without("its packages cannot be fetched")
    return node.program


def _without(why: str) -> NoReturn:
    words = f"no JavaScript client: {why}"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)
