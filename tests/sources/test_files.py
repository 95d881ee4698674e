"""Files and folders become objects; what cannot be read is said, and nothing else is lost."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lateen.sources.files import Loaded, read_paths


def config_map(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(loaded: Loaded) -> list[str]:
    return [obj.key.name for obj in loaded.objects]


def test_a_folder_is_read_recursively_in_order(folder: Path) -> None:
    write(folder, b_yaml=config_map("b"), a__c_yaml=config_map("c"))
    (folder / "d.json").write_text(
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}}'
    )
    loaded = read_paths(["."])
    assert names(loaded) == ["b", "d", "c"]
    assert loaded.files == ("b.yaml", "d.json", "a/c.yaml")
    assert loaded.problems == ()


def test_places_are_relative_to_the_working_directory(folder: Path) -> None:
    write(folder, k8s__a_yaml=f"# first\n{config_map('a')}")
    (obj,) = read_paths([str(folder / "k8s")]).objects
    assert str(obj.origin("metadata.name").place) == "k8s/a.yaml:4"


def test_what_is_no_manifest_is_passed_over(folder: Path) -> None:
    write(
        folder,
        a_yaml=config_map("a"),
        lateen_yaml="images: {}\n",
        node_modules__x_yaml=config_map("x"),
        target__x_yaml=config_map("x"),
    )
    write(folder / ".venv", x_yaml=config_map("x"))
    (folder / "package.json").write_text('{"name": "x"}')
    (folder / "README.md").write_text("# x\n")
    loaded = read_paths(["."])
    assert names(loaded) == ["a"]
    assert loaded.problems == ()


def test_a_kustomization_is_named_as_not_carried_out(folder: Path) -> None:
    write(folder, a_yaml=config_map("a"), kustomization_yaml="resources: [a.yaml]\n")
    loaded = read_paths(["."])
    assert names(loaded) == ["a"]
    assert str(loaded.problems[0]).startswith("kustomization.yaml: warning LAT0007: kustomizations")


def test_standard_input(folder: Path) -> None:
    (obj,) = read_paths(["-"], stdin=io.StringIO(config_map("a")), namespace="shop").objects
    assert str(obj.origin("metadata.name").place) == "<stdin>:3"
    assert obj.key.namespace == "shop"


def test_a_missing_path_is_an_error_with_a_guess(folder: Path) -> None:
    write(folder, gateway_yaml=config_map("a"))
    (problem,) = read_paths(["gatway.yaml"]).problems
    assert str(problem) == (
        'gatway.yaml: error LAT0006: "gatway.yaml" does not exist; did you mean "gateway.yaml"?'
    )


def test_the_same_object_twice_names_both_places_and_stores_neither(folder: Path) -> None:
    write(
        folder, a_yaml=config_map("same"), b_yaml=f"{config_map('other')}---\n{config_map('same')}"
    )
    loaded = read_paths(["."])
    assert names(loaded) == ["other"]
    assert [str(problem) for problem in loaded.problems] == [
        "a.yaml:1:1: error LAT0005 ConfigMap default/same:"
        " the same object is also described in b.yaml:5 (keep one of them)",
        "b.yaml:5:1: error LAT0005 ConfigMap default/same:"
        " the same object is also described in a.yaml:1 (keep one of them)",
    ]


def test_a_file_given_twice_is_read_once(folder: Path) -> None:
    write(folder, a_yaml=config_map("a"))
    loaded = read_paths([".", "a.yaml"])
    assert names(loaded) == ["a"]
    assert loaded.problems == ()


def test_bytes_that_are_no_text_are_a_problem_of_that_file_only(folder: Path) -> None:
    write(folder, b_yaml=config_map("b"))
    (folder / "a.yaml").write_bytes(b"\xff\xfe\x00")
    loaded = read_paths(["."])
    assert names(loaded) == ["b"]
    assert str(loaded.problems[0]).startswith("a.yaml: error LAT0003: not UTF-8 text")
