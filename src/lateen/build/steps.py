"""What a build does, step by step, and what it needs for it.

In: -    Out: Step (a closed union), Need, StagePlan, ImageConfig, BuildPlan.
Before: -       After: build/commands.py, build/plan.py, build/carry.py
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from lateen.base.origin import Place


class Tool(StrEnum):
    """A toolchain of the host, or of a wheel."""

    PYTHON = "python"
    GO = "go"
    JDK = "jdk"
    NODE = "node"


class Need(Struct, frozen=True, kw_only=True):
    """A toolchain, at least of this version; `()` for any. `compiler`: a JDK, not only a JRE."""

    tool: Tool
    version: tuple[int, ...] = ()
    compiler: bool = False


class CopyIn(Struct, frozen=True, kw_only=True):
    """Copy from the build folder, or from another stage's files, into this stage's files."""

    sources: tuple[str, ...]
    target: str  # absolute; a trailing slash means a folder
    place: Place
    stage: int | None = None
    chmod: str = ""


class MakeFolders(Struct, frozen=True, kw_only=True):
    """Make folders, absolute paths of the image."""

    paths: tuple[str, ...]
    place: Place


class FileCommand(Struct, frozen=True, kw_only=True):
    """chmod, cp, mv, rm, touch or ln on the stage's own files."""

    argv: tuple[str, ...]
    cwd: str
    place: Place


class PipCall(Struct, frozen=True, kw_only=True):
    """One `pip install`: its arguments, read in the files of `stage` at `cwd`."""

    args: tuple[str, ...]
    stage: int
    cwd: str
    env: tuple[tuple[str, str], ...] = ()


class PythonPackages(Struct, frozen=True, kw_only=True):
    """Make the stage's Python environment: all its installs so far, in order."""

    calls: tuple[PipCall, ...]
    need: Need
    place: Place


class UvSync(Struct, frozen=True, kw_only=True):
    """`uv sync`: the environment that a project's uv.lock tells."""

    args: tuple[str, ...]
    cwd: str
    env: tuple[tuple[str, str], ...]
    need: Need
    place: Place


class AdoptPackages(Struct, frozen=True, kw_only=True):
    """Take over the Python environment of another stage."""

    stage: int
    place: Place


class NodePackages(Struct, frozen=True, kw_only=True):
    """npm, yarn or pnpm fills node_modules in `cwd`."""

    argv: tuple[str, ...]
    cwd: str
    env: tuple[tuple[str, str], ...]
    need: Need
    place: Place


class RunTool(Struct, frozen=True, kw_only=True):
    """Run a compiler or builder in the stage's files at `cwd`."""

    argv: tuple[str, ...]
    cwd: str
    env: tuple[tuple[str, str], ...]
    need: Need
    place: Place


Step = (
    CopyIn
    | MakeFolders
    | FileCommand
    | PythonPackages
    | UvSync
    | AdoptPackages
    | NodePackages
    | RunTool
)


class StagePlan(Struct, frozen=True, kw_only=True):
    """One stage: its number in the Dockerfile, the stage it starts from, and its steps."""

    number: int
    parent: int | None
    steps: tuple[Step, ...]


class ImageConfig(Struct, frozen=True, kw_only=True):
    """How the image starts. `needs` are the toolchains its processes use."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    cwd: str
    env: tuple[tuple[str, str], ...]
    ports: tuple[int, ...]
    user: str
    needs: tuple[Need, ...]


class BuildPlan(Struct, frozen=True, kw_only=True):
    """The stages the image is made of, in order, the last being the image; and what was left out."""

    stages: tuple[StagePlan, ...]
    config: ImageConfig
    warnings: tuple[str, ...] = ()
