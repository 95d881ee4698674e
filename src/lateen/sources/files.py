"""Read manifests from files, folders and standard input.

In: paths.                    Out: Loaded: objects, problems, the files read.
Before: api/decode.py         After: app/, stages/, cli/
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.codes import (
    NOT_AN_OBJECT,
    NOT_CARRIED_OUT,
    NOT_FOUND,
    NOT_YAML,
    TWICE,
    UNKNOWN_KIND,
)
from lateen.api.customkinds import learn
from lateen.api.decode import Decoded, decode_documents
from lateen.api.definition import CustomResource, CustomResourceDefinition
from lateen.api.kinds import Registry, registry
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey, Origin, Place
from lateen.base.problem import Level, Problem, has_errors
from lateen.check import check_object

SUFFIXES = (".yaml", ".yml", ".json")
PROJECT_FILE = "lateen.yaml"
TEST_SUFFIXES = (".mesh-test.yaml", ".mesh-test.yml")  # what `lateen test` reads, beside manifests
SKIPPED_FOLDERS = frozenset({"node_modules", "target", "__pycache__", "venv"})
KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
MAX_BYTES = 16 * 1024 * 1024
_STDIN = "-"
_STDIN_NAME = "<stdin>"
# Files of other tools that often lie beside manifests and hold no objects.
_NOT_MANIFESTS = frozenset(
    {"package.json", "package-lock.json", "tsconfig.json", "composer.json", "jsconfig.json"}
    | {"docker-compose.yaml", "docker-compose.yml", "compose.yaml", "compose.yml"}
    | {"pnpm-lock.yaml", "pnpm-workspace.yaml", "mkdocs.yml", "openapi.yaml", "openapi.json"}
)
_KEPT = 1024  # decoded files
_NAMED = 3  # places in a message
_NO_MANIFESTS = f"no manifests in it (files that end in {', '.join(SUFFIXES)})"
_RENDER = "a Helm template? helm template CHART | lateen up -"


class Loaded(Struct, frozen=True, kw_only=True):
    """What the paths hold. `decoded` also has what is not sound, for `check.admission.admit`.

    `files` are the manifests read, as given or found, relative to the working directory if inside.
    """

    decoded: Decoded
    files: tuple[str, ...]

    @property
    def objects(self) -> tuple[Obj, ...]:
        """The objects that decoded without an error."""
        return self.decoded.objects

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong in reading and decoding."""
        return self.decoded.problems


def read_paths(
    paths: Sequence[str], *, stdin: TextIO | None = None, namespace: str = "default"
) -> Loaded:
    """Read every manifest under the paths, `-` being standard input; never raises for a bad one.

    Folders are read recursively, in order of name; hidden ones, `node_modules`, `target` and
    virtual environments are passed over. An object found twice is in none of the results' objects.
    The kinds that CustomResourceDefinitions among them define are known from then on.
    """
    texts: list[tuple[str, str]] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    beside: set[str] = set()  # found in a folder, not named by anybody
    for path in paths:
        if path == _STDIN:
            if stdin is not None:
                texts.append((_STDIN_NAME, stdin.read()))
            continue
        root = Path(path)
        if not root.exists():
            words = f'"{path}" does not exist' + _similar(root)
            problems.append(_problem(NOT_FOUND, path, words))
            continue
        found = list(manifests_under(root))
        if not found:
            problems.append(_problem(NOT_FOUND, path, _NO_MANIFESTS, Level.WARNING))
        for file in found:
            if (real := os.path.realpath(file)) in seen:
                continue
            seen.add(real)
            shown = shown_path(file)
            if file.name in KUSTOMIZATIONS:
                problems.append(_kustomization(shown))
                continue
            text = _text(file, shown)
            if isinstance(text, Problem):
                problems.append(text)
            texts.append((shown, "" if isinstance(text, Problem) else text))
            if file != root:
                beside.add(shown)
    results = [
        _with_hint(_passed_over(result, shown) if shown in beside else result, text)
        for result, (shown, text) in zip(_decoded_together(texts, namespace), texts, strict=True)
    ]
    everything = Decoded(
        objects=tuple(obj for r in results for obj in r.objects),
        problems=(*problems, *(p for r in results for p in r.problems)),
        partial=tuple(part for r in results for part in r.partial),
    )
    files = tuple(shown for shown, _ in texts)
    return Loaded(decoded=_without_doubles(everything), files=files)


def _decoded_together(texts: list[tuple[str, str]], namespace: str) -> list[Decoded]:
    """Decode every text, those with objects of defined kinds once more when a definition is new."""
    before = registry()
    results = [_decoded(text, shown, namespace, before) for shown, text in texts]
    learn(
        obj.typed
        for result in results
        for obj in result.objects
        if isinstance(obj.typed, CustomResourceDefinition) and not has_errors(check_object(obj))
    )
    after = registry()
    if after is before:
        return results
    return [
        _decoded(text, shown, namespace, after) if _depends_on_definitions(result) else result
        for (shown, text), result in zip(texts, results, strict=True)
    ]


def _depends_on_definitions(decoded: Decoded) -> bool:
    found = (*decoded.objects, *(part.obj for part in decoded.partial))
    unknown = any(problem.code == UNKNOWN_KIND for problem in decoded.problems)
    return unknown or any(isinstance(obj.typed, CustomResource) for obj in found)


