"""The folders of a mesh are its user's alone, and nobody can put others in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lateen.app.settings import directories, make_private
from lateen.base.errors import EnvironmentFault


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_folder_and_its_parent_are_made_for_the_user_alone(tmp_path: Path) -> None:
    make_private(tmp_path / "lateen" / "default")
    assert mode(tmp_path / "lateen") == mode(tmp_path / "lateen" / "default") == 0o700


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "lateen" / "default"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    make_private(folder)
    assert mode(folder) == 0o700


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "default").symlink_to("elsewhere")
    with pytest.raises(EnvironmentFault, match="belongs to someone else"):
        make_private(tmp_path / "default")


def test_a_parent_that_everyone_may_write_to_must_be_sticky(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(EnvironmentFault, match="can be changed by others"):
        make_private(shared / "default")
    shared.chmod(0o1777)
    make_private(shared / "default")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_folders_that_someone_else_made_first_are_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "lateen-0"
    theirs.mkdir(mode=0o755)
    os.chown(theirs, 65534, 65534)
    with pytest.raises(EnvironmentFault, match="can be changed by others"):
        make_private(theirs / "default")
    os.chown(theirs, 0, 0)
    os.chown(theirs / "default", 65534, 65534)
    with pytest.raises(EnvironmentFault, match="belongs to someone else"):
        make_private(theirs / "default")


def test_a_run_directory_too_deep_for_a_socket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATEEN_RUN_DIR", "/" + "x" * 100)
    with pytest.raises(EnvironmentFault, match="too long a path"):
        directories("default")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match=r"file/lateen/default cannot be made \(Not a dir"):
        make_private(tmp_path / "file" / "lateen" / "default")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-x", "a\n", "a b", "x" + "\0"])
def test_a_name_cannot_lead_out_of_the_folders_of_meshes(name: str) -> None:
    # The run directory is removed whole at the end: `--name ..` would take its parents along.
    with pytest.raises(EnvironmentFault, match="cannot be a mesh's name"):
        directories(name)


@pytest.mark.parametrize("name", ["default", "team-a", "pr_12", "v1.2", "X"])
def test_ordinary_names_are_a_folder_each(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATEEN_RUN_DIR", "/r")
    run, _, _ = directories(name)
    assert run == Path("/r") / name


def test_a_relative_folder_is_one_of_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    # The mesh's processes have other working directories than the command that started it.
    monkeypatch.chdir("/")
    for part in ("RUN", "STATE", "CACHE"):
        monkeypatch.setenv(f"LATEEN_{part}_DIR", part)
    assert directories("m") == (Path("/RUN/m"), Path("/STATE/m"), Path("/CACHE"))
