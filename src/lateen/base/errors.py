"""The one tree of exceptions.

In: -    Out: exceptions raised for a broken environment or a bug, never for a user's YAML.
Before: -       After: everywhere

LateenError
├── EnvironmentFault     the machine lacks something: no user namespaces, a port is taken
├── StoreError
│   ├── NotFound         no object of that key
│   ├── Conflict         the resourceVersion given is not the current one
│   └── Expired          a watch asked for revisions already compacted (HTTP 410)
├── BuildFailed          an image could not be turned into a process; says what is needed
├── Unreachable          no lateen runs here, or it does not answer
└── Bug                  something that cannot happen did
"""

from __future__ import annotations


class LateenError(Exception):
    """The root of every exception lateen raises itself."""


class EnvironmentFault(LateenError):
    """The machine lacks something lateen needs; the message says what and what to do."""


class StoreError(LateenError):
    """The store refused an operation."""


class NotFound(StoreError):
    """No object has that key."""


class Conflict(StoreError):
    """The object was changed since the caller read it (HTTP 409)."""


class NotPossible(LateenError):
    """What was asked for cannot be done as things stand (HTTP 409)."""


class Expired(StoreError):
    """The revision asked for has been compacted away (HTTP 410 Gone)."""


class BuildFailed(LateenError):
    """An image could not be turned into a runnable process."""

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.log = log


class Unreachable(LateenError):
    """No running lateen answers."""


class Bug(LateenError):
    """A state that cannot happen; please report it."""
