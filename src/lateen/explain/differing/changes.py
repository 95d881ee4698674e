"""What changes from one mesh to another: the values, and how like ones are put together.

In: single changes.       Out: Change, Difference.
Before: -                 After: differing/whole.py, cli/differing.py
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from lateen.explain.differing.effects import Area
from lateen.explain.request import Request


class Change(Struct, frozen=True, kw_only=True):
    """What some requests meet now instead of before.

    `sources` are who sends them (NAME.NAMESPACE), `targets` what they are for; `requests` says which, `example` is
    one of them. `because` are the rules that decide now and decided before, as texts. `opens`: more is let through
    than before (None where it is not about that).
    """

    area: Area
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    requests: tuple[str, ...]
    before: str
    after: str
    example: Request | None = None
    because: tuple[str, ...] = ()
    opens: bool | None = None


class Push(Struct, frozen=True, kw_only=True):
    """What a step from the old mesh to the new one would send: of how many proxies, how much."""

    proxies: tuple[str, ...] = ()
    resources: int = 0
    size: int = 0  # bytes
    of: int = 0  # proxies there are


class Difference(Struct, frozen=True, kw_only=True):
    """All changes, what concerns security first; `doubts` say what could not be looked at exactly.

    `everyone`: all who are in both meshes and have a proxy of their own.
    """

    changes: tuple[Change, ...] = ()
    doubts: tuple[str, ...] = ()
    push: Push | None = None
    everyone: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether no traffic changes."""
        return not self.changes


def grouped(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Changes that differ by who sends alone are one, or by whom to; then what matters most is first."""
    by_sender: dict[tuple[object, ...], Change] = {}
    for change in changes:
        said = (change.area, change.requests, change.before, change.after)
        _add(by_sender, (*said, change.targets), change)
    by_target: dict[tuple[object, ...], Change] = {}
    for change in by_sender.values():
        said = (change.area, change.requests, change.before, change.after)
        _add(by_target, (*said, frozenset(change.sources)), change)
    return tuple(sorted(by_target.values(), key=_rank))


def _add(found: dict[tuple[object, ...], Change], key: tuple[object, ...], change: Change) -> None:
    """Put a change to one like it."""
    if key not in found:
        found[key] = change
        return
    before = found[key]
    found[key] = replace(
        before,
        sources=tuple(dict.fromkeys((*before.sources, *change.sources))),
        targets=tuple(dict.fromkeys((*before.targets, *change.targets))),
        because=tuple(dict.fromkeys((*before.because, *change.because))),
    )


_AREAS = tuple(Area)


def _rank(change: Change) -> tuple[object, ...]:
    return (
        _AREAS.index(change.area),
        change.opens is not True,
        change.targets,
        change.requests,
        change.sources,
    )
