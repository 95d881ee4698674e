"""Find the folder that an image is built from.

In: an image name, the project's map, folders to look in.    Out: Source, or None.
Before: -       After: build/builder.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from lateen.base.errors import BuildFailed

LANGUAGE_FILES = (
    "requirements.txt",
    "pyproject.toml",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "package.json",
)
_GROUPS = (".", "services", "apps", "src")
_PROJECT_MARKS = ("lateen.yaml", ".git")


class ImageSource(Struct, frozen=True, kw_only=True):
    """What lateen.yaml says of an image. `dockerfile` is relative to `build`."""

    build: Path
    dockerfile: str = "Dockerfile"


class Source(Struct, frozen=True, kw_only=True):
    """A folder to build an image from; `dockerfile` is None where its language files must do."""

    image: str
    folder: Path
    dockerfile: Path | None


def repository_of(image: str) -> str:
    """The image's name without its tag and digest: `host:5000/team/web:1.0` → `host:5000/team/web`."""
    name = image.split("@", 1)[0]
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.split(':', 1)[0]}"


def find_source(
    image: str, project: Mapping[str, ImageSource], search: Sequence[Path]
) -> Source | None:
    """The folder the image is built from, or None when there is none.

    The project's map is asked first, for the whole name and then without tag and digest. Else a
    folder named like the last part of the image is taken, if it has a Dockerfile or language files:
    in the folders of `search`, in their parents up to the project (the folder with a lateen.yaml or
    a .git), and in `services`, `apps` and `src` of each.

    Raises BuildFailed when the map names a folder or a Dockerfile that is not there.
    """
    mapped = project.get(image) or project.get(repository_of(image))
    if mapped is not None:
        return _mapped(image, mapped)
    name = repository_of(image).rpartition("/")[2]
    for root in _roots(search):
        here = (root,) if root.name == name else ()
        for folder in (*here, *(root / group / name for group in _GROUPS)):
            dockerfile = folder / "Dockerfile"
            if dockerfile.is_file():
                return Source(image=image, folder=folder.resolve(), dockerfile=dockerfile.resolve())
            if any((folder / file).is_file() for file in LANGUAGE_FILES):
                return Source(image=image, folder=folder.resolve(), dockerfile=None)
    return None


def _mapped(image: str, mapped: ImageSource) -> Source:
    folder = mapped.build.resolve()
    if not folder.is_dir():
        raise BuildFailed(f"lateen.yaml builds {image} from {mapped.build}, which is no folder")
    dockerfile = folder / mapped.dockerfile
    if dockerfile.is_file():
        return Source(image=image, folder=folder, dockerfile=dockerfile)
    if mapped.dockerfile != "Dockerfile":
        raise BuildFailed(f"lateen.yaml names the Dockerfile {dockerfile}, which is not there")
    return Source(image=image, folder=folder, dockerfile=None)


def _roots(search: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for given in search:
        folder = given.resolve()
        chain = [folder if folder.is_dir() else folder.parent]
        while not _is_project(chain[-1]) and chain[-1] != chain[-1].parent:
            chain.append(chain[-1].parent)
        # Without a project around it, what lies above a folder is none of our business.
        for root in chain if _is_project(chain[-1]) else chain[:1]:
            if root not in seen:
                seen.add(root)
                yield root


def _is_project(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _PROJECT_MARKS)
