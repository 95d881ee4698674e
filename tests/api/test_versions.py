"""An old form of a kind, and back."""

from __future__ import annotations

from typing import Any

from lateen.api.decode import decode_documents
from lateen.api.versions import as_stored, form_of

Tree = dict[str, Any]
OLD = """
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 3
  targetCPUUtilizationPercentage: 80
"""
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
}


def test_an_old_autoscaler_is_kept_in_the_new_form() -> None:
    decoded = decode_documents(OLD, "hpa.yaml")
    assert not decoded.problems
    (obj,) = decoded.objects
    assert obj.raw["apiVersion"] == "autoscaling/v2"
    assert obj.raw["spec"]["metrics"] == [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 80},
            },
        }
    ]


def test_what_the_old_form_has_no_field_for_comes_back() -> None:
    form = form_of("autoscaling/v1", "HorizontalPodAutoscaler")
    assert form is not None
    (obj,) = decode_documents(OLD, "hpa.yaml").objects
    spec = dict(obj.raw["spec"])
    spec |= {"metrics": [MEMORY, *spec["metrics"]], "behavior": {"scaleDown": {"policies": []}}}
    stored: Tree = {**obj.raw, "spec": spec}
    shown = form.from_stored(stored) | {"apiVersion": "autoscaling/v1"}
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 80
    assert "metrics" not in shown["spec"]
    again = as_stored(shown)
    assert sorted(map(str, again["spec"]["metrics"])) == sorted(map(str, spec["metrics"]))
    assert again["spec"]["behavior"] == spec["behavior"]
    assert again["metadata"].get("annotations", {}) == {}


def test_what_is_no_object_stays_as_it_is() -> None:
    assert as_stored({"apiVersion": 3}) == {"apiVersion": 3}
    broken = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "spec": [1]}
    assert as_stored(broken)["spec"] == [1]
