"""Small steps every status needs: times, conditions, and saying only what changed.

In: statuses before and after.    Out: trees and PutStatus actions.
Before: api/meta.py        After: cluster/deployments.py, cluster/replicasets.py, cluster/podstatus.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from lateen.api.fields import Api
from lateen.api.meta import Condition
from lateen.api.objects import Obj
from lateen.cluster.actions import Action, PutStatus
from lateen.cluster.plain import plain_tree


def timestamp(moment: datetime) -> str:
    """Kubernetes' form of a time: `2026-01-31T12:00:00Z`, whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str | None) -> datetime | None:
    """The time a timestamp tells, None for none or for what is no timestamp."""
    try:
        read = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return read if read is None or read.tzinfo else read.replace(tzinfo=UTC)


def say(obj: Obj, status: Api) -> tuple[Action, ...]:
    """The action that makes this the object's status, none if it is already."""
    tree = plain_tree(status)
    return () if obj.raw.get("status", {}) == tree else (PutStatus(key=obj.key, status=tree),)


def holds(conditions: Iterable[Condition], kind: str) -> bool:
    """Whether the condition of that type is True."""
    return any(c.type == kind and c.status == "True" for c in conditions)


def with_conditions(
    before: Sequence[Condition], news: Iterable[Condition], now: datetime, *, dated: bool = False
) -> tuple[Condition, ...]:
    """The conditions with the new ones in the place of those of the same type.

    lastTransitionTime moves only with the status; lastUpdateTime, kept if `dated`, with any word, or to
    the time the new one names.
    """
    made = {c.type: c for c in before}
    for new in news:
        made[new.type] = _renewed(made.get(new.type), new, timestamp(now), dated=dated)
    return tuple(made.values())


def _renewed(old: Condition | None, new: Condition, now: str, *, dated: bool) -> Condition:
    turned = old is None or old.status != new.status
    changed = turned or (old is not None and (old.reason, old.message) != (new.reason, new.message))
    since = new.last_transition_time or now
    return msgspec.structs.replace(
        new,
        last_transition_time=since if turned or old is None else old.last_transition_time,
        last_update_time=(
            new.last_update_time or (now if changed else old and old.last_update_time)
        )
        if dated
        else None,
    )
