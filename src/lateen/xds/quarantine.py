"""Find the objects to blame when Envoy refuses a resource.

In: the refused resource's origins, revisions now and at its last ACK.    Out: the suspects.
Before: xds/ledger.py                                                     After: stages/

Envoy says which listener or route table it refuses, never which rule of it. What it accepted before
was good, so the fault lies in what changed since. The stage emits again without the suspects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lateen.base.origin import ObjectKey


def blame(
    origins: Iterable[ObjectKey],
    *,
    now: Mapping[ObjectKey, int],
    good: Mapping[ObjectKey, int] | None,
) -> tuple[ObjectKey, ...]:
    """The objects to leave out, sorted by key.

    `now` holds the revisions that went into the refused resource, `good` those of the last one that
    was ACKed under its name (None: there was none). Objects that are new or changed since are to
    blame; if there are none (or no last good), the newest of all: those of the highest revision.
    Objects that no longer exist cannot be left out and are never named.
    """
    there = sorted({key for key in origins if key in now})
    if good is not None:
        changed = tuple(key for key in there if good.get(key) != now[key])
        if changed:
            return changed
    newest = max((now[key] for key in there), default=0)
    return tuple(key for key in there if now[key] == newest)


def revisions_of(
    origins: Iterable[ObjectKey], now: Mapping[ObjectKey, int]
) -> Mapping[ObjectKey, int]:
    """What to remember when a resource is ACKed: the revisions of the objects that made it."""
    return {key: now[key] for key in origins if key in now}
