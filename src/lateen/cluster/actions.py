"""What a controller may want done: one closed union.

In: -    Out: Action and its cases.
Before: api/objects.py        After: every controller, cluster/performing.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey

CONTROLLERS = "controllers"  # the source of objects made for the user's objects
CONTROLLER_MANAGER, SCHEDULER, KUBELET, OWN = (
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "lateen",
)
PROVIDED = "lateen"  # the source of objects lateen provides of its own accord


class PutObject(Struct, frozen=True, kw_only=True):
    """Create or replace an object; an empty `source` leaves its owner as it is.

    `manager` is who managedFields name for it, "" for nobody; `subresource` as if it came by that.
    """

    raw: Mapping[str, Any]
    source: str = ""
    manager: str = CONTROLLER_MANAGER
    subresource: str = ""


class PutStatus(Struct, frozen=True, kw_only=True):
    """Replace an object's status."""

    key: ObjectKey
    status: Mapping[str, Any]


class DeleteObject(Struct, frozen=True, kw_only=True):
    """Delete an object, as a user would."""

    key: ObjectKey


class LookAgain(Struct, frozen=True, kw_only=True):
    """Nothing to do now, but time alone will change that, after so many seconds."""

    after: float


class Tell(Struct, frozen=True, kw_only=True):
    """Say what happened to an object: it becomes an Event. `warning` makes it one of that type.

    `once`: what has been said and is still known is not said again.
    """

    about: Obj
    reason: str
    message: str
    component: str
    warning: bool = False
    field_path: str = ""  # the part meant, such as spec.containers{app}
    host: str = ""
    once: bool = False

    @property
    def type(self) -> str:
        """Kubernetes' event type."""
        return "Warning" if self.warning else "Normal"


Action = PutObject | PutStatus | DeleteObject | LookAgain | Tell
