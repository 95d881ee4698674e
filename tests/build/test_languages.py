"""The Dockerfile that is written for a folder without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.base.errors import BuildFailed
from lateen.build.dockerfile import parse_dockerfile
from lateen.build.languages import dockerfile_for
from lateen.build.plan import plan_build


def command(folder: Path) -> tuple[str, ...]:
    return plan_build(parse_dockerfile(dockerfile_for(folder), "x")).config.cmd


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_a_python_script(tmp_path: Path) -> None:
    write(tmp_path, requirements_dot_txt="flask\n", app_dot_py="if __name__ == '__main__': ...")
    assert command(tmp_path) == ("python", "app.py")
    assert "pip install -r requirements.txt" in dockerfile_for(tmp_path)


def test_an_asgi_app(tmp_path: Path) -> None:
    write(tmp_path, requirements_dot_txt="fastapi\nuvicorn==1\n", main_dot_py="api = FastAPI()\n")
    assert command(tmp_path) == ("uvicorn", "main:api", "--host", "0.0.0.0", "--port", "8000")


def test_a_python_project_with_one_script(tmp_path: Path) -> None:
    write(tmp_path, pyproject_dot_toml='[project]\nname="x"\n[project.scripts]\nserve="x:main"\n')
    assert command(tmp_path) == ("serve",)


def test_a_go_program(tmp_path: Path) -> None:
    write(tmp_path, go_dot_mod="module x\n", cmd__web__main_dot_go="package main\n")
    assert command(tmp_path) == ("./main",)
    assert "./cmd/web" in dockerfile_for(tmp_path)


@pytest.mark.parametrize("name", ["pom.xml", "build.gradle", "build.gradle.kts"])
def test_a_java_program(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert command(tmp_path) == ("java", "-jar", "app.jar")


@pytest.mark.parametrize(
    ("package", "argv"),
    [
        ('{"scripts": {"start": "node src/x.js"}}', ("node", "src/x.js")),
        ('{"scripts": {"start": "next start"}}', ("npm", "start")),
        ('{"main": "lib.js"}', ("node", "lib.js")),
        ("{}", ("node", "server.js")),
    ],
)
def test_a_node_program(tmp_path: Path, package: str, argv: tuple[str, ...]) -> None:
    write(tmp_path, package_dot_json=package, server_dot_js="")
    assert command(tmp_path) == argv


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"notes_dot_txt": ""}, "no Dockerfile and no files of a language"),
        ({"go_dot_mod": ""}, "want one main package"),
        ({"requirements_dot_txt": ""}, "want one of main.py"),
        ({"package_dot_json": "{}"}, "no start script and no main file"),
        ({"package_dot_json": "{"}, "package.json is not JSON"),
    ],
)
def test_a_folder_that_does_not_tell_how_to_start_is_refused(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    write(tmp_path, **files)
    with pytest.raises(BuildFailed, match=said):
        dockerfile_for(tmp_path)
