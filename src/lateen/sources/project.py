"""Read `lateen.yaml`, which maps image names to source and ports to ports, and says what workloads call.

In: the paths given.         Out: Project and problems.
Before: api/tree.py          After: build/, app/, cli/up.py

    images:
      my-registry/fastapi-service:     # with or without a tag
        build: services/fastapi-service
        dockerfile: Dockerfile         # optional, inside the build folder
    ports:
      80: 8080                         # Gateway port: port on 127.0.0.1
    needs:
      shop/web: [cart, info/details]   # what a workload calls, see needs.py
    telemetry:
      otlp: {endpoint: "http://127.0.0.1:4318"}  # where spans and logs go, see telemetry.py
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from lateen.api.codes import PROJECT_FAULT
from lateen.api.paths import child
from lateen.api.tree import Document, read_documents
from lateen.base.observing import Observing
from lateen.base.origin import Origin, Place
from lateen.base.problem import Level, Problem, has_errors
from lateen.sources.files import PROJECT_FILE, shown_path
from lateen.sources.needs import read_needs
from lateen.sources.telemetry import Telling, read_telemetry
from lateen.world.needs import Needs

_TOP = ("images", "ports", "needs", "telemetry")
_IMAGE = ("build", "dockerfile")


class Build(Struct, frozen=True, kw_only=True):
    """Where an image's source is: an absolute folder, and its Dockerfile's name if not the usual."""

    folder: Path
    origin: Origin
    dockerfile: str | None = None


class Project(Struct, frozen=True, kw_only=True):
    """What lateen.yaml says; empty without one.

    `folders` are where an image's folder may be looked for when `images` has none: the folders of
    the given paths and of lateen.yaml, nearest first.
    """

    file: Path | None = None
    images: Mapping[str, Build] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    needs: Needs = field(default_factory=dict)
    observing: Observing = field(default_factory=Observing)
    folders: tuple[Path, ...] = ()

    def build_of(self, image: str) -> Build | None:
        """The source of an image; an entry without tag or digest stands for all of them."""
        return self.images.get(image) or self.images.get(untagged(image))


def untagged(image: str) -> str:
    """`registry:5000/shop/web` of `registry:5000/shop/web:1.2@sha256:…`."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def read_project(paths: Sequence[str]) -> tuple[Project, tuple[Problem, ...]]:
    """The nearest lateen.yaml: in a given folder, a given file's folder, or above it.

    The search upwards ends with the first folder that holds `.git`, and before one that belongs to
    somebody else: what stands in /tmp is not for lateen to build. A file with an error is not used in part: the Project is then empty but for its folders.
    """
    starts = [_folder_of(Path(path)) for path in paths if path != "-"] or [Path.cwd()]
    file = next((found for start in starts if (found := _nearest(start))), None)
    folders = tuple(dict.fromkeys([*starts, *([file.parent] if file else [])]))
    if file is None:
        return Project(folders=folders), ()
    shown = shown_path(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return Project(folders=folders), (_fault(shown, f"cannot be read: {error}"),)
    documents, problems = read_documents(text, shown)
    if len(documents) > 1:
        problems = (*problems, _fault(shown, "wanted one document, got several"))
    if not documents or has_errors(problems):
        return Project(file=file, folders=folders), problems
    reader = _Reader(file, shown, documents[0])
    project = reader.project(folders)
    problems = (*problems, *reader.problems)
    return (Project(file=file, folders=folders) if has_errors(problems) else project), problems


def _folder_of(path: Path) -> Path:
    full = path.resolve()
    return full if full.is_dir() else full.parent


def _nearest(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        if folder != start and folder.stat().st_uid != os.getuid():
            return None
        if (file := folder / PROJECT_FILE).is_file():
            return file
        if (folder / ".git").exists():
            return None
    return None


def _fault(shown: str, words: str) -> Problem:
    origin = Origin(place=Place(file=shown))
    return Problem(code=PROJECT_FAULT, level=Level.ERROR, origin=origin, message=words)


class _Reader:
    """Reads one document and gathers what is wrong with it."""

    def __init__(self, file: Path, shown: str, document: Document) -> None:
        self._file = file
        self._shown = shown
        self._document = document
        self.problems = [self._problem(path, words) for path, words in document.faults]

    def project(self, folders: tuple[Path, ...]) -> Project:
        top = self._mapping("", self._document.value, _TOP)
        images = self._mapping("images", top.get("images") or {}, None)
        ports = self._mapping("ports", top.get("ports") or {}, None)
        needs = self._mapping("needs", top.get("needs") or {}, None)
        telling = Telling(look=self._mapping, tell=self._add)
        return Project(
            file=self._file,
            images=dict(self._images(images)),
            ports=dict(self._ports(ports)),
            needs=dict(read_needs(needs, self._origin, self._add)),
            observing=read_telemetry(top.get("telemetry") or {}, "telemetry", telling),
            folders=folders,
        )

    def _images(self, entries: Mapping[str, Any]) -> Iterator[tuple[str, Build]]:
        for image, value in entries.items():
            path = child("images", image)
            entry = self._mapping(path, value, _IMAGE)
            build = entry.get("build")
            if not isinstance(build, str) or not build:
                if isinstance(value, dict):
                    self._add(child(path, "build"), "required: the folder with the image's source")
                continue
            folder = Path(os.path.realpath(self._file.parent / build))
            if not folder.is_dir():
                self._add(child(path, "build"), f'no folder "{build}" beside {self._shown}')
            dockerfile = entry.get("dockerfile")
            if dockerfile is not None and not isinstance(dockerfile, str):
                self._add(child(path, "dockerfile"), "wanted a file's name")
                continue
            if dockerfile is not None and not (folder / dockerfile).is_file():
                self._add(child(path, "dockerfile"), f'no file "{dockerfile}" in {build}')
            yield image, Build(folder=folder, dockerfile=dockerfile, origin=self._origin(path))

    def _ports(self, entries: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        for key, value in entries.items():
            path = child("ports", key)
            number = int(key) if key.isascii() and key.isdigit() and len(key) <= 5 else 0
            if not 1 <= number <= 65535:
                self._add(path, f'wanted a Gateway port from 1 to 65535, got "{key}"')
            elif type(value) is not int or not 0 <= value <= 65535:
                self._add(
                    path, f"wanted a port of 127.0.0.1 from 0 (any free one) to 65535, got {value}"
                )
            else:
                yield number, value

    def _mapping(
        self, path: str, value: object, known: tuple[str, ...] | None
    ) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            words = f"wanted a mapping{' with ' + ', '.join(known) if known else ''}"
            self._add(path, words)
            return {}
        for key in value if known else ():
            if known and key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                fix = f'did you mean "{near[0]}"?' if near else f"the keys here: {', '.join(known)}"
                self._add(child(path, key), f'unknown key "{key}"', fix)
        return value

    def _origin(self, path: str) -> Origin:
        line, column = self._document.places.get(path, (0, 0))
        return Origin(field=path, place=Place(file=self._shown, line=line, column=column))

    def _add(self, path: str, words: str, fix: str = "") -> None:
        self.problems.append(self._problem(path, words, fix))

    def _problem(self, path: str, words: str, fix: str = "") -> Problem:
        while path and path not in self._document.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return Problem(
            code=PROJECT_FAULT,
            level=Level.ERROR,
            origin=self._origin(path),
            message=words,
            fix=fix,
        )
