"""The meaning of the commands that RUN lines are made of.

In: one command's words, the folder and environment it runs in.    Out: an Effect.
Before: build/steps.py       After: build/plan.py

Only commands whose meaning is known are carried out, with tools made for it and inside the stage's
own files. A shell text is never handed to a shell: it was written for a container, and this is the
user's machine.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from lateen.base.origin import Place
from lateen.build.steps import (
    FileCommand,
    MakeFolders,
    Need,
    NodePackages,
    RunTool,
    Step,
    Tool,
    UvSync,
)


class Setting(Struct, frozen=True, kw_only=True):
    """Where a command stands: folder, environment, line, and what the stage's base brings."""

    cwd: str
    env: tuple[tuple[str, str], ...]
    place: Place
    needs: tuple[Need, ...] = ()

    def need(self, tool: Tool, *, compiler: bool = False) -> Need:
        """The base's own version of the tool, or any."""
        known = next((n for n in self.needs if n.tool is tool), Need(tool=tool))
        return replace(known, compiler=True) if compiler else known


class Effect(Struct, frozen=True, kw_only=True):
    """What a command does. All empty: known, and nothing to do here."""

    steps: tuple[Step, ...] = ()
    pip: tuple[str, ...] = ()  # arguments for `uv pip install`
    package_paths: tuple[str, ...] = ()  # where the image would have kept the packages
    system_packages: tuple[str, ...] = ()
    cwd: str = ""
    warning: str = ""


NOTHING = Effect()

# Users, owners and the system's own files do not exist here; what these leave behind is not needed.
_IGNORED = frozenset(
    [
        "set",
        "true",
        ":",
        "echo",
        "printf",
        "adduser",
        "addgroup",
        "useradd",
        "groupadd",
        "usermod",
        "groupmod",
        "chown",
        "chgrp",
        "ldconfig",
        "update-ca-certificates",
        "locale-gen",
        "corepack",
        "export",
        "unset",
        "ulimit",
        "sync",
        "test",
        "[",
        "dpkg-reconfigure",
    ]
)
_FILE_COMMANDS = frozenset({"chmod", "cp", "mv", "rm", "touch", "ln"})


def effect_of(words: list[str], at: Setting) -> Effect | None:
    """What the command does, or None when that is not known."""
    program = posixpath.basename(words[0])
    args = words[1:]
    if program in _IGNORED:
        return NOTHING
    if program == "sudo" and args:
        return effect_of(args, at)
    if program in _FILE_COMMANDS:
        return _files(program, args, at)
    known = _KNOWN.get(program)
    if known is None and program.startswith("python"):
        known = _python
    return known(args, at) if known else None


def _files(program: str, args: list[str], at: Setting) -> Effect:
    if program == "rm" and all(a.startswith(("-", "/var/", "/tmp", "/root/.", "~")) for a in args):  # noqa: S108
        return NOTHING  # tidying up after apt and pip
    return Effect(steps=(FileCommand(argv=(program, *args), cwd=at.cwd, place=at.place),))


def _mkdir(args: list[str], at: Setting) -> Effect:
    paths: list[str] = []
    rest = iter(args)
    for arg in rest:
        if arg in {"-m", "--mode"}:
            next(rest, None)
        elif not arg.startswith("-"):
            paths.append(posixpath.normpath(posixpath.join(at.cwd, arg)))
    return Effect(steps=(MakeFolders(paths=tuple(paths), place=at.place),))


def _cd(args: list[str], at: Setting) -> Effect:
    return Effect(cwd=posixpath.normpath(posixpath.join(at.cwd, args[0] if args else "/root")))


# -- system packages ---------------------------------------------------------------------------


def _system(args: list[str], at: Setting) -> Effect:
    words = [a for a in args if not a.startswith("-")]
    if not words or words[0] not in {"install", "add"}:
        return NOTHING
    names = tuple(w.split("=", 1)[0] for w in words[1:] if not w.startswith("."))
    return Effect(system_packages=names)


# -- Python ------------------------------------------------------------------------------------

_PIP_WITH_VALUE = frozenset(
    [
        "-r",
        "--requirement",
        "-c",
        "--constraint",
        "-i",
        "--index-url",
        "--extra-index-url",
        "-f",
        "--find-links",
        "--no-binary",
        "--only-binary",
        "--trusted-host",
    ]
)
_PIP_PLAIN = frozenset({"--pre", "--no-deps", "--require-hashes", "--no-build-isolation"})
_PIP_RENAMED = {"--trusted-host": "--allow-insecure-host"}
_INSTALLERS = frozenset({"pip", "setuptools", "wheel", "uv", "poetry", "pipenv"})


def _pip(args: list[str], at: Setting) -> Effect | None:
    if not args or args[0] != "install":
        return NOTHING if args[:1] in (["config"], ["cache"], ["check"], ["--version"]) else None
    kept: list[str] = []
    paths: list[str] = []
    rest = iter(args[1:])
    for arg in rest:
        name, equals, value = arg.partition("=") if arg.startswith("--") else (arg, "", "")
        if name in _PIP_WITH_VALUE:
            kept += [_PIP_RENAMED.get(name, name), value if equals else next(rest, "")]
        elif name in {"--prefix", "--target", "-t", "--root"}:
            paths.append(posixpath.normpath(value if equals else next(rest, "")))
        elif name == "--user":
            paths.append("/root/.local")
        elif name in {"--python", "--cache-dir", "--timeout", "--retries", "--progress-bar"}:
            if not equals:
                next(rest, "")
        elif name.startswith("-r") and len(name) > 2 and not name.startswith("--"):
            kept += ["-r", name[2:]]
        elif name in {"-e", "--editable"} and equals:
            kept.append(value)  # installed as it is: the folder it is built in goes away
        elif name in _PIP_PLAIN or not arg.startswith("-"):
            kept.append(arg)
    if all(word.split("=")[0].split("[")[0].rstrip("<>!~") in _INSTALLERS for word in kept):
        return NOTHING
    return Effect(pip=tuple(kept), package_paths=tuple(paths))


