"""The services of examples/polyglot are built with the machine's own toolchains.

The images go to the user's own cache: the first run builds them, the next ones find them there.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from lateen.build.builder import build, cores_gate
from lateen.build.built import Built, host_path, resolve_argv
from lateen.build.source import find_source

POLYGLOT = Path(__file__).parents[2] / "examples" / "polyglot"
SERVICES = {
    "fastapi-service": ("/app", 8000, "uvicorn"),
    "go-service": ("/root", 8080, "./main"),
    "java-service": ("/app", 8080, "java"),
    "node-service": ("/app", 3000, "node"),
    "my-service": ("/root", 8080, "./main"),
}


async def _build(name: str, cache: Path, gate: asyncio.Semaphore) -> Built:
    source = find_source(f"my-registry/{name}:1.0.0", {}, [POLYGLOT / "k8s"])
    assert source is not None
    return await build(source, cache=cache, progress=print, gate=gate)


@pytest.fixture(scope="module")
def images() -> dict[str, Built]:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(home) / "lateen"

    async def all_of_them() -> list[Built]:
        gate = cores_gate()
        return await asyncio.gather(*(_build(name, cache, gate) for name in SERVICES))

    return dict(zip(SERVICES, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_becomes_a_process(images: dict[str, Built], name: str) -> None:
    built = images[name]
    cwd, port, program = SERVICES[name]
    assert (built.cwd, built.ports, built.warnings) == (cwd, (port,), ())
    argv = resolve_argv(built, (), (), {})
    assert argv[0].rpartition("/")[2] == program.removeprefix("./")
    file = host_path(built, argv[0] if argv[0].startswith("/") else f"{cwd}/{argv[0]}")
    assert file is not None
    assert os.access(file, os.X_OK)
    assert all(Path(source).exists() for source, _, _ in built.mounts)
