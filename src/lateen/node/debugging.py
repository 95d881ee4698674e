"""Run containers that come into a pod while it runs: `kubectl debug`.

In: ContainerRuns, how to make a container of one.    Out: Ephemerals.
Before: node/containers.py        After: node/pods.py

They start once, whatever else the pod does, and count for nothing: not for its phase, not for readiness.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from lateen.api.pod import ContainerStatus
from lateen.node.containers import Container, told
from lateen.node.protocol import ContainerRun


class Ephemerals:
    """A pod's ephemeral containers, by name."""

    def __init__(self, make: Callable[[ContainerRun], Container]) -> None:
        self._make = make
        self._known: dict[str, Container] = {}

    def start(self, wanted: Iterable[ContainerRun]) -> None:
        """Start those that are new."""
        for run in wanted:
            if run.name not in self._known:
                container = self._known[run.name] = self._make(run)
                container.start().add_done_callback(told)

    def __iter__(self) -> Iterator[Container]:
        return iter(self._known.values())

    def statuses(self) -> tuple[ContainerStatus, ...]:
        """What each is doing."""
        return tuple(container.status for container in self)

    async def stop(self, grace: float) -> None:
        """End them all, as containers are ended."""
        await asyncio.gather(*(container.stop(grace) for container in self))
