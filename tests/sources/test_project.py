"""lateen.yaml maps images to source, and says where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.sources.project import read_project, untagged


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "services" / "web").mkdir(parents=True)
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "web.yaml").write_text("")
    return tmp_path


def said(folder: Path, text: str) -> list[str]:
    (folder / "lateen.yaml").write_text(text)
    return [str(problem) for problem in read_project([str(folder)])[1]]


@pytest.mark.parametrize("given", [".", "k8s", "k8s/web.yaml"])
def test_it_is_found_beside_or_above_what_is_given(folder: Path, given: str) -> None:
    (folder / "lateen.yaml").write_text(
        "images: {shop/web: {build: services/web}}\nports: {80: 8081}\n"
    )
    project, problems = read_project([given])
    assert problems == ()
    build = project.build_of("shop/web:1.2")
    assert build is not None
    assert build.folder == folder / "services" / "web"
    assert str(build.origin.place) == "lateen.yaml:1"
    assert project.ports == {80: 8081}
    assert project.build_of("shop/other") is None


def test_the_nearest_wins_and_the_search_ends_at_git(folder: Path) -> None:
    (folder / "lateen.yaml").write_text("ports: {80: 1}\n")
    (folder / "k8s" / "lateen.yaml").write_text("ports: {80: 2}\n")
    assert read_project(["k8s"])[0].ports == {80: 2}
    (folder / "k8s" / "lateen.yaml").unlink()
    (folder / "k8s" / ".git").mkdir()
    project, _ = read_project(["k8s"])
    assert project.file is None
    assert project.folders == (folder / "k8s",)


def test_an_entry_with_a_tag_is_for_that_tag(folder: Path) -> None:
    (folder / "services" / "next").mkdir()
    said(folder, "images:\n  a: {build: services/web}\n  a:2: {build: services/next}\n")
    project, _ = read_project(["."])
    found = [project.build_of(image) for image in ("a:1", "a:2", "a@sha256:00")]
    assert [b.folder.name for b in found if b] == ["web", "next", "web"]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("web", "web"),
        ("localhost:5000/shop/web", "localhost:5000/shop/web"),
        ("localhost:5000/shop/web:1.0", "localhost:5000/shop/web"),
        ("shop/web:1.0@sha256:00", "shop/web"),
    ],
)
def test_a_tag_is_not_a_registrys_port(image: str, name: str) -> None:
    assert untagged(image) == name


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "image: {}\n",
            'lateen.yaml:1:1: error LAT0008 image: unknown key "image" (did you mean "images"?)',
        ),
        (
            "images:\n  a:\n    bulid: x\n    build: services/web\n",
            'lateen.yaml:3:5: error LAT0008 images.a.bulid: unknown key "bulid" (did you mean "build"?)',
        ),
        (
            "images:\n  a: {build: nowhere}\n",
            'lateen.yaml:2:7: error LAT0008 images.a.build: no folder "nowhere" beside lateen.yaml',
        ),
        (
            "images:\n  a: {}\n",
            "lateen.yaml:2:3: error LAT0008 images.a: required: the folder with the image's source",
        ),
        (
            "ports: {http: 80}\n",
            "lateen.yaml:1:9: error LAT0008 ports.http:"
            ' wanted a Gateway port from 1 to 65535, got "http"',
        ),
        (
            "- a\n",
            "lateen.yaml:1:1: error LAT0008: wanted a mapping with images, ports, needs, telemetry",
        ),
    ],
)
def test_a_fault_has_its_line_and_the_file_is_not_used_in_part(
    folder: Path, text: str, wanted: str
) -> None:
    assert said(folder, text) == [wanted]
    project, _ = read_project(["."])
    assert project.images == {}
    assert project.ports == {}
