"""Event: what happened to an object, in a controller's or the node's words.

In: -    Out: Event, ObjectReference.    Source: core/v1.
Before: api/meta.py       After: cluster/events.py, apiserver/
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative
from lateen.api.meta import ObjectMeta


class ObjectReference(Api, frozen=True, kw_only=True):
    """An object, named in full."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class EventSource(Api, frozen=True, kw_only=True):
    """Who says so: a component, and the node it runs on."""

    component: str = ""
    host: str = ""


class Event(Api, frozen=True, kw_only=True):
    """core/v1 Event; `count` times the same between `first_timestamp` and `last_timestamp`."""

    api_version: str = "v1"
    kind: str = "Event"
    metadata: ObjectMeta
    involved_object: ObjectReference
    reason: str = ""
    message: str = ""
    source: EventSource = EventSource()
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    count: int = 0
    type: str = ""
    event_time: Informative = None
    series: Informative = None
    action: Informative = None
    related: Informative = None
    reporting_component: str = ""
    reporting_instance: str = ""
