"""Images are built once, found again by content, and what goes wrong is said."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lateen.base.errors import BuildFailed
from lateen.build.builder import build, cores_gate
from lateen.build.built import Built, host_path, resolve_argv
from lateen.build.source import Source


def silent(_: str) -> None:
    return None


class Project:
    """One source folder, and a cache of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.said: list[str] = []
        folder.mkdir()

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    @property
    def source(self) -> Source:
        dockerfile = self.folder / "Dockerfile"
        found = dockerfile if dockerfile.exists() else None
        return Source(image=f"registry/{self.folder.name}:1", folder=self.folder, dockerfile=found)

    def build(self) -> Built:
        self.said.clear()
        return asyncio.run(build(self.source, cache=self.cache, progress=self.said.append))

    def run(self, built: Built) -> str:
        """What the image prints when it is started in a copy of its folder."""
        cwd = host_path(built, built.cwd)
        assert cwd is not None
        copy = self.cache / "run"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(cwd, copy)
        argv = resolve_argv(built, (), (), {})
        done = subprocess.run(
            argv, cwd=copy, env=dict(built.env), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "web", tmp_path / "cache")


PYTHON = "FROM python:3\nWORKDIR /app\nCOPY . .\n"


def test_a_python_image_is_built_and_runs(project: Project) -> None:
    project.write("Dockerfile", f'{PYTHON}ENV WHO=you\nEXPOSE 8000\nCMD ["python", "main.py"]\n')
    project.write("main.py", "import os\nprint('hello', os.environ['WHO'])")
    built = project.build()
    assert project.run(built) == "hello you"
    assert (built.cwd, built.ports, built.cached, built.warnings) == ("/app", (8000,), False, ())
    assert ("/app", False) in [(target, read_only) for _, target, read_only in built.mounts]


def test_an_unchanged_source_is_not_built_again(project: Project) -> None:
    project.write("Dockerfile", f'{PYTHON}CMD ["python", "main.py"]\n')
    project.write("main.py", "print(1)")
    first = project.build()
    second = project.build()
    assert second.cached
    assert (second.digest, second.mounts) == (first.digest, first.mounts)
    assert project.said == []


def test_an_edit_makes_another_image_and_the_old_one_stays(project: Project) -> None:
    project.write("Dockerfile", f'{PYTHON}CMD ["python", "main.py"]\n')
    project.write("main.py", "print(1)")
    first = project.build()
    project.write("main.py", "print(2)")
    second = project.build()
    assert not second.cached
    assert (project.run(first), project.run(second)) == ("1", "2")


def test_packages_are_installed_again_only_when_they_change(project: Project) -> None:
    project.write("lib/pyproject.toml", '[project]\nname="greet"\nversion="1"\n'
        '[build-system]\nrequires=[]\nbuild-backend="backend"\nbackend-path=["."]\n')  # fmt: skip
    project.write("lib/backend.py", BACKEND)
    project.write("main.py", "import greet\nprint(greet.WORD, 1)")
    project.write("Dockerfile", "FROM python:3\nWORKDIR /app\nCOPY lib lib\n"
        'RUN pip install --no-cache-dir ./lib\nCOPY . .\nCMD ["python", "main.py"]\n')  # fmt: skip
    assert project.run(project.build()) == "hello 1"
    assert "pip install ./lib" in project.said
    project.write("main.py", "import greet\nprint(greet.WORD, 2)")
    assert project.run(project.build()) == "hello 2"
    assert "pip install ./lib" not in project.said
    project.write("lib/backend.py", BACKEND.replace("hello", "goodbye"))
    assert project.run(project.build()) == "goodbye 2"


