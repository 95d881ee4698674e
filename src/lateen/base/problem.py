"""One thing wrong with what a user wrote: a value with a stable code, never an exception.

In: an Origin and words.    Out: Problem, printed by cli/ and stored as an object's status.
Before: base/origin.py      After: check/, translate/, xds/ledger.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from lateen.base.edit import Edit
from lateen.base.origin import Origin


class Level(StrEnum):
    """How bad a problem is: an ERROR keeps its object out of the store or out of the proxies."""

    ERROR = "Error"
    WARNING = "Warning"
    INFO = "Info"


class Problem(Struct, frozen=True, kw_only=True):
    """A fault in one object, said so that its author can mend it.

    `code` is Istio's own (IST0101 ...) where Istio has that check, else LAT....; `message` says
    what is wrong and what was wanted; `fix`, when known, is what to write instead, and `edits` are
    that fix as changes of the text, where it is safe to make it unasked.
    """

    code: str
    level: Level
    origin: Origin
    message: str
    fix: str = ""
    edits: tuple[Edit, ...] = ()

    def record(self) -> dict[str, Any]:
        """Plain values, as every command prints them with `-o json`; line and column are 0 where they are not known."""
        key, place = self.origin.key, self.origin.place
        return {
            "code": self.code,
            "level": self.level.value,
            "kind": key.kind if key else "",
            "namespace": key.namespace if key else "",
            "name": key.name if key else "",
            "field": self.origin.field,
            "file": place.file if place else "",
            "line": place.line if place else 0,
            "column": place.column if place else 0,
            "message": self.message,
            "fix": self.fix,
        }

    def __str__(self) -> str:
        """`vs.yaml:14:9: error IST0106 VirtualService shop/web spec.http[0]: message (fix)`."""
        place = self.origin.place
        where = ""
        if place:
            column = f":{place.column}" if place.line and place.column else ""
            where = f"{place}{column}: "
        who = str(self.origin.key) if self.origin.key else "" if place else "lateen"
        subject = "".join(f" {word}" for word in (who, self.origin.field) if word)
        fix = f" ({self.fix})" if self.fix else ""
        return f"{where}{self.level.value.lower()} {self.code}{subject}: {self.message}{fix}"


def has_errors(problems: tuple[Problem, ...]) -> bool:
    """Whether any of the problems keeps its object from being used."""
    return any(p.level is Level.ERROR for p in problems)
