"""Which folder an image is built from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.base.errors import BuildFailed
from lateen.build.source import ImageSource, find_source, repository_of


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("web", "web"),
        ("web:1.0", "web"),
        ("my-registry/web:1.0.0", "my-registry/web"),
        ("localhost:5000/team/web", "localhost:5000/team/web"),
        ("localhost:5000/team/web:2@sha256:abc", "localhost:5000/team/web"),
    ],
)
def test_a_repository_is_the_image_without_tag_and_digest(image: str, repository: str) -> None:
    assert repository_of(image) == repository


def test_the_map_of_the_project_goes_first(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "services" / "web").mkdir(parents=True)
    (tmp_path / "services" / "web" / "Dockerfile").touch()
    project = {"registry/web": ImageSource(build=tmp_path / "code")}
    source = find_source("registry/web:1.0", project, [tmp_path])
    assert source is not None
    assert source.folder == tmp_path / "code"
    assert source.dockerfile is None


def test_the_map_may_name_another_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "prod.Dockerfile").touch()
    project = {"web:1": ImageSource(build=tmp_path, dockerfile="prod.Dockerfile")}
    source = find_source("web:1", project, [])
    assert source is not None
    assert source.dockerfile == tmp_path / "prod.Dockerfile"
    assert find_source("web:2", project, []) is None


def test_a_map_to_nowhere_is_said(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"lateen\.yaml builds web from .*no folder"):
        find_source("web", {"web": ImageSource(build=tmp_path / "gone")}, [])
    with pytest.raises(BuildFailed, match="names the Dockerfile"):
        find_source("web", {"web": ImageSource(build=tmp_path, dockerfile="other")}, [])


@pytest.mark.parametrize("group", ["", "services", "apps", "src"])
def test_a_folder_of_the_same_name_is_found(tmp_path: Path, group: str) -> None:
    folder = tmp_path / group / "web"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text("{}")
    source = find_source("registry/web:1.0", {}, [tmp_path])
    assert source is not None
    assert (source.folder, source.dockerfile) == (folder, None)


def test_a_folder_without_language_files_is_not_a_source(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "notes.txt").touch()
    assert find_source("web", {}, [tmp_path]) is None


def test_parents_are_searched_up_to_the_project_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "Dockerfile").touch()
    project = tmp_path / "project"
    (project / "services" / "web").mkdir(parents=True)
    (project / "services" / "web" / "Dockerfile").touch()
    (project / "k8s" / "deep").mkdir(parents=True)
    assert find_source("web", {}, [project / "k8s" / "deep"]) is None
    (project / "lateen.yaml").touch()
    source = find_source("web", {}, [project / "k8s" / "deep"])
    assert source is not None
    assert source.folder == project / "services" / "web"
    assert find_source("outside", {}, [project / "k8s" / "deep"]) is None
