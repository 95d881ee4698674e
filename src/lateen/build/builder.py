"""Build an image once and find it again by the content it was made from.

In: Source.    Out: Built, or BuildFailed with a reason and the end of the log.
Before: build/carry.py, build/languages.py       After: stages/

CACHE/
├── images/DIGEST/      root/ (the image's files) and built.json; complete or not there
├── layers/             Python environments and node_modules, kept apart from code
├── toolchains/         Go and Node where the machine has none; what is known of programs
├── work/NAME-KEY/      the build under way, one folder per source
├── logs/NAME-KEY.log   the output of the last build of a source
└── locks/
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lateen.base.errors import BuildFailed
from lateen.build.built import ASIDE, Built
from lateen.build.carry import Carrying, make_venv
from lateen.build.dockerfile import BASE_PATH, Copy, parse_dockerfile
from lateen.build.languages import dockerfile_for
from lateen.build.layers import key_of, layer, locked
from lateen.build.plan import plan_build
from lateen.build.source import Source, repository_of
from lateen.build.steps import BuildPlan, ImageConfig, Need, Tool
from lateen.build.toolchains import Toolchain, Toolchains
from lateen.build.tree import Ignore, digest_of_tree, read_ignore

# Counted up when the same Dockerfile would now give another image.
_RECIPE = "1"
# What a container sees of the machine itself. Files of the image cannot appear inside of these.
_HOSTS_OWN = frozenset(["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc"])
_VOLATILE = frozenset(["proc", "sys", "dev", "tmp", "run"])


class _Recipe(Struct, frozen=True, kw_only=True):
    """All that decides what comes out."""

    source: Source
    plan: BuildPlan
    ignore: Ignore
    toolchains: Mapping[Need, Toolchain]
    digest: str


async def build(
    source: Source,
    *,
    cache: Path,
    progress: Callable[[str], None],
    gate: asyncio.Semaphore | None = None,
    environ: Mapping[str, str] | None = None,
) -> Built:
    """Build the image, or find it built; as the invoking user, outside of any sandbox.

    `progress` is told, in a few words, what is being done. `gate` bounds how many builds work at a
    time; share one between builds (see `cores_gate`). `environ` is the user's environment, by
    default this process's. Raises BuildFailed: a missing toolchain, a bad Dockerfile, a failed step.
    """
    started = time.monotonic()
    env = os.environ if environ is None else environ
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    tools = Toolchains(cache, env)
    recipe = await _recipe(source, tools, progress)
    if built := _load(cache, recipe, started):
        return built
    name = repository_of(source.image).rpartition("/")[2]
    key = f"{name}-{key_of(str(source.folder), str(source.dockerfile))}"
    progress("waiting")
    async with gate or contextlib.nullcontext(), locked(cache / "locks" / f"{key}.lock"):
        if built := _load(cache, recipe, started):
            return built
        await _make(cache, key, recipe, tools, env, progress)
    built = _load(cache, recipe, started)
    if built is None:
        raise BuildFailed(f"the build of {source.image} vanished from {cache}")
    return replace(built, cached=False)


def cores_gate() -> asyncio.Semaphore:
    """A gate that lets as many builds work at a time as this process may use cores."""
    return asyncio.Semaphore(max(1, len(os.sched_getaffinity(0))))


async def _recipe(source: Source, tools: Toolchains, progress: Callable[[str], None]) -> _Recipe:
    if source.dockerfile is not None:
        text = source.dockerfile.read_text(errors="replace")
        name = f"{source.folder.name}/{source.dockerfile.name}"
    else:
        text = dockerfile_for(source.folder)
        name = f"{source.folder.name} (no Dockerfile)"
    dockerfile = parse_dockerfile(text, name)
    plan = plan_build(dockerfile)
    copied = [
        path
        for stage in dockerfile.stages
        for instruction in stage.instructions
        if isinstance(instruction, Copy) and not instruction.stage
        for path in instruction.sources
    ]
    ignore = read_ignore(source.folder, copied)
    toolchains = {need: await tools.find(need, progress) for need in _needs(plan)}
    tree = await asyncio.to_thread(digest_of_tree, source.folder, ignore)
    identities = sorted({toolchain.identity for toolchain in toolchains.values()})
    digest = key_of(_RECIPE, text, tree, repr(ignore.rules), *identities)
    return _Recipe(source=source, plan=plan, ignore=ignore, toolchains=toolchains, digest=digest)


def _needs(plan: BuildPlan) -> tuple[Need, ...]:
    needs = [step.need for s in plan.stages for step in s.steps if hasattr(step, "need")]
    return tuple(dict.fromkeys((*needs, *plan.config.needs)))


def _load(cache: Path, recipe: _Recipe, started: float) -> Built | None:
    file = cache / "images" / recipe.digest / "built.json"
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=Built)
    except (OSError, msgspec.MsgspecError):
        return None
    if not all(Path(source).exists() for source, _, _ in kept.mounts):
        # A layer or a toolchain was cleared away: the image has to be made again.
        shutil.rmtree(file.parent, ignore_errors=True)
        return None
    return replace(
        kept,
        image=recipe.source.image,
        seconds=time.monotonic() - started,
        cached=True,
    )


async def _make(
    cache: Path,
    key: str,
    recipe: _Recipe,
    tools: Toolchains,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
) -> None:
    work = cache / "work" / key
    log = cache / "logs" / f"{key}.log"
    await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    work.mkdir(parents=True)
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(b"")
    progress("building")
    carrying = Carrying(
        context=recipe.source.folder,
        ignore=recipe.ignore,
        work=work,
        cache=cache,
        log=log,
        tools=tools,
        environ=environ,
        progress=progress,
    )
    try:
        await carrying.carry_out(recipe.plan)
        last = recipe.plan.stages[-1].number
        venv = carrying.venvs.get(last)
        if venv is None and any(n.tool is Tool.PYTHON for n in recipe.plan.config.needs):
            venv = await _plain_venv(cache, recipe, log, environ)
        image = work / "image"
        image.mkdir()
        carrying.roots[last].rename(image / "root")
        target = cache / "images" / recipe.digest
        built = _describe(image / "root", target / "root", recipe, venv)
        (image / "built.json").write_bytes(msgspec.json.encode(built))
        target.parent.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):  # the same content built from another folder
            image.rename(target)
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


async def _plain_venv(cache: Path, recipe: _Recipe, log: Path, environ: Mapping[str, str]) -> Path:
    python = next(t for t in recipe.toolchains.values() if t.tool is Tool.PYTHON)

    async def make(folder: Path) -> None:
        await make_venv(folder, python, log, environ)

    return await layer(cache, f"venv-{key_of('plain 1', python.identity)}", make)


def _describe(made: Path, root: Path, recipe: _Recipe, venv: Path | None) -> Built:
    """The image, whose files are in `made` now and will be in `root`."""
    config = recipe.plan.config
    mounts, aside = _image_mounts(made, root)
    used = [recipe.toolchains[need] for need in config.needs]
    if venv is not None:
        mounts.append((str(venv), str(venv), True))
        used += [t for t in recipe.toolchains.values() if t.tool is Tool.PYTHON]
    mounts += [(str(path), str(path), True) for t in used for path in t.mounts]
    return Built(
        image=recipe.source.image,
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        cwd=_cwd(config.cwd, mounts, aside),
        env=_environment(config, used, venv, aside),
        mounts=tuple(sorted(set(mounts), key=lambda m: (m[1].count("/"), m[1]))),
        ports=config.ports,
        user=config.user,
        warnings=recipe.plan.warnings,
        digest=recipe.digest,
    )


def _image_mounts(made: Path, root: Path) -> tuple[list[tuple[str, str, bool]], bool]:
    """What of the image's files appears where; and whether some are set aside under ASIDE."""
    mounts: list[tuple[str, str, bool]] = []
    aside = False
    for entry in sorted(made.iterdir()):
        if entry.name in _HOSTS_OWN:
            # /usr/src is a folder for sources on any Linux, and so it may be covered.
            if (
                (made / "usr" / "src").is_dir()
                and entry.name == "usr"
                and Path("/usr/src").is_dir()
            ):
                mounts.append((str(root / "usr" / "src"), "/usr/src", False))
                aside = aside or len(list(entry.iterdir())) > 1
            else:
                aside = True
        elif entry.name not in _VOLATILE:
            mounts.append((str(root / entry.name), f"/{entry.name}", False))
    if aside:
        mounts.append((str(root), ASIDE, False))
    return mounts, aside


def _cwd(cwd: str, mounts: list[tuple[str, str, bool]], aside: bool) -> str:
    first = cwd.split("/")[1] if cwd != "/" else ""
    covered = any(cwd == t or cwd.startswith(t + "/") for _, t, _ in mounts)
    return ASIDE + cwd if aside and first in _HOSTS_OWN and not covered else cwd


def _environment(
    config: ImageConfig, used: list[Toolchain], venv: Path | None, aside: bool
) -> tuple[tuple[str, str], ...]:
    env: dict[str, str] = {}
    paths = [str(venv / "bin")] if venv else []
    for toolchain in used:
        env |= dict(toolchain.env)
        paths += [str(path) for path in toolchain.paths]
    if venv:
        env["LANG"] = "C.UTF-8"  # as the python image has it
    own = dict(config.env)
    given = own.pop("PATH", BASE_PATH).split(":")
    if aside:
        given = [p for folder in given for p in (ASIDE + folder, folder)]
    env = own | env  # the machine's JAVA_HOME, not the image's
    env["PATH"] = ":".join(dict.fromkeys((*paths, *given)))
    return tuple(env.items())
