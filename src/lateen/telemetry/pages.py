"""Read a target's page of figures again and again, fast.

In: text in Prometheus' format.    Out: series of the history with their values.
Before: history/store.py        After: stages/scraping.py

What stands before a value in a line says which series it is of; it is taken apart the first time only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lateen.telemetry.history.series import NAME
from lateen.telemetry.history.store import MOST_OF_ONE, History, Series, Shelf
from lateen.telemetry.promtext import Labels, Sample, parse_sample
from lateen.telemetry.steady import MOVED, Steady

_TYPE = re.compile(r"# TYPE (\S+) (\w+)\s*")
_HELP = re.compile(r"# HELP (\S+) (.*)")
_SHORTEST = 3  # characters that a line has at least
_MOST_META = 5000  # names whose type and help are known
Convert = Callable[[Sample], Labels | None]
"""The labels a sample is kept under, the name among them; None: it is not kept."""
Values = list[tuple[Series, float]]


@dataclass
class Metadata:
    """Type and help of metrics by name."""

    known: dict[str, tuple[str, str]] = field(default_factory=dict)

    def note(self, name: str, *, type: str = "", help: str = "") -> None:
        """Take what a page says of a metric."""
        before = self.known.get(name, ("unknown", ""))
        if name in self.known or len(self.known) < _MOST_META:
            self.known[name] = (type or before[0], help or before[1])


class Page:
    """The page of one target.

    `added`: lines that become the same series are added up. `rename` gives the name under which a metric's type and
    help are known, "" for one of which nothing is to be known.
    """

    def __init__(
        self,
        history: History,
        shelf: Shelf,
        convert: Convert,
        *,
        added: bool = False,
        rename: Callable[[str], str] = str,
        metadata: Metadata | None = None,
        most: int = MOST_OF_ONE,
    ) -> None:
        self._history, self._shelf, self._convert = history, shelf, convert
        self._added, self._most, self._rename = added, most, rename
        self._metadata = metadata or Metadata()
        self._known: dict[str, Series | None] = {}
        self._rising: set[Series] = set()
        self._steady: Steady[Series] = Steady()

    def read(self, text: str) -> Values:
        """The values of a page; raises TooLarge when it has more series than are taken of one target."""
        self._hold_to_bound(text)
        found: dict[Series, float] = {}
        known, seen = self._known, 0
        for line in text.split("\n"):
            if not line or line[0] == "#":
                if line and line not in known:
                    self._note(line)
                continue
            seen += 1
            where, _, number = line.rpartition(" ")
            try:
                series, value = known[where], float(number)
            except (KeyError, ValueError):
                made = self._new(where, line)
                if made is None:
                    continue
                series, value = made
            if series is not None:
                if self._added and series in found and not math.isnan(value):
                    value += found[series]
                found[series] = value
        found |= self._steady.held({s: found[s] for s in self._rising if s in found})
        if len(known) > 2 * seen + 1000:
            self._known, self._rising = {}, set()  # most of it is of series that ended
        return list(found.items())

    def _hold_to_bound(self, text: str) -> None:
        if len(text) < _SHORTEST * self._most:
            return
        count = sum(1 for line in text.split("\n") if line and line[0] != "#")
        if count > self._most:
            raise TooLarge(
                f"the page has {count} series; up to {self._most} are taken of one target"
            )

    def _note(self, line: str) -> None:
        told = _TYPE.fullmatch(line) or _HELP.fullmatch(line)
        if told and (name := self._rename(told[1])):
            words = {"type": told[2]} if line.startswith("# TYPE") else {"help": told[2]}
            self._metadata.note(name, **words)
        self._known[line] = None

    def _new(self, where: str, line: str) -> tuple[Series | None, float] | None:
        sample = parse_sample(line)
        if sample is None:
            return None
        labels = self._convert(sample)
        series = None if labels is None else self._history.series(self._shelf, labels)
        if self._added and series is not None and dict(series.labels)[NAME] in MOVED:
            self._rising.add(series)
        # A line with a time of its own is another one each time.
        if "}" not in where or where.endswith("}"):
            self._known[where] = series
        return series, sample.value


class TooLarge(Exception):
    """A page with more series than are taken."""


def keep(history: History, shelf: Shelf, samples: Iterable[Sample], target: Labels) -> Values:
    """Samples made here, under the target's labels besides their own."""
    found: Values = []
    for sample in samples:
        labels = tuple(sorted((*sample.labels, *target, (NAME, sample.name))))
        series = history.series(shelf, labels)
        if series is not None:
            found.append((series, sample.value))
    return found


def labelled(target: Labels) -> Convert:
    """The target's labels before the sample's own, which stay as `exported_…`, as Prometheus does it."""
    taken = dict(target)

    def convert(sample: Sample) -> Labels:
        own = {f"exported_{n}" if n in taken else n: v for n, v in sample.labels if v}
        return tuple(sorted({**own, **taken, NAME: sample.name}.items()))

    return convert
