"""Prometheus' text format: read what a proxy exposes, write what the mesh exposes.

In: text, or families.    Out: families, or text.
Before: -        After: telemetry/istio.py, telemetry/federating.py

Source: the Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)')
_TYPE = re.compile(rf"# TYPE ({_NAME}) (\w+)[ \t]*")
_HELP = re.compile(rf"# HELP ({_NAME}) (.*)")
_ESCAPED = re.compile(r"\\(.)")
_PARTS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One line: the name (with `_bucket` and the like), labels in order, the value."""

    name: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The samples of one metric; `type` is counter, gauge, histogram, summary or untyped."""

    name: str
    type: str
    samples: tuple[Sample, ...]
    help: str = ""


def parse_families(text: str) -> tuple[Family, ...]:
    """Every family of the page in its order. A line that cannot be read is left out."""
    types: dict[str, str] = {}
    helps: dict[str, str] = {}
    samples: dict[str, list[Sample]] = {}
    for line in text.split("\n"):
        if line.startswith("#"):
            if found := _TYPE.fullmatch(line):
                types[found[1]] = found[2]
            elif found := _HELP.fullmatch(line):
                helps[found[1]] = found[2]
        elif sample := parse_sample(line):
            samples.setdefault(_family_of(sample.name, types), []).append(sample)
    return tuple(
        Family(
            name=name,
            type=types.get(name, "untyped"),
            samples=tuple(found),
            help=helps.get(name, ""),
        )
        for name, found in samples.items()
    )


def write_families(families: Iterable[Family]) -> str:
    """The page; families of one name are joined, since a name may stand in one place only."""
    return "".join(_lines(joined(families)))


def joined(families: Iterable[Family]) -> tuple[Family, ...]:
    """The families with all samples of one name in one, in the order of first appearance."""
    found: dict[str, Family] = {}
    samples: dict[str, list[Sample]] = {}
    for family in families:
        found.setdefault(family.name, family)
        samples.setdefault(family.name, []).extend(family.samples)
    return tuple(
        Family(name=name, type=family.type, samples=tuple(samples[name]), help=family.help)
        for name, family in found.items()
    )


def series(name: str, value: float, labels: Mapping[str, str] | None = None) -> Sample:
    """A sample, its labels sorted."""
    return Sample(name=name, labels=tuple(sorted((labels or {}).items())), value=float(value))


def _lines(families: Iterable[Family]) -> Iterator[str]:
    for family in families:
        if family.help:
            said = family.help.replace("\\", "\\\\").replace("\n", "\\n")
            yield f"# HELP {family.name} {said}\n"
        yield f"# TYPE {family.name} {family.type}\n"
        for sample in family.samples:
            labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in sample.labels)
            where = f"{{{labels}}}" if labels else ""
            yield f"{sample.name}{where} {_number(sample.value)}\n"


def parse_sample(line: str) -> Sample | None:
    """One line; None if it cannot be read."""
    found = _SAMPLE.fullmatch(line)
    if not found:
        return None
    labels = _labels(found[2] or "")
    try:
        value = float(found[3])
    except ValueError:
        return None
    return None if labels is None else Sample(name=found[1], labels=labels, value=value)


def _labels(text: str) -> Labels | None:
    labels = []
    at = 0
    while at < len(text):
        found = _LABEL.match(text, at)
        if not found:
            return None
        labels.append((found[1], _ESCAPED.sub(_unescaped, found[2])))
        at = found.end()
    return tuple(labels)


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    short = value.is_integer() and abs(value) < 1e15 and repr(value) != "-0.0"
    return str(int(value)) if short else repr(value)


def _family_of(name: str, types: Mapping[str, str]) -> str:
    if name in types:
        return name
    for part in _PARTS:
        base = name.removesuffix(part)
        if base != name and types.get(base) in ("histogram", "summary"):
            return base
    return name