def _python(args: list[str], at: Setting) -> Effect | None:
    match args:
        case ["-m", "pip", *rest]:
            return _pip(rest, at)
        case ["-m", "venv" | "virtualenv", *rest]:
            paths = [posixpath.join(at.cwd, a) for a in rest if not a.startswith("-")]
            return Effect(package_paths=tuple(paths[-1:]))
        case ["-m", "ensurepip" | "compileall", *_]:
            return NOTHING
    return None


def _uv(args: list[str], at: Setting) -> Effect | None:
    match args:
        case ["pip", *rest]:
            return _pip(rest, at)
        case ["venv", *rest]:
            paths = [posixpath.join(at.cwd, a) for a in rest if not a.startswith("-")]
            return Effect(package_paths=tuple(paths[-1:]) or (posixpath.join(at.cwd, ".venv"),))
        case ["sync", *rest]:
            step = UvSync(
                args=tuple(rest),
                cwd=at.cwd,
                env=at.env,
                need=at.need(Tool.PYTHON),
                place=at.place,
            )
            return Effect(steps=(step,), package_paths=(posixpath.join(at.cwd, ".venv"),))
        case ["python" | "cache" | "--version", *_]:
            return NOTHING
    return None


def _poetry(args: list[str], at: Setting) -> Effect | None:
    if args[:1] != ["install"]:
        return NOTHING if args[:1] in (["config"], ["self"]) else None
    warning = (
        "poetry install: done from pyproject.toml; the versions of poetry.lock are not followed"
    )
    return Effect(pip=(".",), warning=warning)


# -- Go, Java, Node ----------------------------------------------------------------------------


def _tool(tool: Tool, argv: tuple[str, ...], at: Setting, *, compiler: bool = False) -> Effect:
    need = at.need(tool, compiler=compiler)
    return Effect(steps=(RunTool(argv=argv, cwd=at.cwd, env=at.env, need=need, place=at.place),))


def _go(args: list[str], at: Setting) -> Effect | None:
    if args[:1] and args[0] in {"build", "install", "generate", "mod", "vet", "test", "work"}:
        return _tool(Tool.GO, ("go", *args), at)
    return NOTHING if args[:1] in (["env"], ["version"], ["clean"]) else None


def _maven(args: list[str], at: Setting) -> Effect:
    return _tool(Tool.JDK, ("mvn", *args), at, compiler=True)


def _gradle(args: list[str], at: Setting) -> Effect:
    return _tool(Tool.JDK, ("gradle", *args), at, compiler=True)


def _java(args: list[str], at: Setting) -> Effect | None:
    # Spring Boot's own tool, which takes a jar apart into layers.
    if any(a.startswith("-Djarmode=") for a in args):
        return _tool(Tool.JDK, ("java", *args), at)
    return None


def _npm(args: list[str], at: Setting) -> Effect | None:
    verb = next((a for a in args if not a.startswith("-")), "")
    if "-g" in args or "--global" in args or "--location=global" in args:
        names = [a.split("@")[0] for a in args if not a.startswith("-")][1:]
        return NOTHING if set(names) <= {"npm", "yarn", "pnpm", "corepack"} else None
    if verb in {"ci", "install", "i", "clean-install", "add"}:
        return _node_packages(("npm", *args), at)
    if verb in {"run", "run-script", "rebuild", "prune", "test", "exec", "pkg", "dedupe"}:
        return _tool(Tool.NODE, ("npm", *args), at)
    return NOTHING if verb in {"cache", "config", "set", "audit", "fund"} else None


def _node_packages(argv: tuple[str, ...], at: Setting) -> Effect:
    step = NodePackages(argv=argv, cwd=at.cwd, env=at.env, need=at.need(Tool.NODE), place=at.place)
    return Effect(steps=(step,))


def _yarn(name: str) -> Callable[[list[str], Setting], Effect | None]:
    def effect(args: list[str], at: Setting) -> Effect | None:
        verb = next((a for a in args if not a.startswith("-")), "install")
        if verb in {"install", "i"}:
            return _node_packages((name, *args), at)
        if verb in {"cache", "config", "fetch", "store"}:
            return NOTHING
        return _tool(Tool.NODE, (name, *args), at)

    return effect


_KNOWN: dict[str, Callable[[list[str], Setting], Effect | None]] = {
    "mkdir": _mkdir,
    "cd": _cd,
    "apk": _system,
    "apt": _system,
    "apt-get": _system,
    "yum": _system,
    "dnf": _system,
    "microdnf": _system,
    "pip": _pip,
    "pip3": _pip,
    "uv": _uv,
    "poetry": _poetry,
    "go": _go,
    "mvn": _maven,
    "mvnw": _maven,
    "gradle": _gradle,
    "gradlew": _gradle,
    "java": _java,
    "npm": _npm,
    "npx": lambda args, at: _tool(Tool.NODE, ("npx", *args), at),
    "yarn": _yarn("yarn"),
    "pnpm": _yarn("pnpm"),
}
