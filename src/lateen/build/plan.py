"""Turn a Dockerfile into the steps that make the same image here.

In: Dockerfile.    Out: BuildPlan.
Before: build/dockerfile.py, build/commands.py, build/bases.py      After: build/carry.py
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from lateen.base.errors import BuildFailed
from lateen.build.bases import is_plain, need_of_base, need_of_packages
from lateen.build.commands import Effect, Setting, effect_of
from lateen.build.dockerfile import BASE_PATH, Command, Copy, Dockerfile, Run, Stage, Workdir
from lateen.build.steps import (
    AdoptPackages,
    BuildPlan,
    CopyIn,
    ImageConfig,
    MakeFolders,
    Need,
    PipCall,
    PythonPackages,
    StagePlan,
    Step,
    Tool,
    UvSync,
)
from lateen.build.words import expand, simple_commands

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PACKAGE_PATHS = ("/usr/local", "/usr/local/bin", "/usr/local/lib", "/root/.local", "/install")
_BASE_CMD = {Tool.PYTHON: ("python3",), Tool.NODE: ("node",)}
# Packages whose absence no program notices: the host has certificates, time zones and compilers.
_QUIET = frozenset(
    [
        "ca-certificates",
        "tzdata",
        "build-essential",
        "gcc",
        "g++",
        "make",
        "musl-dev",
        "libc6-compat",
        "libc-dev",
        "git",
        "curl",
        "wget",
        "bash",
        "build-base",
        "tini",
        "dumb-init",
        "libffi-dev",
        "openssl",
    ]
)


@dataclass(slots=True)
class _Draft:
    """A stage being planned. `calls` are its pip installs so far, its parent's first."""

    number: int
    parent: int | None
    needs: list[Need] = field(default_factory=list)
    cwd: str = "/"
    steps: list[Step] = field(default_factory=list)
    calls: list[PipCall] = field(default_factory=list)
    package_paths: set[str] = field(default_factory=set)
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    own_cmd: bool = False  # CMD stands in this stage, not only in the one it starts from
    warnings: list[str] = field(default_factory=list)
    uses: set[int] = field(default_factory=set)


def plan_build(dockerfile: Dockerfile) -> BuildPlan:
    """What to do for the last stage and those it takes files from.

    A RUN line whose meaning is not known becomes a warning. Raises BuildFailed, with `file:line`,
    for a stage that does not exist or an image that starts nothing.
    """
    drafts: list[_Draft] = []
    for number, stage in enumerate(dockerfile.stages):
        drafts.append(_plan_stage(number, stage, dockerfile.stages, drafts))
    wanted = _wanted(drafts)
    final, last = drafts[-1], dockerfile.stages[-1]
    return BuildPlan(
        stages=tuple(
            StagePlan(number=d.number, parent=d.parent, steps=tuple(d.steps))
            for d in drafts
            if d.number in wanted
        ),
        config=_config(final, last),
        warnings=tuple(w for d in drafts if d.number in wanted for w in d.warnings),
    )


def _wanted(drafts: list[_Draft]) -> set[int]:
    wanted: set[int] = set()
    queue = [drafts[-1].number]
    while queue:
        number = queue.pop()
        if number not in wanted:
            wanted.add(number)
            queue.extend(drafts[number].uses)
    return wanted


def _plan_stage(
    number: int, stage: Stage, stages: tuple[Stage, ...], before: list[_Draft]
) -> _Draft:
    parent = _stage_number(stage.base, stages[:number])
    draft = _Draft(number=number, parent=parent)
    if parent is not None:
        _inherit(draft, before[parent])
    elif need := need_of_base(stage.base):
        draft.needs.append(need)
    elif not is_plain(stage.base):
        draft.warnings.append(
            f"{stage.place}: the base image {stage.base} is not known here; its own files are missing"
        )
    for instruction in stage.instructions:
        match instruction:
            case Workdir(path=path):
                draft.cwd = posixpath.normpath(posixpath.join(draft.cwd, path))
                draft.steps.append(MakeFolders(paths=(draft.cwd,), place=instruction.place))
            case Copy():
                _plan_copy(draft, instruction, stages[:number], before)
            case Run():
                for bind in instruction.binds:
                    _plan_copy(draft, bind, stages[:number], before)
                _plan_run(draft, instruction)
            case Command(entrypoint=True, argv=argv):
                # As Docker does: a new ENTRYPOINT empties the CMD it inherited.
                draft.entrypoint = argv
                draft.cmd = draft.cmd if draft.own_cmd else None
            case Command(argv=argv):
                draft.cmd, draft.own_cmd = argv, True
    _keep_last_packages(draft)
    return draft


