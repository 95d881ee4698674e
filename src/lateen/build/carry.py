"""Carry out a plan: every stage in a folder of its own that stands for its root.

In: BuildPlan, the build folder, toolchains.    Out: the last stage's folder and Python environment.
Before: build/plan.py, build/toolchains.py       After: build/builder.py
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from lateen.base.errors import BuildFailed
from lateen.build.files import carry_file_command, copy_into, inside
from lateen.build.layers import key_of, layer, node_inputs, pip_inputs
from lateen.build.pip_settings import uv_environment
from lateen.build.process import run_program
from lateen.build.steps import (
    AdoptPackages,
    BuildPlan,
    CopyIn,
    FileCommand,
    MakeFolders,
    NodePackages,
    PipCall,
    PythonPackages,
    RunTool,
    StagePlan,
    Step,
    UvSync,
)
from lateen.build.toolchains import Toolchain, Toolchains, uv_program
from lateen.build.tree import Ignore, copy_tree, digest_of_tree

# Variables of the Dockerfile that speak of the image's file system, not of this machine's.
_NOT_FOR_TOOLS = frozenset({"PATH", "HOME", "JAVA_HOME", "VIRTUAL_ENV", "PYTHONPATH", "GOPATH"})
_SYNC_PLACES = frozenset({"--python", "-p", "--project", "--directory"})


@dataclass(slots=True)
class Carrying:
    """One build under way. `roots` and `venvs` are by stage number."""

    context: Path
    ignore: Ignore
    work: Path
    cache: Path
    log: Path
    tools: Toolchains
    environ: Mapping[str, str]
    progress: Callable[[str], None]
    roots: dict[int, Path] = field(default_factory=dict)
    venvs: dict[int, Path] = field(default_factory=dict)

    async def carry_out(self, plan: BuildPlan) -> None:
        """All stages in order; raises BuildFailed with the Dockerfile's line and the log's tail."""
        for stage in plan.stages:
            await self._stage(stage)

    async def _stage(self, stage: StagePlan) -> None:
        root = self.work / f"stage-{stage.number}"
        root.mkdir(parents=True)
        self.roots[stage.number] = root
        if stage.parent is not None:
            await asyncio.to_thread(copy_tree, self.roots[stage.parent], root)
            if stage.parent in self.venvs:
                self.venvs[stage.number] = self.venvs[stage.parent]
        for step in stage.steps:
            try:
                await self._step(stage.number, root, step)
            except BuildFailed as fault:
                where = str(step.place)
                reason = fault.reason
                # A missing tool is the same news wherever it is missed.
                if not reason.startswith(("needs ", where)):
                    reason = f"{where}: {reason}"
                raise BuildFailed(reason, fault.log) from fault
            except OSError as fault:
                raise BuildFailed(f"{step.place}: {fault}") from fault

    async def _step(self, number: int, root: Path, step: Step) -> None:
        match step:
            case CopyIn(stage=other):
                origin = self.context if other is None else self.roots[other]
                ignore = self.ignore if other is None else None
                await asyncio.to_thread(copy_into, root, step, origin, ignore)
            case MakeFolders(paths=paths):
                for path in paths:
                    inside(root, path, step.place).mkdir(parents=True, exist_ok=True)
            case FileCommand():
                await asyncio.to_thread(carry_file_command, root, step)
            case PythonPackages():
                self.venvs[number] = await self._packages(step)
            case UvSync():
                self.venvs[number] = await self._sync(root, step)
            case AdoptPackages(stage=giver):
                if giver in self.venvs:
                    self.venvs[number] = self.venvs[giver]
            case NodePackages():
                await self._node_packages(root, step)
            case RunTool():
                await self._run(root, step.argv, step.cwd, step.env, step)
            case _:
                assert_never(step)

    # -- Python --------------------------------------------------------------------------------

    async def _packages(self, step: PythonPackages) -> Path:
        python = await self.tools.find(step.need, self.progress)
        parts = ["venv 1", python.identity]
        for call in step.calls:
            parts += [*call.args, pip_inputs(self._at(call.stage, call.cwd), call.args)]

        async def make(folder: Path) -> None:
            await make_venv(folder, python, self.log, self.environ)
            for call in step.calls:
                await self._install(folder, call)

        return await layer(self.cache, f"venv-{key_of(*parts)}", make)

    async def _install(self, venv: Path, call: PipCall) -> None:
        self.progress(f"pip install {' '.join(call.args)}")
        root = self.roots[call.stage]
        args = [_mapped(arg, root) for arg in call.args]
        python = str(venv / "bin" / "python")
        await run_program(
            (uv_program(), "pip", "install", "--python", python, "--compile-bytecode", *args),
            cwd=self._at(call.stage, call.cwd),
            env=self._tool_env(call.env, uv_environment(self.environ), ()),
            log=self.log,
        )

    async def _sync(self, root: Path, step: UvSync) -> Path:
        python = await self.tools.find(step.need, self.progress)
        folder = root / step.cwd.lstrip("/")
        if "--no-install-project" in step.args:
            names = ("pyproject.toml", "uv.lock")
            inputs = key_of(*((folder / n).read_text() for n in names if (folder / n).is_file()))
        else:
            inputs = digest_of_tree(folder)

        async def make(venv: Path) -> None:
            self.progress("uv sync")
            env = self._tool_env(step.env, uv_environment(self.environ), ())
            env["UV_PROJECT_ENVIRONMENT"] = str(venv)
            args = [a for a in step.args if a.split("=")[0] not in _SYNC_PLACES]
            fixed = ("--no-editable", "--compile-bytecode", "--python", str(python.program))
            await run_program(
                (uv_program(), "sync", *fixed, *args), cwd=folder, env=env, log=self.log
            )

        name = f"venv-{key_of('sync 1', python.identity, *step.args, inputs)}"
        return await layer(self.cache, name, make)

    # -- Node ----------------------------------------------------------------------------------

    async def _node_packages(self, root: Path, step: NodePackages) -> None:
        folder = root / step.cwd.lstrip("/")
        inputs = node_inputs(folder)
        if inputs == "":
            return
        if inputs is None:
            self.progress(" ".join(step.argv))
            await self._run(root, step.argv, step.cwd, step.env, step)
            return
        node = await self.tools.find(step.need, self.progress)

        async def make(made: Path) -> None:
            await self._run(root, step.argv, step.cwd, step.env, step)
            made.mkdir()
            if (folder / "node_modules").is_dir():
                (folder / "node_modules").rename(made / "node_modules")

        env = (f"{k}={v}" for k, v in step.env if k == "NODE_ENV" or k.startswith("npm_"))
        name = f"node-{key_of('node 1', node.identity, *step.argv, *env, inputs)}"
        made = await layer(self.cache, name, make)
        if (made / "node_modules").is_dir():
            await asyncio.to_thread(copy_tree, made / "node_modules", folder / "node_modules")

    # -- compilers and builders ----------------------------------------------------------------

    async def _run(
        self,
        root: Path,
        argv: tuple[str, ...],
        cwd: str,
        env: tuple[tuple[str, str], ...],
        step: RunTool | NodePackages,
    ) -> None:
        tool = await self.tools.find(step.need, self.progress)
        folder = root / cwd.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        program = self._program(argv[0], tool, folder)
        args = [_mapped(arg, root) for arg in argv[1:]]
        environ = self._tool_env(env, dict(self.environ), tool.paths)
        environ |= dict(tool.env)
        if argv[:2] == ("go", "install"):
            environ["GOBIN"] = str(root / "go" / "bin")
        self.progress(" ".join(argv))
        await run_program((*program, *args), cwd=folder, env=environ, log=self.log)

    def _program(self, name: str, tool: Toolchain, folder: Path) -> tuple[str, ...]:
        match name:
            case "go" | "java":
                return (str(tool.program),)
            case "mvn":
                return self.tools.maven(folder)
            case "gradle":
                return self.tools.gradle(folder)
        path = os.pathsep.join([*map(str, tool.paths), self.environ.get("PATH", "")])
        if found := shutil.which(name, path=path):
            return (found,)
        raise BuildFailed(f"needs {name}, none found; install it and try again")

    def _tool_env(
        self, stage: tuple[tuple[str, str], ...], base: dict[str, str], paths: tuple[Path, ...]
    ) -> dict[str, str]:
        env = {k: v for k, v in base.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        env |= {k: v for k, v in stage if k not in _NOT_FOR_TOOLS}
        env["PATH"] = os.pathsep.join([*map(str, paths), self.environ.get("PATH", "")])
        return env

    def _at(self, stage: int, cwd: str) -> Path:
        return self.roots[stage] / cwd.lstrip("/")


async def make_venv(folder: Path, python: Toolchain, log: Path, environ: Mapping[str, str]) -> None:
    """An empty environment of that interpreter; raises BuildFailed."""
    await run_program(
        (
            uv_program(),
            "venv",
            "--quiet",
            "--no-project",
            "--python",
            str(python.program),
            str(folder),
        ),
        cwd=log.parent,
        env=uv_environment(environ) | {"UV_PYTHON_DOWNLOADS": "never"},
        log=log,
    )


def _mapped(arg: str, root: Path) -> str:
    """An absolute path of the image, alone or after `--flag=`, as the file that stands for it."""
    found = re.fullmatch(r"(--?[\w-]+=)?(/[^:\s]*)", arg)
    if found is None or found.group(2) in {"/", "/dev/null"}:
        return arg
    path = posixpath.normpath(found.group(2))
    return f"{found.group(1) or ''}{root / path.lstrip('/')}"
