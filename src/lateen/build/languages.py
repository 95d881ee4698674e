"""Write the Dockerfile that the author of a folder without one would have written.

In: a folder with language files.    Out: the text of a Dockerfile.
Before: build/source.py       After: build/builder.py

The text goes the way of every other Dockerfile, so that there is one meaning and one cache.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from lateen.base.errors import BuildFailed

_PYTHON_MAINS = ("main.py", "app.py", "server.py", "wsgi.py", "asgi.py")
_NODE_MAINS = ("server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs")


def dockerfile_for(folder: Path) -> str:
    """A Dockerfile for the folder's language; raises BuildFailed when nothing tells how to start it."""
    if (folder / "go.mod").is_file():
        return _go(folder)
    if (folder / "pom.xml").is_file():
        return _java("COPY . .\nRUN mvn -q -B package -Dmaven.test.skip=true", "target")
    if (folder / "build.gradle").is_file() or (folder / "build.gradle.kts").is_file():
        return _java("COPY . .\nRUN gradle --no-daemon -q assemble", "build/libs")
    if (folder / "package.json").is_file():
        return _node(folder)
    if (folder / "requirements.txt").is_file() or (folder / "pyproject.toml").is_file():
        return _python(folder)
    raise BuildFailed(f"{folder.name} has no Dockerfile and no files of a language lateen knows")


def _go(folder: Path) -> str:
    package = "."
    if not any(_is_main(file) for file in folder.glob("*.go")):
        mains = sorted({f.parent for f in folder.glob("cmd/*/*.go") if _is_main(f)})
        if len(mains) != 1:
            raise BuildFailed(f"{folder.name}: want one main package, at the top or in cmd/")
        package = f"./cmd/{mains[0].name}"
    return (
        "FROM golang AS builder\nWORKDIR /src\nCOPY . .\n"
        f"RUN CGO_ENABLED=0 go build -o /app/main {package}\n"
        'FROM alpine\nWORKDIR /app\nCOPY --from=builder /app/main .\nCMD ["./main"]\n'
    )


def _is_main(file: Path) -> bool:
    return re.search(r"^package main\b", file.read_text(errors="replace"), re.MULTILINE) is not None


def _java(build: str, made: str) -> str:
    # Spring Boot leaves the thin jar as *.jar.original and *-plain.jar beside the one that runs.
    return (
        f"FROM eclipse-temurin:17 AS builder\nWORKDIR /app\n{build}\n"
        f"RUN rm -f {made}/*-plain.jar {made}/*-sources.jar {made}/*-javadoc.jar\n"
        f"FROM eclipse-temurin:17-jre\nWORKDIR /app\nCOPY --from=builder /app/{made}/*.jar app.jar\n"
        'CMD ["java", "-jar", "app.jar"]\n'
    )


def _node(folder: Path) -> str:
    try:
        package = json.loads((folder / "package.json").read_text())
    except ValueError as fault:
        raise BuildFailed(f"{folder.name}/package.json is not JSON: {fault}") from None
    scripts = package.get("scripts") or {}
    lines = ["FROM node", "WORKDIR /app", "COPY . ."]
    if (folder / "yarn.lock").is_file():
        lines.append("RUN yarn install --frozen-lockfile")
    elif (folder / "pnpm-lock.yaml").is_file():
        lines.append("RUN pnpm install --frozen-lockfile")
    else:
        locked = (folder / "package-lock.json").is_file()
        lines.append("RUN npm ci" if locked else "RUN npm install")
    if "build" in scripts:
        lines.append("RUN npm run build")
    main = package.get("main") or next((m for m in _NODE_MAINS if (folder / m).is_file()), "")
    start = str(scripts.get("start", ""))
    if re.fullmatch(r"node [\w./-]+", start):
        lines.append(f"CMD {json.dumps(start.split())}")
    elif start:
        lines.append('CMD ["npm", "start"]')
    elif main:
        lines.append(f"CMD {json.dumps(['node', main])}")
    else:
        raise BuildFailed(f"{folder.name}/package.json has no start script and no main file")
    return "\n".join(lines) + "\n"


def _python(folder: Path) -> str:
    version = ""
    wanted = folder / ".python-version"
    if wanted.is_file():
        version = ":" + wanted.read_text().strip().removeprefix("cpython-")
    lines = [f"FROM python{version}", "WORKDIR /app", "COPY . ."]
    names = ""
    if (folder / "requirements.txt").is_file():
        names = (folder / "requirements.txt").read_text()
        lines.append("RUN pip install -r requirements.txt")
    elif (folder / "uv.lock").is_file():
        lines.append("RUN uv sync --frozen --no-dev")
    else:
        lines.append("RUN pip install .")
    lines.append(f"CMD {json.dumps(_python_command(folder, names))}")
    return "\n".join(lines) + "\n"


def _python_command(folder: Path, names: str) -> list[str]:
    project = folder / "pyproject.toml"
    if project.is_file():
        try:
            told = tomllib.loads(project.read_text()).get("project", {})
        except tomllib.TOMLDecodeError as fault:
            raise BuildFailed(f"{folder.name}/pyproject.toml: {fault}") from None
        names += "\n".join(told.get("dependencies", ()))
        if len(scripts := list(told.get("scripts", {}))) == 1:
            return scripts
    main = next((m for m in _PYTHON_MAINS if (folder / m).is_file()), None)
    if main is None:
        packages = sorted(p.parent.name for p in folder.glob("*/__main__.py"))
        if len(packages) == 1:
            return ["python", "-m", packages[0]]
        raise BuildFailed(f"{folder.name}: want one of {', '.join(_PYTHON_MAINS)}, or a script")
    text = (folder / main).read_text(errors="replace")
    if "__main__" not in text and re.search(r"^uvicorn\b", names, re.MULTILINE):
        app = re.search(r"^(\w+)\s*(?::.*)?=\s*(?:FastAPI|Starlette)\(", text, re.MULTILINE)
        name = app.group(1) if app else "app"
        target = f"{main.removesuffix('.py')}:{name}"
        return ["uvicorn", target, "--host", "0.0.0.0", "--port", "8000"]  # noqa: S104 - its pod's
    return ["python", main]