def _inherit(draft: _Draft, parent: _Draft) -> None:
    draft.needs = list(parent.needs)
    draft.cwd = parent.cwd
    draft.calls = list(parent.calls)
    draft.package_paths = set(parent.package_paths)
    draft.entrypoint, draft.cmd = parent.entrypoint, parent.cmd
    draft.uses.add(parent.number)


def _stage_number(name: str, stages: tuple[Stage, ...]) -> int | None:
    for number in range(len(stages) - 1, -1, -1):
        if stages[number].name and stages[number].name == name.lower():
            return number
    return None


# -- COPY --------------------------------------------------------------------------------------


def _plan_copy(draft: _Draft, copy: Copy, stages: tuple[Stage, ...], before: list[_Draft]) -> None:
    target = posixpath.join(draft.cwd, copy.target)
    is_folder = copy.target.endswith(("/", "/.")) or copy.target in {".", ".."}
    target = posixpath.normpath(target) + ("/" if is_folder else "")
    if len(copy.sources) > 1 and not is_folder:
        raise BuildFailed(f"{copy.place}: COPY of several files needs a target ending in /")
    number = None
    sources = copy.sources
    if copy.stage:
        number = _stage_number(copy.stage, stages)
        if number is None and copy.stage.isdigit() and int(copy.stage) < len(stages):
            number = int(copy.stage)
        if number is None:
            _foreign_copy(draft, copy)
            return
        draft.uses.add(number)
        sources = _without_packages(draft, copy, before[number])
    if sources:
        step = CopyIn(
            sources=sources, target=target, stage=number, chmod=copy.chmod, place=copy.place
        )
        draft.steps.append(step)


def _foreign_copy(draft: _Draft, copy: Copy) -> None:
    if "/" not in copy.stage and ":" not in copy.stage:
        raise BuildFailed(f"{copy.place}: no stage {copy.stage} before this line")
    if not copy.stage.partition(":")[0].endswith("/uv"):  # uv is here already
        draft.warnings.append(
            f"{copy.place}: not carried out: nothing can be copied from the image {copy.stage}"
        )


def _without_packages(draft: _Draft, copy: Copy, other: _Draft) -> tuple[str, ...]:
    """The sources less those that stand for the other stage's Python packages, which are adopted."""
    if not any(isinstance(s, PythonPackages | AdoptPackages | UvSync) for s in other.steps):
        return copy.sources
    paths = {*_PACKAGE_PATHS, *other.package_paths}
    kept: list[str] = []
    adopted = False
    for source in copy.sources:
        path = posixpath.normpath(posixpath.join("/", source))
        if path in paths or "site-packages" in path:
            adopted = True
        else:
            kept.append(source)
    if adopted:
        draft.steps.append(AdoptPackages(stage=other.number, place=copy.place))
        draft.calls = list(other.calls)
        known = next((n for n in other.needs if n.tool is Tool.PYTHON), None)
        if known and not any(n.tool is Tool.PYTHON for n in draft.needs):
            draft.needs.append(known)
    return tuple(kept)


# -- RUN ---------------------------------------------------------------------------------------


