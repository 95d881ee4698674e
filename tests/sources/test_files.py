"""Files and folders become objects; what cannot be read is said, and nothing else is lost."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from lateen.base.problem import Level
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


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    write(folder, a_yaml=config_map("a"))
    os.mkfifo(folder / "b.yaml")
    loaded = read_paths(["."])
    assert names(loaded) == ["a"]
    (problem,) = loaded.problems
    assert str(problem).startswith("b.yaml: error LAT0006")
    assert "not a file: not read" in problem.message


def test_a_link_that_leads_nowhere_or_in_a_circle_loses_nothing_else(folder: Path) -> None:
    write(folder, a_yaml=config_map("a"))
    (folder / "again").symlink_to(folder)
    (folder / "self.yaml").symlink_to(folder / "self.yaml")
    (folder / "gone.yaml").symlink_to(folder / "nowhere.yaml")
    loaded = read_paths(["."])
    assert names(loaded) == ["a"]
    assert {p.origin.place.file for p in loaded.problems if p.origin.place} == {
        "self.yaml",
        "gone.yaml",
    }


def test_a_folder_without_manifests_is_said_to_be_one(folder: Path) -> None:
    (folder / "notes.txt").touch()
    (problem,) = read_paths(["."]).problems
    assert problem.level is Level.WARNING
    assert "no manifests in it (files that end in .yaml, .yml, .json)" in problem.message


def test_another_tools_file_found_in_a_folder_is_passed_over_with_a_word(folder: Path) -> None:
    write(folder, values_yaml="replicas: 2\n---\nother: 1\n", a_yaml=config_map("a"))
    loaded = read_paths(["."])
    assert names(loaded) == ["a"]
    (problem,) = loaded.problems
    assert problem.level is Level.WARNING
    assert "no Kubernetes object in it" in problem.message


def test_the_same_file_given_by_name_is_an_error(folder: Path) -> None:
    write(folder, values_yaml="replicas: 2\n")
    problems = read_paths(["values.yaml"]).problems
    assert [p.level for p in problems] == [Level.ERROR, Level.ERROR]


def test_an_object_that_only_lost_its_kind_is_an_error_in_a_folder_too(folder: Path) -> None:
    write(folder, a_yaml="apiVersion: v1\nmetadata: {name: a}\n", b_yaml="---\nx: 1\n---\n- y\n")
    assert {p.level for p in read_paths(["."]).problems} == {Level.ERROR}


def test_a_template_gets_a_hint_how_to_render_it(folder: Path) -> None:
    write(folder, a_yaml="{{- if .Values.x }}\napiVersion: v1\n{{ end }}\n")
    (problem,) = read_paths(["."]).problems
    assert "helm template" in problem.fix


def test_an_object_in_many_places_names_some_of_them(folder: Path) -> None:
    write(folder, **{f"f{n}_yaml": config_map("same") for n in range(9)})
    assert {p.message.partition("and")[2].count("yaml") for p in read_paths(["."]).problems} == {2}
    assert all(p.message.endswith("and 5 more places") for p in read_paths(["."]).problems)
