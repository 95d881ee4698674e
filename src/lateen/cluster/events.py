"""Make Event objects of what is told, count the same again, and forget what is old.

In: Tell, the Event before, the time.    Out: trees of Events; actions that delete the old ones.
Before: cluster/actions.py        After: cluster/performing.py, cluster/controllers.py

Source: client-go tools/record (the same event again only counts up), the API server's `--event-ttl`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import Action, DeleteObject, LookAgain, Tell
from lateen.cluster.statuses import moment, timestamp

TTL = timedelta(hours=1)
MOST = 5_000  # Events kept at most, the newest
_LONGEST = 1_024  # characters of a message, as in Kubernetes
_PAUSE = 60.0  # seconds at least between looks for old Events


def event_key(tell: Tell) -> ObjectKey:
    """The key all equal tellings about one object share."""
    about = tell.about
    words = (about.meta.uid, tell.component, tell.reason, tell.message, tell.type, tell.field_path)
    digest = hashlib.blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
    namespace = about.key.namespace or "default"
    name = f"{about.key.name[:236]}.{digest}"
    return ObjectKey(group="", kind="Event", namespace=namespace, name=name)


def event_tree(tell: Tell, before: Obj | None, now: datetime) -> dict[str, Any]:
    """The Event of this telling; `before` is the one of its key, whose count it continues."""
    key, stamp = event_key(tell), timestamp(now)
    told = before.raw if before is not None else {}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": key.name, "namespace": key.namespace},
        "involvedObject": _reference(tell),
        "reason": tell.reason,
        "message": tell.message[:_LONGEST],
        "source": {"component": tell.component} | ({"host": tell.host} if tell.host else {}),
        "firstTimestamp": told.get("firstTimestamp", stamp),
        "lastTimestamp": stamp,
        "count": told.get("count", 0) + 1,
        "type": tell.type,
        "reportingComponent": tell.component,
        "reportingInstance": tell.host,
    }


def forget_events(events: Sequence[Obj], now: datetime) -> tuple[Action, ...]:
    """Delete the Events last heard of longer ago than TTL, and the oldest of more than MOST."""
    if not events:
        return ()
    by_age = sorted(events, key=_last_heard)
    edge = timestamp(now - TTL)
    old = [e for n, e in enumerate(by_age) if _last_heard(e) <= edge or n < len(by_age) - MOST]
    made: list[Action] = [DeleteObject(key=event.key) for event in old]
    if len(old) < len(by_age):
        oldest = moment(_last_heard(by_age[len(old)])) or now
        made.append(LookAgain(after=max(_PAUSE, (oldest + TTL - now).total_seconds())))
    return tuple(made)


def _last_heard(event: Obj) -> str:
    """Timestamps in UTC and whole seconds sort as text; newer clients give parts of seconds, too."""
    series = event.raw.get("series") or {}
    heard = (
        event.raw.get("lastTimestamp")
        or series.get("lastObservedTime")
        or event.meta.creation_timestamp
    )
    return f"{str(heard)[:19]}Z" if heard else ""


def _reference(tell: Tell) -> dict[str, Any]:
    about = tell.about
    made = {
        "kind": about.key.kind,
        "namespace": about.key.namespace,
        "name": about.key.name,
        "uid": about.meta.uid,
        "apiVersion": about.raw["apiVersion"],
        "resourceVersion": str(about.revision),
        "fieldPath": tell.field_path,
    }
    return {field: value for field, value in made.items() if value}
