"""What a pod learns of the build of its image."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lateen.build.built import Built
from lateen.build.source import ImageSource
from lateen.stages import building
from lateen.stages.building import Building


def test_a_fault_of_ours_ends_the_build_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object, **__: object) -> Built:
        raise PermissionError(13, "Permission denied", "/closed")

    (tmp_path / "requirements.txt").touch()

    async def shown() -> Built | str | None:
        changed = asyncio.Event()
        made = Building(cache=tmp_path, changed=changed.set)
        made.look_in({"shop/web": ImageSource(build=tmp_path)}, ())
        assert made.result("shop/web") is None
        await changed.wait()
        return made.result("shop/web")

    monkeypatch.setattr(building, "build", failing)
    assert "Permission denied: '/closed'" in str(asyncio.run(shown()))
