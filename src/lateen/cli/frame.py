"""What the live view shows: each pod and how far it has come, made to fit the terminal.

In: status rows, width, height, seconds.    Out: lines with a style each.
Before: app/status.py        After: cli/view.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from msgspec import Struct

READY, SYNCED, STARTING = "Ready", "Proxy synced", "Starting"
_ON_THE_WAY = ("Pending", "ContainerCreating", "PodInitializing", "Running")
_ACKNOWLEDGED = ("programmed", "syncing")  # a proxy that syncs anew goes on with what it had
_BAD = ("Failed", "Error", "BackOff", "Killed")  # in Kubernetes' reasons
_INDENT, _GAP = 2, 2
_TAIL = 5  # letters of a pod's name that differ within its workload
_LEAST_MESSAGE = 12  # columns; with fewer a message says nothing

Style = Literal["plain", "good", "bad", "waiting", "heading"]


class Line(Struct, frozen=True):
    """One line, cut to the width, and the part of it (from, to) that is coloured."""

    text: str
    style: Style = "plain"
    span: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Stages:
    """How far each pod has come, and when it got ready, in seconds since the start."""

    now: dict[str, str] = field(default_factory=dict)
    ready_at: dict[str, float] = field(default_factory=dict)

    def take(self, pods: Iterable[Mapping[str, Any]], seconds: float) -> None:
        """Take in the pods of one status."""
        stages: dict[str, str] = {}
        for pod in pods:
            key = pod_key(pod)
            stage = stages[key] = stage_of(pod, self.now.get(key, ""))
            if stage == READY:
                self.ready_at.setdefault(key, seconds)
            else:
                self.ready_at.pop(key, None)
        self.now = stages


def pod_key(pod: Mapping[str, Any]) -> str:
    """`namespace/name`."""
    return f"{pod['namespace']}/{pod['name']}"


def stage_of(pod: Mapping[str, Any], before: str = "") -> str:
    """Building, Starting, Proxy synced or Ready; where something is amiss, Kubernetes' reason."""
    if pod["state"] == "Terminating":
        return "Terminating"
    if pod["isReady"]:
        return READY
    if pod["state"] not in _ON_THE_WAY:
        return str(pod["state"])
    synced = pod["proxy"] == "programmed" or (before == SYNCED and pod["proxy"] in _ACKNOWLEDGED)
    return SYNCED if synced else STARTING


def is_bad(stage: str) -> bool:
    """Whether a pod at that stage needs somebody's attention."""
    return any(word in stage for word in _BAD)


def frame(
    status: Mapping[str, Any], stages: Stages, *, seconds: float, width: int, height: int
) -> list[Line]:
    """The whole picture in at most `height` lines of `width` columns.

    When not all pods fit, those that are ready are only counted, then what is left is cut off.
    """
    pods = status["pods"]
    ready = sum(stages.now[pod_key(pod)] == READY for pod in pods)
    head = (
        f"lateen {status['name']}: {status['phase']}, {ready} of {len(pods)} ready, {seconds:.1f} s"
    )
    lines = [Line(_cut(head, width), "heading", (0, width))]
    body = _body(pods, stages, seconds, width)
    if len(body) >= height:
        waiting = [pod for pod in pods if stages.now[pod_key(pod)] != READY]
        body = _body(waiting, stages, seconds, width)
        body += [Line(f"and {ready} ready")] if ready else []
    if len(body) >= height:
        room = max(0, height - 2)
        body = [*body[:room], Line(_cut(f"… {len(body) - room} lines more", width))]
    return [*lines, *body]


def _body(
    pods: Sequence[Mapping[str, Any]], stages: Stages, seconds: float, width: int
) -> list[Line]:
    if not pods:
        return []
    words = [stages.now[pod_key(pod)] for pod in pods]
    state = max(len(word) for word in words)
    fixed = _INDENT + _GAP + 5 + _GAP + state + _GAP + 6
    name = max(8, min(max(len(pod["name"]) for pod in pods), width - fixed))
    lines: list[Line] = []
    for namespace, group in groupby(zip(pods, words, strict=True), lambda p: p[0]["namespace"]):
        lines.append(Line(_cut(namespace, width)))
        for pod, word in group:
            time = stages.ready_at.get(pod_key(pod), seconds)
            cells = f"  {_short(pod['name'], name):{name}}  {pod['ready']:>5}  "
            text = f"{cells}{word:{state}}  {time:5.1f}s"
            message = "" if word == READY else " ".join(pod["message"].split())
            if message and width - len(text) - _GAP >= _LEAST_MESSAGE:
                text += f"  {message}"
            span = (len(cells), len(cells) + state)
            lines.append(Line(_cut(text, width), _style(word), span))
    return lines


def _style(stage: str) -> Style:
    if stage == READY:
        return "good"
    return "bad" if is_bad(stage) else "waiting"


def _short(name: str, width: int) -> str:
    """A name with its middle left out: its end is what tells the pods of one workload apart."""
    return name if len(name) <= width else f"{name[: width - _TAIL - 1]}…{name[-_TAIL:]}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
