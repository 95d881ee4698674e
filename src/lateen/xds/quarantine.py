"""Find the objects to blame when Envoy refuses a resource.

In: the refused resource's origins, their editions now and those that were ACKed.    Out: the suspects.
Before: xds/ledger.py                                                        After: stages/

Envoy says which listener or route table it refuses, never which rule of it. What it accepted before
was good, so the fault lies in what changed since. The stage emits again without the suspects.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

from lateen.base.origin import ObjectKey

E = TypeVar(
    "E", bound=Hashable
)  # an edition of an object: equal for as long as it asks for the same


def blame(
    origins: Iterable[ObjectKey], *, now: Mapping[ObjectKey, E], good: Mapping[ObjectKey, E]
) -> tuple[ObjectKey, ...]:
    """The objects of which at least one is at fault, sorted by key.

    `now` holds the editions that went into the refused resource, `good` those that were ACKed under
    its name. Objects that are new or changed since are to blame; if there are none, any may be: two
    that are good alone can be at odds. Objects that no longer exist cannot be left out and are never
    named.
    """
    there = tuple(sorted({key for key in origins if key in now}))
    return tuple(key for key in there if good.get(key) != now[key]) or there


def editions_in(origins: Iterable[ObjectKey], now: Mapping[ObjectKey, E]) -> Mapping[ObjectKey, E]:
    """What to remember when a resource is ACKed: the editions of the objects that made it."""
    return {key: now[key] for key in origins if key in now}
