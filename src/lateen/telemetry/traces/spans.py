"""A span as lateen keeps it, and a trace as it is shown.

In: -    Out: Span, as_json, summary.
Before: -        After: every other file here
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

NANOS = 1_000_000_000
PROXY, APP = "proxy", "app"
ERROR = "error"
Tags = dict[str, str | int | float | bool]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened within a span, such as an exception; `time` in nanoseconds since 1970."""

    time: int
    name: str
    tags: Tags = {}


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of the work on a request.

    Ids in hexadecimal; `start` and `end` in nanoseconds since 1970. `service` and what an app says of
    itself is its own word; `pod` and `namespace` are known from where the span came from.
    """

    trace: str
    id: str
    parent: str = ""
    service: str = ""
    operation: str = ""
    kind: str = "internal"  # server, client, producer, consumer
    start: int
    end: int
    status: str = "unset"  # ok, error
    message: str = ""
    tags: Tags = {}
    events: tuple[Event, ...] = ()
    pod: str = ""
    namespace: str = ""
    source: str = APP

    @property
    def is_error(self) -> bool:
        """Whether it went wrong, by its own word or as Envoy tags it."""
        return self.status == ERROR or str(self.tags.get("error", "")).lower() == "true"


def root_of(spans: Sequence[Span]) -> Span:
    """The span that all began with: the first one whose parent is not there."""
    ids = {span.id for span in spans}
    tops = [span for span in spans if span.parent not in ids] or list(spans)
    return min(tops, key=lambda span: (bool(span.parent), span.start, span.id))


def summary(spans: Sequence[Span]) -> dict[str, Any]:
    """A trace in a line of a list."""
    root = root_of(spans)
    start = min(span.start for span in spans)
    return {
        "traceId": root.trace,
        "root": {"service": root.service, "operation": root.operation},
        "start": start / NANOS,
        "duration": (max(span.end for span in spans) - start) / NANOS,
        "spans": len(spans),
        "errors": sum(span.is_error for span in spans),
        "services": sorted({span.service for span in spans}),
    }


def as_json(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """Spans by their start; times in seconds."""
    return [
        {
            "spanId": span.id,
            "parentId": span.parent,
            "service": span.service,
            "operation": span.operation,
            "kind": span.kind,
            "start": span.start / NANOS,
            "duration": (span.end - span.start) / NANOS,
            "status": ERROR if span.is_error else span.status,
            "message": span.message,
            "tags": span.tags,
            "events": [
                {"time": event.time / NANOS, "name": event.name, "tags": event.tags}
                for event in span.events
            ],
            "pod": span.pod,
            "namespace": span.namespace,
            "source": span.source,
        }
        for span in sorted(spans, key=lambda span: (span.start, span.id))
    ]
