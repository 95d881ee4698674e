"""What kubectl shows of a pod: READY, STATUS, RESTARTS.

In: a pod's raw tree.    Out: text; `PodSummary` for tables and the console.
Before: apiserver/ages.py        After: apiserver/columns.py, apiserver/overview.py

Source: kubernetes pkg/printers/internalversion printPod.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from lateen.apiserver.ages import age_of, parse_time

Tree = Mapping[str, Any]


class PodSummary(Struct, frozen=True, kw_only=True):
    """A pod in one line; `last_restart` is None when no container was ever restarted."""

    ready: int
    total: int
    status: str
    restarts: int
    last_restart: datetime | None

    def ready_cell(self) -> str:
        """`2/2`."""
        return f"{self.ready}/{self.total}"

    def restarts_cell(self, now: datetime) -> str:
        """`3 (5m ago)`."""
        if not self.restarts or self.last_restart is None:
            return str(self.restarts)
        return f"{self.restarts} ({age_of(self.last_restart.isoformat(), now)} ago)"


def summarize_pod(raw: Tree) -> PodSummary:
    """Read a pod as kubectl does; a container known only by its status counts too (the proxy)."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    own = tuple(status.get("containerStatuses") or ())
    inits = tuple(status.get("initContainerStatuses") or ())
    sidecars = {
        c.get("name")
        for c in spec.get("initContainers") or ()
        if c.get("restartPolicy") == "Always"
    }
    helping = tuple(c for c in inits if c.get("name") in sidecars)
    initializing = ""
    if not _holds(status, "Initialized"):
        initializing = _initializing(inits, sidecars, len(spec.get("initContainers") or ()))
    # As kubectl: while it initializes the restarts are those of init containers.
    statuses = inits if initializing else (*helping, *own)
    names = {c.get("name") for c in (*(spec.get("containers") or ()), *own)} | sidecars
    finished = [
        moment
        for s in statuses
        if (moment := parse_time((_state(s, "lastState", "terminated") or {}).get("finishedAt")))
    ]
    return PodSummary(
        ready=sum(
            1
            for s in (*helping, *own)
            if s.get("ready") and _state(s, "state", "running") is not None
        ),
        total=len(names),
        status=_status(raw, own, initializing),
        restarts=sum(s.get("restartCount", 0) for s in statuses),
        last_restart=max(finished, default=None),
    )


def _initializing(inits: tuple[Tree, ...], sidecars: set[Any], total: int) -> str:
    """`Init:0/1`, `Init:Error` …; "" when every init container is done, or a sidecar that has started."""
    for index, container in enumerate(inits):
        ended = _state(container, "state", "terminated")
        if ended is not None and not ended.get("exitCode"):
            continue
        if container.get("name") in sidecars and container.get("started"):
            continue
        said = _container_reason(container)
        if said and said != "PodInitializing":
            return f"Init:{said}"
        return f"Init:{index}/{total}"
    return ""


def _status(raw: Tree, statuses: tuple[Tree, ...], initializing: str) -> str:
    if (raw.get("metadata") or {}).get("deletionTimestamp"):
        return "Terminating"
    status = raw.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "Pending")
    if initializing:
        return initializing
    running = False
    for container in reversed(statuses):
        if said := _container_reason(container):
            reason = said
        elif container.get("ready") and _state(container, "state", "running") is not None:
            running = True
    if reason == "Completed" and running:
        return "Running" if _holds(status, "Ready") else "NotReady"
    return reason


def _container_reason(container: Tree) -> str:
    waiting = _state(container, "state", "waiting") or {}
    if waiting.get("reason"):
        return str(waiting["reason"])
    ended = _state(container, "state", "terminated")
    if ended is None:
        return ""
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _holds(status: Tree, condition: str) -> bool:
    conditions = status.get("conditions") or ()
    return any(c.get("type") == condition and c.get("status") == "True" for c in conditions)


def _state(container: Tree, field: str, state: str) -> Tree | None:
    found = (container.get(field) or {}).get(state)
    return found if isinstance(found, Mapping) else None
