"""Read YAML or JSON text into plain trees, and note where each field stands.

In: text.    Out: Documents (a JSON tree and the line and column of each path) and problems.
Before: -    After: api/decode.py, sources/project.py

Scalars are read as Kubernetes reads them (sigs.k8s.io/yaml): YAML 1.1 booleans (`yes`, `on`, `n`) are
booleans, `0644` is octal, dates stay text, keys become text. Each `---` document is parsed by
itself, so that a broken one does not take its neighbours along.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from msgspec import Struct

from lateen.api.codes import NOT_YAML
from lateen.api.paths import child, element
from lateen.base.origin import Origin, Place
from lateen.base.problem import Level, Problem

MAX_DEPTH = 100
MAX_NODES = 200_000

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SEPARATOR = re.compile(r"---(\s|$)")
_PREAMBLE_LINE = re.compile(r"\s*(#.*|%.*|\.\.\.\s*)?")
_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_WORDS: dict[str, bool | None] = (
    dict.fromkeys(_TRUE, True)
    | dict.fromkeys(_FALSE, False)
    | dict.fromkeys(("", "~", "null", "Null", "NULL"), None)
)
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_STR_TAG = "tag:yaml.org,2002:str"
_CORE_TAG = "tag:yaml.org,2002:"


class Document(Struct, frozen=True, kw_only=True):
    """One document: its tree, (line, column) by path, and the faults of its text by path."""

    value: Any
    places: Mapping[str, tuple[int, int]]
    faults: tuple[tuple[str, str], ...] = ()


class _Unreadable(Exception):
    """The document cannot be read further; 0-based line and column."""

    def __init__(self, line: int, column: int, words: str) -> None:
        super().__init__(words)
        self.line = line
        self.column = column


def read_documents(text: str, file: str) -> tuple[tuple[Document, ...], tuple[Problem, ...]]:
    """Every readable document of a file that is not empty, and a problem for each unreadable one."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for first_line, chunk in _chunks(text.removeprefix("\ufeff")):
        try:
            documents += _compose(chunk, first_line)
        except _Unreadable as fault:
            if chunk.lstrip().startswith("{") and (found := _read_json(chunk, first_line)):
                documents.append(found)
                continue
            place = Place(file=file, line=first_line + fault.line + 1, column=fault.column + 1)
            problems.append(
                Problem(
                    code=NOT_YAML,
                    level=Level.ERROR,
                    origin=Origin(place=place),
                    message=f"not readable as YAML: {fault}",
                )
            )
    return tuple(documents), tuple(problems)


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Each document's text with the number of lines before it.

    `---` at the start of a line ends a document whatever it stands in (YAML 1.2, 9.1.2).
    """
    lines = re.split(r"(?<=\n)", text)
    start = 0
    for number, line in enumerate(lines):
        if _SEPARATOR.match(line) and number > start:
            chunk = "".join(lines[start:number])
            if all(_PREAMBLE_LINE.fullmatch(each) for each in chunk.splitlines()):
                continue
            yield start, chunk
            start = number
    yield start, "".join(lines[start:])


def _compose(chunk: str, first_line: int) -> list[Document]:
    try:
        loader = _LOADER(chunk)
    except yaml.YAMLError as error:
        raise _unreadable(error, chunk) from error
    except UnicodeEncodeError as error:
        raise _Unreadable(0, 0, "a character that is not valid Unicode") from error
    try:
        return list(_documents(loader, first_line))
    except yaml.YAMLError as error:
        raise _unreadable(error, chunk) from error
    finally:
        loader.dispose()


def _documents(loader: Any, first_line: int) -> Iterator[Document]:
    while not loader.check_event(yaml.StreamEndEvent):
        event = loader.get_event()
        if not isinstance(event, yaml.DocumentStartEvent):
            continue
        composer = _Composer(loader, first_line)
        value = composer.node("", 0)
        if value is not None:
            yield Document(value=value, places=composer.places, faults=tuple(composer.faults))


def _unreadable(error: yaml.YAMLError, chunk: str) -> _Unreadable:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        words = ", ".join(part for part in (error.context, error.problem) if part)
        if mark:
            return _Unreadable(mark.line, mark.column, words)
        return _Unreadable(0, 0, words)
    position = getattr(error, "position", None)
    words = getattr(error, "reason", "") or str(error)
    if isinstance(position, int):
        # libyaml counts bytes, the pure reader characters; the line is right for both in ASCII.
        before = chunk.encode(errors="replace")[:position].decode(errors="replace")
        return _Unreadable(before.count("\n"), len(before) - before.rfind("\n") - 1, words)
    return _Unreadable(0, 0, words)


class _Composer:
    """Builds one document from events; sizes count what aliases would expand to."""

    def __init__(self, loader: Any, first_line: int) -> None:
        self._loader = loader
        self._first_line = first_line
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._size = 0
        self.places: dict[str, tuple[int, int]] = {}
        self.faults: list[tuple[str, str]] = []

    def node(self, path: str, depth: int) -> Any:
        """The next node; `path` is where it goes."""
        event = self._loader.get_event()
        mark = event.start_mark
        if depth > MAX_DEPTH:
            raise _Unreadable(mark.line, mark.column, f"nested deeper than {MAX_DEPTH} levels")
        self.places.setdefault(path, (self._first_line + mark.line + 1, mark.column + 1))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._size
        self._grow(1, mark)
        if isinstance(event, yaml.ScalarEvent):
            value: Any = self._scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path, depth)
        else:
            value = self._mapping(path, depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._size - before)
        return value

    def _grow(self, nodes: int, mark: Any) -> None:
        self._size += nodes
        if self._size > MAX_NODES:
            words = f"more than {MAX_NODES} values once its aliases are expanded"
            raise _Unreadable(mark.line, mark.column, words)

    def _alias(self, event: Any) -> Any:
        mark = event.start_mark
        if event.anchor not in self._anchors:
            words = f"alias *{event.anchor} without an anchor &{event.anchor} before it"
            raise _Unreadable(mark.line, mark.column, words)
        value, size = self._anchors[event.anchor]
        self._grow(size, mark)
        return value

    def _sequence(self, path: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not self._loader.check_event(yaml.SequenceEndEvent):
            items.append(self.node(element(path, len(items)), depth + 1))
        self._loader.get_event()
        return items

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        merged: list[Any] = []
        while not self._loader.check_event(yaml.MappingEndEvent):
            event = self._loader.peek_event()
            mark = event.start_mark
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                self._loader.get_event()
                merged.append((self.node(child(path, "<<"), depth + 1), mark))
                continue
            key = self._key(depth)
            where = child(path, key)
            if key in entries:
                line = self._first_line + mark.line + 1
                self.faults.append((where, f'key "{key}" is given twice, again in line {line}'))
                self.node(where, depth + 1)
                continue
            self.places[where] = (self._first_line + mark.line + 1, mark.column + 1)
            entries[key] = self.node(where, depth + 1)
        self._loader.get_event()
        for value, mark in merged:
            self._merge(entries, value, mark)
        return entries

    def _merge(self, entries: dict[str, Any], value: Any, mark: Any) -> None:
        """YAML 1.1 `<<`: keys of the mapping itself win, then those of earlier sources."""
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise _Unreadable(mark.line, mark.column, "<< takes a mapping or a list of them")
            for key, held in source.items():
                entries.setdefault(key, held)

    def _key(self, depth: int) -> str:
        event = self._loader.peek_event()
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            self._loader.get_event()
            key = self._alias(event)
        elif isinstance(event, yaml.ScalarEvent):
            self._loader.get_event()
            self._grow(1, mark)
            key = self._scalar(event, "")
            if event.anchor:
                self._anchors[event.anchor] = (key, 1)
        else:
            raise _Unreadable(mark.line, mark.column, "a key must be text, not a list or mapping")
        if isinstance(key, str):
            return key
        if key is None or isinstance(key, dict | list):
            raise _Unreadable(mark.line, mark.column, "a key must be text")
        return json.dumps(key)

    def _scalar(self, event: Any, path: str) -> Any:
        text: str = event.value
        tag: str | None = event.tag
        if tag is None and not event.implicit[0]:
            return text
        if tag in (_STR_TAG, "!"):
            return text
        if tag is not None and tag.startswith(_CORE_TAG) and tag.endswith(":binary"):
            self.faults.append(
                (path, "the tag !!binary is not supported: write the base64 as text")
            )
            return text
        if tag is None and _INFINITE.fullmatch(text):
            self.faults.append((path, f"{text} is not a number JSON can hold"))
            return 0
        return plain_scalar(text)


def plain_scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted YAML scalar means to Kubernetes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    if found := _INTEGER.fullmatch(digits):
        sign, hexadecimal, binary, octal, decimal = found.groups()
        number = (
            int(hexadecimal, 16)
            if hexadecimal
            else int(binary, 2)
            if binary
            else int(octal, 8)
            if octal
            else _decimal(decimal)
        )
        if number is not None and number < 2**64:
            return -number if sign == "-" else number
    if _FLOAT.fullmatch(digits):
        value = float(digits)
        if math.isinf(value):
            return text
        # JSON has one kind of number: 80.0 and 1e3 are whole there.
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    return text


def _decimal(digits: str) -> int | None:
    return int(digits) if len(digits) <= 20 else None


def _read_json(chunk: str, first_line: int) -> Document | None:
    """JSON that libyaml does not take (escaped surrogate pairs); only the start's place is known."""
    try:
        value = json.loads(chunk, parse_constant=lambda name: None)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return Document(value=value, places={"": (first_line + 1, 1)})