def _plan_run(draft: _Draft, run: Run) -> None:
    commands = simple_commands(run.text) if run.text else [list(run.argv)]
    if commands is None:
        draft.warnings.append(f"{run.place}: not carried out: RUN {run.text}")
        return
    cwd = draft.cwd
    env = dict(run.env)
    for written in commands:
        words, extra = _assignments(written, env)
        if not words:
            continue
        if words[0] == "export":
            env |= dict(_pairs(words[1:]))
        here = Setting(
            cwd=cwd, env=tuple((env | extra).items()), place=run.place, needs=tuple(draft.needs)
        )
        effect = effect_of(words, here)
        if effect is None:
            draft.warnings.append(f"{run.place}: not carried out: {' '.join(written)}")
            continue
        cwd = effect.cwd or cwd
        _apply(draft, effect, here)


def _assignments(words: list[str], env: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Take `A=b` off the front, and put variables into the rest."""
    scope = {"PATH": BASE_PATH} | env
    count = 0
    while count < len(words) and _ASSIGNMENT.match(words[count]):
        count += 1
    extra = {key: expand(value, scope) for key, value in _pairs(words[:count])}
    return [expand(word, scope) for word in words[count:]], extra


def _pairs(words: Iterable[str]) -> list[tuple[str, str]]:
    return [(w.partition("=")[0], w.partition("=")[2]) for w in words if "=" in w]


def _apply(draft: _Draft, effect: Effect, at: Setting) -> None:
    draft.package_paths.update(effect.package_paths)
    draft.steps.extend(effect.steps)
    if effect.warning:
        draft.warnings.append(f"{at.place}: {effect.warning}")
    if effect.pip:
        draft.calls.append(PipCall(args=effect.pip, stage=draft.number, cwd=at.cwd, env=at.env))
        step = PythonPackages(calls=tuple(draft.calls), need=at.need(Tool.PYTHON), place=at.place)
        draft.steps.append(step)
    if effect.system_packages:
        if need := need_of_packages(effect.system_packages):
            draft.needs.append(need)
        missing = [
            p for p in effect.system_packages if p not in _QUIET and not need_of_packages([p])
        ]
        if missing:
            draft.warnings.append(
                f"{at.place}: not installed: {', '.join(missing)} (the host's own are used if it has them)"
            )


def _keep_last_packages(draft: _Draft) -> None:
    """The last install holds all of them, so the environment is made once, there."""
    last = max((i for i, s in enumerate(draft.steps) if isinstance(s, PythonPackages)), default=-1)
    draft.steps = [
        s for i, s in enumerate(draft.steps) if i == last or not isinstance(s, PythonPackages)
    ]


# -- how the image starts ----------------------------------------------------------------------


def _config(final: _Draft, stage: Stage) -> ImageConfig:
    entrypoint = final.entrypoint or ()
    cmd = final.cmd if final.cmd is not None else ()
    if not entrypoint and not cmd:
        cmd = next((_BASE_CMD[n.tool] for n in final.needs if n.tool in _BASE_CMD), ())
    if not entrypoint and not cmd:
        raise BuildFailed(f"{stage.place.file}: no ENTRYPOINT and no CMD, so nothing to start")
    entrypoint, cmd = without_launcher(entrypoint), without_launcher(cmd)
    return ImageConfig(
        entrypoint=entrypoint,
        cmd=cmd,
        cwd=final.cwd,
        env=stage.env,
        ports=tuple(dict.fromkeys(stage.ports)),
        user=stage.user,
        needs=tuple(dict.fromkeys(final.needs)),
    )


def without_launcher(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out what only starts the program: tini and dumb-init, `uv run`, `poetry run`.

    The agent reaps what an app leaves behind, and the environment is on the PATH already.
    """
    match argv:
        case ("uv" | "poetry" | "pipenv", "run", *rest):
            pass
        case (first, *rest) if posixpath.basename(first) in {"tini", "dumb-init"}:
            pass
        case _:
            return argv
    while rest and rest[0].startswith("-"):
        rest = rest[1:]
    is_script = argv[0] == "uv" and rest[:1] and rest[0].endswith(".py")
    return ("python", *rest) if is_script else tuple(rest)
