"""The class of a pod follows from what all its containers ask for and may use."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lateen.api.pod import PodSpec
from lateen.cluster.qos import qos_class

_ALL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ([{}], "BestEffort"),
        ([{"limits": {"nvidia.com/gpu": "1"}}], "BestEffort"),
        ([{"limits": {"cpu": "0"}}], "BestEffort"),
        ([{"limits": _ALL}], "Guaranteed"),
        ([{"limits": _ALL, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
        ([{"limits": _ALL, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"requests": _ALL}], "Burstable"),
        ([{"limits": _ALL}, {}], "Burstable"),
        ([{"limits": {"memory": "1Gi"}}], "Burstable"),
    ],
)
def test_a_pods_class(resources: list[dict[str, Any]], wanted: str) -> None:
    containers = [{"name": f"c{n}", "resources": given} for n, given in enumerate(resources)]
    assert qos_class(msgspec.convert({"containers": containers}, PodSpec)) == wanted


def test_init_containers_count() -> None:
    raw = {
        "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "1"}}}],
        "containers": [{"name": "c"}],
    }
    assert qos_class(msgspec.convert(raw, PodSpec)) == "Burstable"
