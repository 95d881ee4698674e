"""The completion indexes of an Indexed Job, and how its status writes them.

In: pods, text such as `1,3-5`.    Out: sets of indexes, text.    Source: batch/v1 JobStatus.
Before: cluster/pods.py        After: cluster/jobpods.py, cluster/jobs.py
"""

from __future__ import annotations

from collections.abc import Iterable

from lateen.api.objects import Obj

INDEX = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Obj) -> int | None:
    """The index a pod works at, None if it carries none."""
    text = pod.meta.annotations.get(INDEX, "")
    return int(text) if text.isascii() and text.isdigit() else None


def indexes_of(pods: Iterable[Obj], below: int) -> frozenset[int]:
    """The indexes of these pods, without those from `below` on."""
    found = (index_of(pod) for pod in pods)
    return frozenset(index for index in found if index is not None and index < below)


def parse_indexes(text: str, below: int) -> frozenset[int]:
    """`1,3-5` as a set, without indexes from `below` on; parts that are none are passed over."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.update(range(int(first), min(int(last or first) + 1, below)))
    return frozenset(found)


def written_indexes(indexes: Iterable[int]) -> str:
    """A set as `1,3-5`; two neighbours are joined by a comma."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(_run(run) for run in runs)


def _run(run: list[int]) -> str:
    if len(run) <= 2:
        return ",".join(map(str, run))
    return f"{run[0]}-{run[-1]}"
