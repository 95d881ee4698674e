"""Keep installed packages apart from code, so that an edited file installs nothing again.

In: a key, a maker.    Out: the layer's folder, made once.
Before: build/tree.py       After: build/carry.py

A layer is made at its final path, since a Python environment holds that path in its scripts; a mark
beside it says that it is whole. What has no mark is made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from lateen.build.tree import digest_of_tree

_LOCK_RETRY_SECONDS = 0.05
_NODE_FILES = (
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    ".npmrc",
    ".yarnrc.yml",
)
_NODE_SCRIPTS = frozenset({"preinstall", "install", "postinstall", "prepare", "prepublish"})
_NODE_LISTS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def key_of(*parts: str) -> str:
    """A short digest of all parts, in order."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()


@contextlib.asynccontextmanager
async def locked(file: Path) -> AsyncIterator[None]:
    """Hold an exclusive lock between processes and tasks; the kernel drops it if this one dies."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_RETRY_SECONDS)
        yield


async def layer(cache: Path, name: str, make: Callable[[Path], Awaitable[None]]) -> Path:
    """The folder of the layer, made by `make` if it is not there whole."""
    folder = cache / "layers" / name
    mark = folder.with_name(f"{name}.whole")
    if mark.exists():
        return folder
    async with locked(cache / "locks" / f"{name}.lock"):
        if mark.exists():
            return folder
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        await make(folder)
        mark.touch()
    return folder


def pip_inputs(folder: Path, args: tuple[str, ...]) -> str:
    """A digest of the files that an install reads: requirement files and, for a local path, all."""
    parts: list[str] = []
    rest = iter(args)
    for arg in rest:
        if arg in {"-r", "--requirement", "-c", "--constraint"}:
            parts += _requirements(folder / next(rest, ""), folder, set())
        elif _is_local(arg):
            parts.append(digest_of_tree(folder / arg.partition("[")[0]))
    return key_of(*parts)


def _requirements(file: Path, folder: Path, seen: set[Path]) -> list[str]:
    if file in seen or not file.is_file():
        return []
    seen.add(file)
    text = file.read_text(errors="replace")
    parts = [text]
    for line in text.splitlines():
        found = re.match(r"\s*(?:-r|-c|--requirement|--constraint)[ =]*(\S+)", line)
        if found:
            parts += _requirements(file.parent / found.group(1), folder, seen)
        elif _is_local(line.strip().removeprefix("-e").removeprefix("--editable").strip()):
            parts.append(digest_of_tree(folder))
    return parts


def _is_local(word: str) -> bool:
    return word in {".", ".."} or word.startswith(("./", "../", "/", ".[", "file:"))


def node_inputs(folder: Path) -> str | None:
    """A digest of the files that fill node_modules; "" when there is nothing to install.

    None when that cannot be told from them: workspaces, local packages and install scripts read
    any file, and what they made is then not kept apart.
    """
    manifest = folder / "package.json"
    try:
        package = json.loads(manifest.read_text())
    except (OSError, ValueError):
        return None  # npm says what is wrong with it
    if not isinstance(package, dict) or "workspaces" in package:
        return None
    if _NODE_SCRIPTS & set(package.get("scripts") or {}):
        return None
    names = {n: str(v) for group in _NODE_LISTS for n, v in (package.get(group) or {}).items()}
    if not names:
        return ""
    if any(version.startswith(("file:", "link:", "workspace:", ".")) for version in names.values()):
        return None
    files = (folder / name for name in _NODE_FILES)
    return key_of(*(f"{f.name}\n{f.read_text(errors='replace')}" for f in files if f.is_file()))
