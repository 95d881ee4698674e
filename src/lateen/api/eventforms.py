"""An Event as `events.k8s.io/v1` has it: the same object under other names.

In: core/v1's tree.    Out: EventsEvent, `shown_event`, `stored_event`.
Before: api/event.py       After: api/kinds.py
Source: kubernetes pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lateen.api.event import EventSource, ObjectReference
from lateen.api.fields import Api, Informative
from lateen.api.meta import ObjectMeta

EVENTS = "events.k8s.io"
_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_NAMES_BACK = {new: old for old, new in _NAMES.items()}


class EventsEvent(Api, frozen=True, kw_only=True):
    """events.k8s.io/v1 Event; what older clients counted is in the `deprecated` fields."""

    api_version: str = f"{EVENTS}/v1"
    kind: str = "Event"
    metadata: ObjectMeta
    regarding: ObjectReference = ObjectReference()
    reason: str = ""
    note: str = ""
    type: str = ""
    action: str = ""
    event_time: str | None = None
    series: Informative = None
    related: Informative = None
    reporting_controller: str = ""
    reporting_instance: str = ""
    deprecated_source: EventSource = EventSource()
    deprecated_first_timestamp: str | None = None
    deprecated_last_timestamp: str | None = None
    deprecated_count: int = 0


def shown_event(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored, as the newer group shows it."""
    named = {_NAMES.get(field, field): value for field, value in tree.items()}
    return named | {"apiVersion": f"{EVENTS}/v1"}


def stored_event(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What the newer group was given, as it is stored."""
    named = {_NAMES_BACK.get(field, field): value for field, value in tree.items()}
    return named | {"apiVersion": "v1", "involvedObject": named.get("involvedObject") or {}}


def stored_path(path: str) -> str:
    """A field by which the newer group's Events are selected, in what is stored: `regarding.name`."""
    first, dot, rest = path.partition(".")
    return f"{_NAMES_BACK.get(first, first)}{dot}{rest}"