# The smallest build backend: it needs no package, and so no network.
BACKEND = """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "greet-1-py3-none-any.whl"
    info = "greet-1.dist-info/"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("greet.py", "WORD = 'hello'")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: greet\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


def test_a_node_image_is_built_and_runs(project: Project) -> None:
    project.write("package.json", '{"scripts": {"start": "node server.js"}}')
    project.write("server.js", "console.log('hello', process.cwd().endsWith('run'))")
    assert project.run(project.build()) == "hello true"


def test_a_go_image_is_built_and_runs(project: Project) -> None:
    project.write("go.mod", "module example.com/web\n\ngo 1.21\n")
    project.write(
        "main.go", 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("hello") }\n'
    )
    project.write("Dockerfile", "FROM golang:1.21 AS b\nWORKDIR /src\nCOPY . .\n"
        'RUN go build -o /out/web .\nFROM scratch\nCOPY --from=b /out/web /web\nENTRYPOINT ["/web"]\n')  # fmt: skip
    built = project.build()
    assert [(target, read_only) for _, target, read_only in built.mounts] == [("/web", False)]
    program = host_path(built, resolve_argv(built, (), (), {})[0])
    assert program is not None
    assert subprocess.check_output([program], text=True) == "hello\n"


def test_files_that_the_machine_covers_are_set_aside(project: Project) -> None:
    project.write("run", "#!/bin/sh\necho aside\n")
    project.write("Dockerfile", "FROM alpine\nCOPY --chmod=755 run /usr/local/bin/lateen-test-run\n"
        'CMD ["lateen-test-run"]\n')  # fmt: skip
    built = project.build()
    (program,) = resolve_argv(built, (), (), {})
    assert program == "/.image/usr/local/bin/lateen-test-run"
    file = host_path(built, program)
    assert file is not None
    assert subprocess.check_output([file], text=True) == "aside\n"


def test_a_failed_step_shows_its_line_and_its_output(project: Project) -> None:
    project.write("go.mod", "module example.com/web\n")
    project.write("main.go", "package main\n\nfunc main() { nothing() }\n")
    project.write("Dockerfile", "FROM golang\nCOPY . .\nRUN go build -o x .\nCMD ./x\n")
    with pytest.raises(
        BuildFailed, match=r"web/Dockerfile:3: `go build -o x .` failed \(status 1\)"
    ) as told:
        project.build()
    assert "undefined: nothing" in told.value.log
    assert not (project.cache / "images").exists()
    assert list((project.cache / "work").iterdir()) == []


def test_a_missing_toolchain_is_the_reason(project: Project) -> None:
    project.write("Dockerfile", "FROM eclipse-temurin:99\nCMD java\n")
    with pytest.raises(BuildFailed, match=r"^needs a Java runtime 99, "):
        project.build()


def test_a_layer_left_half_made_is_made_again(project: Project) -> None:
    project.write("Dockerfile", f'{PYTHON}CMD ["python", "main.py"]\n')
    project.write("main.py", "print(1)")
    project.build()
    for mark in (project.cache / "layers").glob("*.whole"):
        mark.unlink()
    shutil.rmtree(project.cache / "images")
    for venv in (project.cache / "layers").glob("venv-*"):
        shutil.rmtree(venv / "bin")
    assert project.run(project.build()) == "1"


def test_an_image_whose_layer_was_cleared_away_is_made_again(project: Project) -> None:
    project.write("Dockerfile", f'{PYTHON}CMD ["python", "main.py"]\n')
    project.write("main.py", "print(1)")
    project.build()
    shutil.rmtree(project.cache / "layers")
    again = project.build()
    assert not again.cached
    assert project.run(again) == "1"


def test_equal_builds_at_the_same_time_do_the_work_once(project: Project) -> None:
    project.write("go.mod", "module example.com/web\n")
    project.write("main.go", "package main\n\nfunc main() {}\n")
    project.write(
        "Dockerfile", "FROM golang\nWORKDIR /src\nCOPY . .\nRUN go build -o x .\nCMD ./x\n"
    )

    async def several() -> list[Built]:
        gate = asyncio.Semaphore(4)
        return await asyncio.gather(
            *(build(project.source, cache=project.cache, progress=project.said.append, gate=gate)
              for _ in range(3))
        )  # fmt: skip

    built = asyncio.run(several())
    assert sorted(b.cached for b in built) == [False, True, True]
    assert len({b.digest for b in built}) == 1
    assert project.said.count("go build -o x .") == 1


def test_a_build_that_is_cancelled_ends_its_programs(project: Project) -> None:
    project.write("package.json", '{"scripts": {"build": "node wait.js"}}')
    project.write("wait.js", "require('fs').writeFileSync(process.env.MARK, String(process.pid));"
        "setInterval(() => {}, 1000)")  # fmt: skip
    project.write("Dockerfile", "FROM node\nWORKDIR /app\nCOPY . .\nRUN npm run build\nCMD node\n")
    mark = project.cache.parent / "mark"
    environ = {**os.environ, "MARK": str(mark)}

    async def cancelled() -> int:
        task = asyncio.create_task(
            build(project.source, cache=project.cache, progress=silent, environ=environ)
        )
        while not (mark.exists() and mark.read_text()):
            assert not task.done()
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return int(mark.read_text())

    pid = asyncio.run(asyncio.wait_for(cancelled(), 30))
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "(zombie)" not in _state(pid):
        assert time.monotonic() < deadline, "the program outlived its build"
        time.sleep(0.02)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "(zombie)"


def test_a_gate_lets_as_many_through_as_there_are_cores() -> None:
    assert cores_gate()._value == len(os.sched_getaffinity(0))
