"""Point at a field of the object being checked, and make the problem that stands there.

In: Obj, field names.    Out: At, Problem.
Before: api/objects.py   After: every other file of check/
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from lateen.api.codes import BAD_FIELD, FIELD_WARNING
from lateen.api.objects import Obj
from lateen.api.paths import child, element
from lateen.base.problem import Level, Problem

MAX_INT32 = 2**31 - 1


class At(Struct, frozen=True):
    """A place inside one object: `At(obj).key("spec").key("http").item(0)`."""

    obj: Obj
    path: str = ""

    def key(self, *names: str) -> At:
        """The named entry of the mapping here, or the entry of its entry …."""
        path = self.path
        for name in names:
            path = child(path, name)
        return At(self.obj, path)

    def item(self, index: int) -> At:
        """The element of the list here."""
        return At(self.obj, element(self.path, index))

    def error(self, message: str, fix: str = "", code: str = BAD_FIELD) -> Problem:
        """A problem that keeps the object from being used."""
        return self._problem(Level.ERROR, message, fix, code)

    def warning(self, message: str, fix: str = "", code: str = FIELD_WARNING) -> Problem:
        """A problem the author should know of."""
        return self._problem(Level.WARNING, message, fix, code)

    def info(self, message: str, fix: str = "", *, code: str) -> Problem:
        """A remark."""
        return self._problem(Level.INFO, message, fix, code)

    def invalid(self, value: object, words: str) -> Problem:
        """Kubernetes' form: `Invalid value: -1: must be greater than or equal to 0`."""
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        return self.error(f"Invalid value: {shown}: {words}")

    def required(self, words: str = "") -> Problem:
        """Kubernetes' form: `Required value: …`."""
        return self.error("Required value" + (f": {words}" if words else ""))

    def _problem(self, level: Level, message: str, fix: str, code: str) -> Problem:
        origin = self.obj.origin(self.path)
        return Problem(code=code, level=level, origin=origin, message=message, fix=fix)


def one_of(at: At, value: str, words: tuple[str, ...]) -> Iterator[Problem]:
    """The value must be one of the words; the message lists them, as Kubernetes does."""
    if value not in words:
        supported = ", ".join(f'"{w}"' for w in words if w)
        yield at.error(f'Unsupported value: "{value}": supported values: {supported}')


def between(at: At, value: int | None, low: int, high: int = MAX_INT32) -> Iterator[Problem]:
    """A number in a range, ends included; None passes."""
    if value is None or low <= value <= high:
        return
    if high == MAX_INT32 and value < low:
        yield at.invalid(value, f"must be greater than or equal to {low}")
    else:
        yield at.invalid(value, f"must be between {low} and {high}, inclusive")


def port_number(at: At, value: int | None) -> Iterator[Problem]:
    """A TCP port; None passes."""
    return between(at, value, 1, 65535)
