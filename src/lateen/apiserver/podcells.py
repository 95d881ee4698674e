"""What kubectl shows of a pod: READY, STATUS, RESTARTS.

In: a pod's raw tree.    Out: text; `PodSummary` for tables and the console.
Before: apiserver/ages.py        After: apiserver/columns.py, apiserver/overview.py

Source: kubernetes pkg/printers/internalversion printPod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lateen.apiserver.ages import age_of, parse_time

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSummary:
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
    statuses = status.get("containerStatuses") or ()
    names = {c.get("name") for c in (*(spec.get("containers") or ()), *statuses)}
    finished = [
        moment
        for s in statuses
        if (moment := parse_time((_state(s, "lastState", "terminated") or {}).get("finishedAt")))
    ]
    return PodSummary(
        ready=sum(
            1 for s in statuses if s.get("ready") and _state(s, "state", "running") is not None
        ),
        total=len(names),
        status=_status(raw, statuses),
        restarts=sum(s.get("restartCount", 0) for s in statuses),
        last_restart=max(finished, default=None),
    )


def _status(raw: Tree, statuses: tuple[Tree, ...]) -> str:
    if (raw.get("metadata") or {}).get("deletionTimestamp"):
        return "Terminating"
    status = raw.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "Pending")
    running = False
    for container in reversed(statuses):
        if said := _container_reason(container):
            reason = said
        elif container.get("ready") and _state(container, "state", "running") is not None:
            running = True
    if reason == "Completed" and running:
        return "Running" if _is_ready(status) else "NotReady"
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


def _is_ready(status: Tree) -> bool:
    conditions = status.get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _state(container: Tree, field: str, state: str) -> Tree | None:
    found = (container.get(field) or {}).get(state)
    return found if isinstance(found, Mapping) else None
