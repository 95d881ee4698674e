"""Change a manifest's text where a problem says how, and nowhere else: comments, order and quoting stay.

In: a file's text, edits and where their objects stand.    Out: the new text.
Before: base/edit.py, sources/files.py                     After: cli/mend.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from msgspec import Struct

from lateen.base.edit import Edit, Insert, Quote, Rename, Rewrite, Wrap

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARK = "\ufeff"
_BARE = re.compile(r"[A-Za-z0-9+._-]+")
_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[]+)')


class Wanted(Struct, frozen=True, kw_only=True):
    """An edit, and the line (from 1) of something in its object."""

    edit: Edit
    line: int


class _Cut(Struct, frozen=True, order=True):
    """Characters `start` to `end` become `text`."""

    start: int
    end: int
    text: str


def mended(text: str, wanted: Sequence[Wanted]) -> tuple[str, int]:
    """The text with every edit that can be made, and how many those are.

    An edit whose place is not found, or that meets another one, is left out. A text that is no YAML as a
    whole stays as it is.
    """
    if text.startswith(_MARK):  # YAML does not count it
        rest, count = mended(text.removeprefix(_MARK), wanted)
        return _MARK + rest, count
    try:
        roots = [node for node in yaml.compose_all(text, _LOADER) if node is not None]
    except yaml.YAMLError:
        return text, 0
    objects = [each for root in roots for each in _objects(root)]
    cuts: list[_Cut] = []
    for each in wanted:
        before = [o for o in objects if o.start_mark.line < each.line]
        cut = _cut(text, before[-1], each.edit) if before else None
        if cut and not any((cut.start < c.end and c.start < cut.end) or cut == c for c in cuts):
            cuts.append(cut)
    for cut in sorted(cuts, reverse=True):
        text = text[: cut.start] + cut.text + text[cut.end :]
    return text, len(cuts)


def _objects(root: Any) -> Iterator[Any]:
    """The document, or the objects of its List."""
    items = _entry(root, "items")
    if items is not None and isinstance(items[1], yaml.SequenceNode):
        yield from items[1].value
    else:
        yield root


def _entry(node: Any, key: str) -> tuple[Any, Any] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((k, v) for k, v in node.value if k.value == key), None)


def _steps(path: str) -> Iterator[str | int]:
    for quoted, index, plain in _STEP.findall(path):
        if index:
            yield int(index)
        else:
            yield re.sub(r"\\(.)", r"\1", quoted) if quoted else plain


def _walk(node: Any, path: str) -> tuple[Any, Any] | None:
    """Key node (None in a list) and value node of a path."""
    found: tuple[Any, Any] | None = (None, node)
    for step in _steps(path):
        if found is None:
            return None
        if isinstance(step, str):
            found = _entry(found[1], step)
        elif isinstance(found[1], yaml.SequenceNode) and step < len(found[1].value):
            found = (None, found[1].value[step])
        else:
            return None
    return found


def _cut(text: str, root: Any, edit: Edit) -> _Cut | None:
    found = _walk(root, edit.path)
    if found is None:
        return None
    key, value = found
    match edit:
        case Rename():
            return _over(key, edit.key) if key is not None and not _shadowed(root, edit) else None
        case Rewrite():
            return _over(value, edit.text) if isinstance(value, yaml.ScalarNode) else None
        case Quote():
            return (
                _quoted(text, value, off=edit.off) if isinstance(value, yaml.ScalarNode) else None
            )
        case Wrap():
            if key is None or not isinstance(value, yaml.ScalarNode) or _shadowed(root, edit):
                return None
            written = text[value.start_mark.index : value.end_mark.index]
            whole = f"{edit.key}: {{{edit.inner}: {written}}}"
            return _Cut(key.start_mark.index, value.end_mark.index, whole)
        case Insert():
            return _insertion(value, edit, "\r\n" if "\r\n" in text else "\n")


def _shadowed(root: Any, edit: Rename | Wrap) -> bool:
    """Whether the new key is there already, beside the old one."""
    parent = edit.path[: max(edit.path.rfind("."), 0)]
    beside = _walk(root, parent)
    return beside is not None and _entry(beside[1], edit.key) is not None


def _over(node: Any, text: str) -> _Cut:
    return _Cut(node.start_mark.index, node.end_mark.index, text)


def _quoted(text: str, node: Any, *, off: bool) -> _Cut | None:
    """Only what stands in one line, without anchor, tag or escape, is quoted or bared."""
    start, end = node.start_mark.index, node.end_mark.index
    written = text[start:end]
    if off:
        bare = written[1:-1]
        return _Cut(start, end, bare) if bare == node.value else None
    return _Cut(start, end, f'"{written}"') if _BARE.fullmatch(written) else None


def _insertion(node: Any, edit: Insert, newline: str) -> _Cut | None:
    if not isinstance(node, yaml.MappingNode) or not node.value or _entry(node, edit.key):
        return None
    first = node.value[0][0].start_mark
    after = ", " if node.flow_style else newline + " " * first.column
    return _Cut(first.index, first.index, f"{edit.key}: {edit.value}{after}")
