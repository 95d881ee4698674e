"""What the lines of a Dockerfile mean here."""

from __future__ import annotations

import pytest

from lateen.base.errors import BuildFailed
from lateen.build.bases import need_of_base
from lateen.build.dockerfile import parse_dockerfile
from lateen.build.plan import plan_build
from lateen.build.steps import (
    AdoptPackages,
    BuildPlan,
    CopyIn,
    FileCommand,
    MakeFolders,
    Need,
    NodePackages,
    PythonPackages,
    RunTool,
    Step,
    Tool,
    UvSync,
)


def plan(text: str) -> BuildPlan:
    return plan_build(parse_dockerfile(text, "Dockerfile"))


def steps(lines: str, base: str = "python:3.11") -> tuple[Step, ...]:
    return plan(f"FROM {base}\n{lines}\nCMD x\n").stages[-1].steps


def warnings(line: str) -> tuple[str, ...]:
    return plan(f"FROM alpine\n{line}\nCMD x\n").warnings


@pytest.mark.parametrize(
    ("base", "need"),
    [
        ("python:3.11-slim", Need(tool=Tool.PYTHON, version=(3, 11))),
        ("docker.io/library/python:3", Need(tool=Tool.PYTHON, version=(3,))),
        ("ghcr.io/astral-sh/uv:python3.12-bookworm", Need(tool=Tool.PYTHON, version=(3, 12))),
        ("golang:1.21-alpine", Need(tool=Tool.GO, version=(1, 21))),
        ("node:lts-alpine", Need(tool=Tool.NODE)),
        ("eclipse-temurin:17-jre", Need(tool=Tool.JDK, version=(17,))),
        ("openjdk:17.0.2-slim", Need(tool=Tool.JDK, version=(17, 0, 2))),
        ("maven:3.9-eclipse-temurin-17", Need(tool=Tool.JDK, version=(17,), compiler=True)),
        ("maven:3.9.6-amazoncorretto-21-al2023", Need(tool=Tool.JDK, version=(21,), compiler=True)),
        ("gradle:8.5-jdk17-alpine", Need(tool=Tool.JDK, version=(17,), compiler=True)),
        ("gcr.io/distroless/java17-debian12", Need(tool=Tool.JDK, version=(17,))),
        ("gcr.io/distroless/nodejs20-debian12", Need(tool=Tool.NODE, version=(20,))),
        ("gcr.io/distroless/python3-debian12", Need(tool=Tool.PYTHON)),
        ("alpine:3.18", None),
    ],
)
def test_a_base_tells_the_language_and_its_version(base: str, need: Need | None) -> None:
    assert need_of_base(base) == need


def test_a_python_image_is_copied_installed_and_started() -> None:
    made = plan(
        "FROM python:3.11-slim\nWORKDIR /app\nCOPY requirements.txt .\n"
        "RUN pip install --no-cache-dir -r requirements.txt\nCOPY . .\nEXPOSE 8000\n"
        'CMD ["uvicorn", "main:app"]\n'
    )
    folder, first, packages, rest = made.stages[0].steps
    assert isinstance(folder, MakeFolders)
    assert isinstance(first, CopyIn)
    assert isinstance(packages, PythonPackages)
    assert isinstance(rest, CopyIn)
    assert (first.sources, first.target) == (("requirements.txt",), "/app/")
    assert packages.calls[0].args == ("-r", "requirements.txt")
    assert packages.calls[0].cwd == "/app"
    assert made.config.cmd == ("uvicorn", "main:app")
    assert (made.config.cwd, made.config.ports, made.warnings) == ("/app", (8000,), ())


def test_a_compiled_program_is_copied_from_its_stage() -> None:
    made = plan(
        "FROM golang:1.21 AS builder\nWORKDIR /app\nCOPY . .\n"
        "RUN CGO_ENABLED=0 GOOS=linux go build -o main .\n"
        "FROM alpine\nRUN apk --no-cache add ca-certificates\nWORKDIR /root/\n"
        'COPY --from=builder /app/main .\nCMD ["./main"]\n'
    )
    build = made.stages[0].steps[-1]
    assert isinstance(build, RunTool)
    assert build.argv == ("go", "build", "-o", "main", ".")
    assert {"CGO_ENABLED": "0", "GOOS": "linux"}.items() <= dict(build.env).items()
    assert build.need == Need(tool=Tool.GO, version=(1, 21))
    copy = made.stages[1].steps[-1]
    assert isinstance(copy, CopyIn)
    assert (copy.stage, copy.target) == (0, "/root/")
    assert made.config.needs == ()
    assert made.warnings == ()


def test_a_stage_that_the_image_takes_nothing_from_is_not_built() -> None:
    made = plan(
        "FROM node AS unused\nRUN curl x | sh\nFROM golang AS base\nFROM base AS used\n"
        'FROM scratch\nCOPY --from=used /x /x\nCMD ["/x"]\n'
    )
    assert [s.number for s in made.stages] == [1, 2, 3]
    assert made.warnings == ()


def test_all_installs_of_a_stage_make_one_environment() -> None:
    made = steps("RUN pip install --upgrade pip && pip install -r a.txt\nRUN pip3 install -e .")
    packages = [s for s in made if isinstance(s, PythonPackages)]
    assert [call.args for call in packages[0].calls] == [("-r", "a.txt"), (".",)]
    assert len(packages) == 1


def test_packages_installed_in_another_stage_are_adopted() -> None:
    made = plan(
        "FROM python:3.12 AS b\nRUN python -m venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\n"
        "RUN pip install flask\nFROM debian\nCOPY --from=b /opt/venv /opt/venv\nCMD flask run\n"
    )
    assert [type(s) for s in made.stages[1].steps] == [AdoptPackages]
    assert made.config.needs == (Need(tool=Tool.PYTHON, version=(3, 12)),)


