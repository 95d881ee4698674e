"""What a container of the image runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.build.built import ASIDE, Built, resolve_argv

IMAGE = Built(
    image="web",
    entrypoint=("serve",),
    cmd=("--all",),
    cwd="/",
    env=(("PATH", "/env/bin:/app/bin"),),
    mounts=(),
    ports=(),
    user="",
    warnings=(),
    digest="",
)


@pytest.mark.parametrize(
    ("command", "args", "argv"),
    [
        ((), (), ("serve", "--all")),
        ((), ("--one",), ("serve", "--one")),
        (("run",), (), ("run",)),
        (("run",), ("it",), ("run", "it")),
        (("run", "$(A)-$(B)", "$$(A)", "$(A"), (), ("run", "1-$(B)", "$(A)", "$(A")),
        (("uv", "run", "web"), (), ("web",)),
    ],
)
def test_command_and_args_follow_kubernetes(
    command: tuple[str, ...], args: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    assert resolve_argv(IMAGE, command, args, {"A": "1"}) == argv


def image_with(tmp_path: Path, *programs: str) -> Built:
    for program in programs:
        file = tmp_path / program
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o755)
    mounts = (
        (str(tmp_path / "env"), "/env", True),
        (str(tmp_path / "root" / "app"), "/app", False),
        (str(tmp_path / "root"), ASIDE, False),
    )
    return Built(
        **{f: getattr(IMAGE, f) for f in IMAGE.__struct_fields__ if f != "mounts"}, mounts=mounts
    )


def test_a_program_is_found_on_the_path_of_the_container(tmp_path: Path) -> None:
    image = image_with(tmp_path, "env/bin/python", "root/app/bin/tool", "root/usr/local/bin/own")
    assert resolve_argv(image, ("tool", "x"), (), {}) == ("/app/bin/tool", "x")
    assert resolve_argv(image, ("python",), (), {}) == ("/env/bin/python",)
    assert resolve_argv(image, ("python",), (), {"PATH": "/app/bin"}) == ("python",)


def test_an_absolute_program_is_found_where_it_is_now(tmp_path: Path) -> None:
    image = image_with(tmp_path, "env/bin/python", "root/usr/local/bin/own")
    assert resolve_argv(image, ("/usr/local/bin/own",), (), {}) == (f"{ASIDE}/usr/local/bin/own",)
    assert resolve_argv(image, ("/usr/local/bin/python",), (), {}) == ("/env/bin/python",)
    assert resolve_argv(image, ("/gone/thing",), (), {}) == ("/gone/thing",)
    assert resolve_argv(image, ("./main",), (), {}) == ("./main",)
