"""COPY, mkdir, chmod and their like on the files of one stage, which they never leave.

In: paths of the image, the folder that stands for its root.    Out: changed files.
Before: build/tree.py       After: build/carry.py
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

from lateen.base.errors import BuildFailed
from lateen.base.origin import Place
from lateen.build.steps import CopyIn, FileCommand
from lateen.build.tree import Ignore, copy_tree

_WILDCARD = re.compile(r"[*?\[]")


def inside(root: Path, path: str, place: Place) -> Path:
    """The file that stands for an absolute path of the image.

    Raises BuildFailed when a link on the way leads out of the image: it would be the host's file.
    """
    file = root / posixpath.normpath("/" + path).lstrip("/")
    if file != root and not file.parent.resolve().is_relative_to(root.resolve()):
        raise BuildFailed(f"{place}: {path} leads out of the image through a link")
    return file


def copy_into(root: Path, step: CopyIn, origin: Path, ignore: Ignore | None) -> None:
    """Carry out COPY from the folder `origin`; raises BuildFailed when a source is not there."""
    copies = [copy for source in step.sources for copy in _matches(origin, source, step, ignore)]
    many = len(copies) > 1
    for file, path in copies:
        is_folder = file.is_dir() and not file.is_symlink()
        target = inside(root, step.target, step.place)
        if not is_folder and (many or step.target.endswith("/") or target.is_dir()):
            target = inside(root, posixpath.join(step.target, file.name), step.place)
        if target.is_symlink() and not target.resolve().is_relative_to(root.resolve()):
            raise BuildFailed(f"{step.place}: {step.target} leads out of the image through a link")
        copy_tree(file, target, ignore, "" if path == "." else path + "/")
        if step.chmod:
            _chmod(step.chmod, target, recursive=True, place=step.place)


def _matches(
    origin: Path, source: str, step: CopyIn, ignore: Ignore | None
) -> list[tuple[Path, str]]:
    """The files that a source of COPY names, each with its path below the origin."""
    path = posixpath.normpath("/" + source).lstrip("/") or "."
    if _WILDCARD.search(path):
        found = sorted(origin.glob(path))
    else:
        file = origin / path
        found = [file] if file.exists() or file.is_symlink() else []
    whole = origin.resolve()
    for file in found:
        if not file.parent.resolve().is_relative_to(whole) and file != origin:
            raise BuildFailed(f"{step.place}: {source} lies outside the build folder")
    named = [(file, file.relative_to(origin).as_posix()) for file in found]
    if ignore:
        named = [(f, n) for f, n in named if n == "." or not _is_ignored(ignore, n, f.is_dir())]
    if not named:
        where = "the stage it is copied from" if step.stage is not None else origin.name
        raise BuildFailed(f"{step.place}: COPY {source}: no such file in {where}")
    return named


def _is_ignored(ignore: Ignore, path: str, is_folder: bool) -> bool:
    parts = path.split("/")
    above = ("/".join(parts[:i]) for i in range(1, len(parts)))
    return ignore.skips(path, is_folder=is_folder) or any(
        ignore.skips(folder, is_folder=True) for folder in above
    )


def carry_file_command(root: Path, step: FileCommand) -> None:
    """Carry out chmod, cp, mv, rm, touch or ln; raises BuildFailed with the line."""
    program, *args = step.argv
    flags = "".join(a[1:] for a in args if a.startswith("-") and not a.startswith("--"))
    words = [a for a in args if not a.startswith("-")]
    if program == "chmod":
        mode, *words = words or [""]
        for file in _named(root, words, step):
            _chmod(mode, file, recursive="R" in flags, place=step.place)
        return
    if program == "touch":
        for word in words:
            file = inside(root, posixpath.join(step.cwd, word), step.place)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        return
    if program == "rm":
        for file in _named(root, words, step, must=False):
            _remove(file)
        return
    if len(words) < 2:
        raise BuildFailed(f"{step.place}: {' '.join(step.argv)}: want a source and a target")
    *sources, target = words
    to = inside(root, posixpath.join(step.cwd, target), step.place)
    if program == "ln":
        to = to / posixpath.basename(sources[0]) if to.is_dir() else to
        to.parent.mkdir(parents=True, exist_ok=True)
        to.unlink(missing_ok=True)
        to.symlink_to(sources[0])
        return
    for file in _named(root, sources, step):
        place = to / file.name if to.is_dir() else to
        place = inside(root, "/" + place.relative_to(root).as_posix(), step.place)
        copy_tree(file, place)
        if program == "mv":
            _remove(file)


def _named(root: Path, words: list[str], step: FileCommand, *, must: bool = True) -> list[Path]:
    found: list[Path] = []
    for word in words:
        path = posixpath.normpath(posixpath.join(step.cwd, word))
        if _WILDCARD.search(path):
            files = sorted(root.glob(path.lstrip("/")))
        else:
            file = inside(root, path, step.place)
            files = [file] if file.exists() or file.is_symlink() else []
        if must and not files:
            raise BuildFailed(f"{step.place}: {' '.join(step.argv)}: {word} is not there")
        found += [inside(root, "/" + f.relative_to(root).as_posix(), step.place) for f in files]
    return found


def _remove(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    else:
        file.unlink(missing_ok=True)


def _chmod(mode: str, file: Path, *, recursive: bool, place: Place) -> None:
    files = [file]
    if recursive and file.is_dir():
        files += [f for f in file.rglob("*") if not f.is_symlink()]
    for one in files:
        if one.is_symlink():
            continue
        if re.fullmatch(r"0?[0-7]{3,4}", mode):
            # The owner keeps access: the build and its cache go on working with the file.
            one.chmod(int(mode, 8) | (0o700 if one.is_dir() else 0o600))
        elif found := re.fullmatch(r"([ugoa]*)\+([rwxX]+)", mode):
            bits = sum({"r": 0o4, "w": 0o2, "x": 0o1, "X": 0o1}[b] for b in set(found.group(2)))
            who = found.group(1) or "a"
            shifts = {"u": (6,), "g": (3,), "o": (0,), "a": (6, 3, 0)}
            for shift in {s for w in who for s in shifts[w]}:
                one.chmod(one.stat().st_mode | (bits << shift))
        elif not re.fullmatch(r"[ugoa]*[-=][rwxXst]*(,[ugoa]*[-+=][rwxXst]*)*", mode):
            raise BuildFailed(f"{place}: chmod {mode}: want a mode like 755 or +x")
