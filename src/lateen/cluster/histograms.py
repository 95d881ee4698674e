"""How much a container has used, as a histogram whose older samples count less and less.

In: samples with their time.    Out: percentiles.
Before: -        After: cluster/recommending.py
Source: kubernetes/autoscaler vertical-pod-autoscaler/pkg/recommender/util/decaying_histogram.go: buckets grow
by 5 per cent, a sample weighs half as much after a day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

RATIO = 1.05
HALF_LIFE = 24 * 3600.0  # seconds
_LEAST = 1e-4  # a weight that is as good as none


class Histogram(Struct, frozen=True, kw_only=True):
    """Weights by bucket; the first bucket ends at `first`, in the unit of the samples.

    Weights are as of `since`, seconds since the epoch: a later sample is entered with a larger one.
    """

    first: float
    since: float
    weights: Mapping[int, float] = field(default_factory=dict)

    def added(self, value: float, weight: float, at: float) -> Histogram:
        """With one more sample; a negative weight takes one away."""
        bucket = self._bucket(value)
        sum_ = self.weights.get(bucket, 0.0) + weight * 2 ** ((at - self.since) / HALF_LIFE)
        weights = {**self.weights, bucket: sum_}
        if sum_ < _LEAST:
            del weights[bucket]
        return self._moved(weights, at)

    def _moved(self, weights: Mapping[int, float], at: float) -> Histogram:
        """Weights are made small again before they grow beyond what numbers can tell apart."""
        if at - self.since < 40 * HALF_LIFE:
            return replace(self, weights=weights)
        scale = 2 ** ((at - self.since) / HALF_LIFE)
        made = {b: w / scale for b, w in weights.items() if w / scale >= _LEAST}
        return replace(self, since=at, weights=made)

    def percentile(self, share: float) -> float:
        """The end of the bucket below which so much of the weight is; 0 without samples."""
        total = sum(self.weights.values())
        passed = 0.0
        for bucket in sorted(self.weights):
            passed += self.weights[bucket]
            if passed >= share * total:
                return self._end(bucket)
        return 0.0

    def _bucket(self, value: float) -> int:
        if value < self.first:
            return 0
        return int(math.log(value * (RATIO - 1) / self.first + 1) / math.log(RATIO))

    def _end(self, bucket: int) -> float:
        return self.first * (RATIO ** (bucket + 1) - 1) / (RATIO - 1)