@pytest.mark.parametrize("flag", ["--user", "--prefix=/deps", "--target /deps"])
def test_packages_put_elsewhere_are_adopted_too(flag: str) -> None:
    place = "/root/.local" if flag == "--user" else "/deps"
    made = plan(
        f"FROM python AS b\nRUN pip install {flag} flask\n"
        f"FROM python\nCOPY --from=b {place} /usr/local\nCMD x\n"
    )
    assert [type(s) for s in made.stages[1].steps] == [AdoptPackages]


def test_uv_is_followed() -> None:
    made = steps("WORKDIR /app\nRUN uv sync --frozen --no-dev")
    sync = made[-1]
    assert isinstance(sync, UvSync)
    assert (sync.args, sync.cwd) == (("--frozen", "--no-dev"), "/app")


def test_files_that_a_command_is_shown_are_copied_for_it() -> None:
    made = steps(
        "WORKDIR /app\nRUN --mount=type=cache,target=/root/.cache/uv "
        "--mount=type=bind,source=uv.lock,target=uv.lock uv sync --locked"
    )
    bind, sync = made[-2:]
    assert isinstance(bind, CopyIn)
    assert (bind.sources, bind.target) == (("uv.lock",), "/app/uv.lock")
    assert isinstance(sync, UvSync)


def test_node_packages_and_scripts_are_told_apart() -> None:
    made = steps(
        "WORKDIR /app\nRUN npm ci --omit=dev && npm cache clean --force\nRUN npm run build", "node"
    )
    packages, build = made[-2:]
    assert isinstance(packages, NodePackages)
    assert packages.argv == ("npm", "ci", "--omit=dev")
    assert isinstance(build, RunTool)
    assert build.argv == ("npm", "run", "build")


def test_maven_and_gradle_need_a_compiler() -> None:
    for line in ("mvn -q package", "./mvnw package", "./gradlew --no-daemon bootJar"):
        (step,) = steps(f"RUN {line}", "eclipse-temurin:17")
        assert isinstance(step, RunTool)
        assert step.need == Need(tool=Tool.JDK, version=(17,), compiler=True)


def test_a_command_runs_where_cd_and_variables_put_it() -> None:
    made = steps(
        "ENV OUT=/out\nWORKDIR /app\nRUN cd sub && go build -o $OUT/x && mkdir -p /data", "golang"
    )
    build, folders = made[-2:]
    assert isinstance(build, RunTool)
    assert (build.cwd, build.argv[-1]) == ("/app/sub", "/out/x")
    assert isinstance(folders, MakeFolders)
    assert folders.paths == ("/data",)


def test_files_may_be_changed() -> None:
    assert steps("RUN chmod +x run.sh && rm -rf /var/lib/apt/lists/*") == (
        FileCommand(
            argv=("chmod", "+x", "run.sh"), cwd="/", place=steps("RUN chmod +x run.sh")[0].place
        ),
    )


@pytest.mark.parametrize(
    "line",
    [
        "RUN set -eux; addgroup -S app && adduser -S app -G app",
        "RUN chown -R app:app /app || true",
        "RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates "
        "&& rm -rf /var/lib/apt/lists/*",
        "RUN apk add --no-cache tzdata curl=8.0",
        "COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/",
    ],
)
def test_what_has_no_meaning_here_is_passed_over(line: str) -> None:
    assert warnings(line) == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("RUN curl -L https://host/x | sh", "Dockerfile:2: not carried out: RUN curl -L"),
        ("RUN ./install.sh --all", "Dockerfile:2: not carried out: ./install.sh --all"),
        ("RUN apk add ffmpeg", "Dockerfile:2: not installed: ffmpeg"),
        (
            "COPY --from=nginx:1 /etc/nginx /etc/nginx",
            "nothing can be copied from the image nginx:1",
        ),
    ],
)
def test_what_is_not_carried_out_is_said(line: str, said: str) -> None:
    assert said in warnings(line)[0]


def test_an_unknown_base_is_said() -> None:
    assert (
        "base image vendor/thing:2 is not known" in plan("FROM vendor/thing:2\nCMD x").warnings[0]
    )


def test_a_language_may_come_from_a_system_package() -> None:
    made = plan("FROM alpine\nRUN apk add openjdk17-jre\nCMD java -jar x.jar")
    assert made.config.needs == (Need(tool=Tool.JDK, version=(17,)),)


def test_an_entrypoint_drops_the_cmd_of_its_base_only() -> None:
    base = 'FROM alpine AS base\nCMD ["old"]\n'
    assert plan(f'{base}FROM base\nENTRYPOINT ["run"]').config.cmd == ()
    assert plan(f'{base}FROM base\nCMD ["new"]\nENTRYPOINT ["run"]').config.cmd == ("new",)


def test_launchers_are_left_out() -> None:
    made = plan('FROM python\nENTRYPOINT ["tini", "--"]\nCMD ["uv", "run", "--no-sync", "serve"]')
    assert (made.config.entrypoint, made.config.cmd) == ((), ("serve",))
    assert plan('FROM python\nCMD ["uv", "run", "x.py"]').config.cmd == ("python", "x.py")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM alpine", "Dockerfile: no ENTRYPOINT and no CMD"),
        ("FROM alpine\nCOPY --from=gone /a /b\nCMD x", "Dockerfile:2: no stage gone"),
        ("FROM alpine\nCOPY a b c\nCMD x", "Dockerfile:2: COPY of several files"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(text: str, said: str) -> None:
    with pytest.raises(BuildFailed, match=said):
        plan(text)
