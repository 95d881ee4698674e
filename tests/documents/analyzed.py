"""What `lateen analyze` says of each document, with what the document takes for granted around it.

In: the files of `examples/guide`, `examples/article` and `examples/book`.    Out: problems by file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from lateen.api.destinationrule import DestinationRule
from lateen.api.objects import Obj
from lateen.api.rbac import Role
from lateen.base.problem import Problem
from lateen.check.analysis import analyze
from lateen.sources.files import read_paths
from tests.documents.assumed import FOLDERS, assumed


def analyzed(source: str) -> Iterator[tuple[str, tuple[Problem, ...]]]:
    """Of every document of the guide, the article or the book, in order."""
    for path in sorted(FOLDERS[source].glob("*.yaml")):
        read = read_paths([str(path)])
        yield path.stem, analyze(read.decoded, _beside(source, path, read.objects))


def _beside(source: str, path: Path, own: Sequence[Obj]) -> Iterator[Obj]:
    """What else is there: of the guide all its documents, of the book the roles; a stand-in gives way."""
    hosts = {obj.typed.spec.host for obj in own if isinstance(obj.typed, DestinationRule)}
    keys = {obj.key for obj in own}
    for obj in assumed(source):
        stands_in = isinstance(obj.typed, DestinationRule) and obj.typed.spec.host in hosts
        if not stands_in:
            yield obj
    for other in _others(source, path):
        if other.key not in keys and (source == "guide" or isinstance(other.typed, Role)):
            yield other


@cache
def _others(source: str, path: Path) -> tuple[Obj, ...]:
    files = [file for file in sorted(FOLDERS[source].glob("*.yaml")) if file != path]
    return tuple(obj for file in files for obj in read_paths([str(file)]).objects)