def _passed_over(decoded: Decoded, shown: str) -> Decoded:
    """A file that holds no objects at all is some other tool's; nobody asked for it by name."""
    fields = [p.origin.field for p in decoded.problems if p.code == NOT_AN_OBJECT]
    others = len(fields) != len(decoded.problems) or decoded.objects or decoded.partial
    if others or not fields or fields.count("apiVersion") * 2 != len(fields):
        return decoded
    words = "no Kubernetes object in it (no apiVersion, no kind): passed over"
    return Decoded(problems=(_problem(NOT_CARRIED_OUT, shown, words, Level.WARNING),))


def _with_hint(decoded: Decoded, text: str) -> Decoded:
    """What looks like a Helm template is no YAML before Helm has rendered it."""
    if "{{" not in text:
        return decoded
    return replace(
        decoded,
        problems=tuple(
            replace(p, fix=_RENDER) if p.code == NOT_YAML and not p.fix else p
            for p in decoded.problems
        ),
    )


def manifests_under(root: Path) -> Iterator[Path]:
    """The files that may hold manifests: `root` itself if it is a file, else all inside, by name."""
    if not root.is_dir():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not is_skipped(f))
        for name in sorted(names):
            if is_manifest_name(name) or name in KUSTOMIZATIONS:
                yield Path(folder, name)


def is_manifest_name(name: str) -> bool:
    """Whether a file found in a folder is read as a manifest, by its name."""
    if name.startswith(".") or name == PROJECT_FILE or name in _NOT_MANIFESTS:
        return False
    if name.endswith(TEST_SUFFIXES):
        return False
    return name.endswith(SUFFIXES)


def is_skipped(folder: str) -> bool:
    """Whether a folder of that name is passed over."""
    return folder.startswith(".") or folder in SKIPPED_FOLDERS


def shown_path(path: Path) -> str:
    """The path relative to the working directory if it lies inside, else absolute."""
    full = Path(os.path.abspath(path))
    try:
        return str(full.relative_to(Path.cwd()))
    except ValueError:
        return str(full)


def _text(file: Path, shown: str) -> str | Problem:
    try:
        state = file.stat()
        if not stat.S_ISREG(state.st_mode):
            # Opening a pipe would wait for whoever writes to it.
            return _problem(
                NOT_FOUND, shown, "not a file: not read", fix="for a pipe: … | lateen up -"
            )
        if state.st_size > MAX_BYTES:
            words = f"larger than {MAX_BYTES // 1024 // 1024} MiB: not read"
            return _problem(NOT_YAML, shown, words)
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        words = f"cannot be read: {error.strerror or error}"
        return _problem(NOT_FOUND, shown, words)
    except UnicodeDecodeError as error:
        return _problem(NOT_YAML, shown, f"not UTF-8 text: {error.reason}")


@lru_cache(maxsize=_KEPT)
def _decoded(text: str, shown: str, namespace: str, kinds: Registry) -> Decoded:
    """Decoding depends on nothing but these, and most files are as they were at the last reading."""
    del kinds  # what is registered now
    return decode_documents(text, shown, namespace=namespace)


def _problem(
    code: str, file: str, words: str, level: Level = Level.ERROR, fix: str = ""
) -> Problem:
    origin = Origin(place=Place(file=file))
    return Problem(code=code, level=level, origin=origin, message=words, fix=fix)


def _kustomization(shown: str) -> Problem:
    words = "kustomizations are not carried out; the manifests beside it are read as they are"
    fix = f"kubectl kustomize {os.path.dirname(shown) or '.'} | lateen up -"
    return Problem(
        code=NOT_CARRIED_OUT,
        level=Level.WARNING,
        origin=Origin(place=Place(file=shown)),
        message=words,
        fix=fix,
    )


def _similar(path: Path) -> str:
    if path.parent.is_dir():
        import difflib

        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
        if near:
            return f'; did you mean "{path.parent / near[0]}"?'
    return ""


def _without_doubles(decoded: Decoded) -> Decoded:
    """Leave out objects described twice: which one is meant is not lateen's to choose."""
    places: dict[ObjectKey, list[Obj]] = {}
    for obj in (*decoded.objects, *(part.obj for part in decoded.partial)):
        places.setdefault(obj.key, []).append(obj)
    doubles = {key: found for key, found in places.items() if len(found) > 1}
    problems = [
        Problem(
            code=TWICE,
            level=Level.ERROR,
            origin=obj.origin(),
            message=f"the same object is also described in {_elsewhere(obj, found)}",
            fix="keep one of them",
        )
        for found in doubles.values()
        for obj in found
    ]
    return Decoded(
        objects=tuple(obj for obj in decoded.objects if obj.key not in doubles),
        problems=(*decoded.problems, *problems),
        partial=decoded.partial,
    )


def _elsewhere(obj: Obj, found: list[Obj]) -> str:
    places = [str(other.origin().place) for other in found if other is not obj]
    more = [f"{len(places) - _NAMED} more places"] if len(places) > _NAMED else []
    return " and ".join([*places[:_NAMED], *more])
