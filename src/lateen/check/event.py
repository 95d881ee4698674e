"""Check Events of `events.k8s.io/v1`, of which more is asked than of the core group's.

In: EventsEvent.    Out: problems.
Before: check/at.py        After: check/objects.py
Source: Kubernetes pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.eventforms import EventsEvent
from lateen.base.problem import Problem
from lateen.check.at import At

TYPES = ("Normal", "Warning")
_LONGEST_NOTE = 1024


def check_event(event: EventsEvent, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone; one that a client of the core group made may lack much."""
    if len(event.note) > _LONGEST_NOTE:
        yield at.key("note").invalid("", f"can have at most {_LONGEST_NOTE} characters")
    if event.deprecated_first_timestamp is not None:
        return
    for field, value in (
        ("eventTime", event.event_time),
        ("reportingController", event.reporting_controller),
        ("reportingInstance", event.reporting_instance),
        ("action", event.action),
        ("reason", event.reason),
    ):
        if not value:
            yield at.key(field).required()
    if event.type not in TYPES:
        yield at.key("type").invalid(event.type, f"has invalid value: {event.type}")
