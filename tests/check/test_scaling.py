"""Autoscalers and budgets that Kubernetes would refuse are refused in its words."""

from __future__ import annotations

import pytest

from lateen.check import check_object
from tests.cluster.simulated import read
from tests.cluster.test_autoscaling import autoscaler
from tests.cluster.test_budgets import budget


def said(document: str) -> list[str]:
    (obj,) = read(document)
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


def metric(target: str) -> str:
    return f", metrics: [{{type: Resource, resource: {{name: cpu, target: {target}}}}}]"


def test_sound_ones_pass() -> None:
    assert said(autoscaler(metric("{type: Utilization, averageUtilization: 50}"))) == []
    assert said(budget("minAvailable: 50%")) == []


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            autoscaler(", minReplicas: 11"),
            "spec.maxReplicas: Invalid value: 10: must be greater than or equal to `minReplicas`",
        ),
        (
            autoscaler(metric("{type: Utilization}")),
            "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a"
            " target raw value or a target utilization",
        ),
        (
            autoscaler(metric("{type: AverageValue, averageValue: much}")),
            "spec.metrics[0].resource.target.averageValue: Invalid value:",
        ),
        (
            autoscaler(", behavior: {scaleUp: {stabilizationWindowSeconds: 9999}}"),
            "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 9999: must be between"
            " 0 and 3600, inclusive",
        ),
        (
            budget("minAvailable: 1, maxUnavailable: 1"),
            "spec: Invalid value: minAvailable and maxUnavailable cannot be both set",
        ),
        (budget("minAvailable: most"), 'spec.minAvailable: Invalid value: "most"'),
    ],
)
def test_unsound_ones_are_refused(document: str, words: str) -> None:
    assert any(found.startswith(words) for found in said(document))
