"""The files of a build folder: which count, their digest, and copies of them.

In: folders, .dockerignore.    Out: digests, copied files.
Before: -       After: build/carry.py, build/builder.py
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

# Made by tools, large, and made again by the build; a COPY that names one of them takes it along.
MADE = frozenset(
    [
        "node_modules",
        "target",
        ".venv",
        ".git",
        ".hg",
        "__pycache__",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".gradle",
        ".idea",
        ".DS_Store",
    ]
)


class Ignore(Struct, frozen=True):
    """Which paths of a build folder do not belong to it: `.dockerignore`, and what tools made."""

    rules: tuple[tuple[re.Pattern[str], bool], ...]  # pattern, and whether it takes paths in again
    made: frozenset[str]

    def skips(self, path: str, *, is_folder: bool) -> bool:
        """Whether the path, relative and with slashes, is left out (for a folder: entirely)."""
        if path.rpartition("/")[2] in self.made:
            return True
        ignored = False
        for pattern, again in self.rules:
            if pattern.match(path):
                ignored = not again
        # A later "!" may take in a file below an ignored folder: go on into it.
        return ignored and not (is_folder and any(again for _, again in self.rules))


def read_ignore(folder: Path, copied: Iterable[str] = ()) -> Ignore:
    """The rules of a folder; `copied` are the sources that its Dockerfile names."""
    text = ""
    file = folder / ".dockerignore"
    if file.is_file():
        text = file.read_text(errors="replace")
    rules: list[tuple[re.Pattern[str], bool]] = []
    for line in (raw.strip() for raw in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        again = line.startswith("!")
        pattern = line.removeprefix("!").strip().strip("/").removeprefix("./")
        rules.append((_pattern(pattern), again))
    named = {part for source in copied for part in source.split("/")}
    return Ignore(tuple(rules), MADE - named)


def _pattern(glob: str) -> re.Pattern[str]:
    """A .dockerignore pattern; it also matches everything below what it matches."""
    parts: list[str] = []
    for token in re.findall(r"\*\*/?|\*|\?|\[[^\]]*\]|.", glob):
        match token:
            case "**/":
                parts.append("(?:.*/)?")
            case "**":
                parts.append(".*")
            case "*":
                parts.append("[^/]*")
            case "?":
                parts.append("[^/]")
            case _:
                parts.append(token if len(token) > 1 else re.escape(token))
    return re.compile("".join(parts) + r"(?:/.*)?\Z")


def files_of(
    folder: Path, ignore: Ignore | None = None, base: str = ""
) -> Iterator[tuple[str, Path]]:
    """Files and links below the folder, and empty folders, by relative path in a stable order.

    `base` is the folder's own path, with a slash at its end, in the rules of `ignore`.
    """

    def walk(here: Path, prefix: str) -> Iterator[tuple[str, Path]]:
        entries = sorted(os.scandir(here), key=lambda e: e.name)
        for entry in entries:
            path = prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if ignore and ignore.skips(base + path, is_folder=is_folder):
                continue
            if is_folder:
                yield from walk(Path(entry.path), path + "/")
            elif entry.is_symlink() or entry.is_file():
                yield path, Path(entry.path)
        if not entries and prefix:
            yield prefix, here

    yield from walk(folder, "")


def digest_of_tree(folder: Path, ignore: Ignore | None = None) -> str:
    """A digest of names, contents and executable bits of all files that count."""
    digest = hashlib.blake2b(digest_size=16)
    for path, file in files_of(folder, ignore):
        state = file.lstat()
        digest.update(f"{len(path)} {path} {state.st_mode & stat.S_IXUSR} ".encode())
        if stat.S_ISLNK(state.st_mode):
            digest.update(b"link " + os.fsencode(os.readlink(file)))
        elif stat.S_ISREG(state.st_mode):
            digest.update(f"file {state.st_size} ".encode())
            with file.open("rb") as content:
                while chunk := content.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


def copy_tree(source: Path, target: Path, ignore: Ignore | None = None, base: str = "") -> None:
    """Copy a file, a link, or what is in a folder; links stay links, times are kept.

    What `ignore` skips is left out; `base` is as for `files_of`. Raises OSError when a link that is
    in the target already leads out of it.
    """
    if source.is_symlink() or not source.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(source, target)
        return
    target.mkdir(parents=True, exist_ok=True)
    whole = target.resolve()
    made: set[Path] = set()
    for path, file in files_of(source, ignore, base):
        to = target / path
        folder = to if path.endswith("/") else to.parent
        if folder not in made:
            if not folder.resolve().is_relative_to(whole):
                raise OSError(f"/{path} leads out of the copied folder through a link")
            folder.mkdir(parents=True, exist_ok=True)
            made.add(folder)
        if folder is not to:
            _replace(file, to)


def _replace(source: Path, target: Path) -> None:
    if target.is_symlink() or target.exists():
        # Never write through a link that an earlier copy brought along.
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink()
    shutil.copy2(source, target, follow_symlinks=False)
