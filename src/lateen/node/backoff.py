"""When to start an ended container again.

In: exit codes, times.    Out: `restarts`, Backoff.
Before: -       After: node/containers.py

As the kubelet: the first restart at once, then after 10 s, 20 s … up to 5 minutes; forgotten when 10
minutes went by without a crash. Source: kubernetes pkg/kubelet/kuberuntime, `doBackOff`.
"""

from __future__ import annotations

from msgspec import Struct

FIRST_SECONDS = 10.0
LONGEST_SECONDS = 300.0
FORGOTTEN_SECONDS = 600.0


class Backoff(Struct, frozen=True, kw_only=True):
    """How long the next restart waits, in seconds, and when the last end was."""

    delay: float = 0.0
    ended: float = 0.0

    def after_end(self, now: float) -> tuple[float, Backoff]:
        """The wait before this restart, and what to use at the next end."""
        forgotten = now - self.ended > FORGOTTEN_SECONDS
        delay = 0.0 if forgotten else self.delay
        following = min(delay * 2, LONGEST_SECONDS) if delay else FIRST_SECONDS
        return delay, Backoff(delay=following, ended=now)


def restarts(policy: str, exit_code: int) -> bool:
    """Whether PodSpec.restartPolicy wants an ended container started again."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
