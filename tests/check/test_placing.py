"""Wishes about nodes that Kubernetes would refuse are refused in its words."""

from __future__ import annotations

import pytest

from tests.check.test_sets import said
from tests.cluster.test_scheduling import pod

ANTI = "affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [%s]}}"
NODES = "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [%s]}}}"
SPREAD = "topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: %s, maxSkew: %s%s}]"
REQUIRED = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("tolerations: [{operator: Exists}]", None),
        (
            "tolerations: [{value: x}]",
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` '
            'is empty, which means "match all values and all keys"',
        ),
        (
            "tolerations: [{key: a, operator: Exists, value: x}]",
            'spec.tolerations[0].operator: Invalid value: "x": value must be empty when `operator` is '
            "'Exists'",
        ),
        (
            "tolerations: [{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 5}]",
            "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when "
            "`tolerationSeconds` is set",
        ),
        (
            ANTI % "{weight: 0, podAffinityTerm: {topologyKey: zone}}",
            "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: "
            "Invalid value: 0: must be in the range 1-100",
        ),
        (
            NODES % "",
            f"{REQUIRED}.nodeSelectorTerms: Required value: must have at least one node selector term",
        ),
        (
            NODES % "{matchExpressions: [{key: a, operator: Near}]}",
            f"{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "
            '"Near": not a valid selector operator',
        ),
        (
            NODES % "{matchExpressions: [{key: a, operator: In}]}",
            f"{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be "
            "specified when `operator` is 'In' or 'NotIn'",
        ),
        (SPREAD % ("DoNotSchedule", 1, ", minDomains: 2"), None),
        (
            SPREAD % ("Never", 1, ""),
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": '
            'supported values: "DoNotSchedule", "ScheduleAnyway"',
        ),
        (
            SPREAD % ("DoNotSchedule", 0, ""),
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        ),
        (
            SPREAD % ("ScheduleAnyway", 1, ", minDomains: 2"),
            "spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains "
            "if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
        ),
    ],
)
def test_a_wish_is_taken_or_refused(spec: str, words: str | None) -> None:
    assert said(pod(spec=", " + spec)) == ([words] if words else [])


@pytest.mark.parametrize(
    ("taints", "words"),
    [
        ("[{key: a, effect: NoSchedule}, {key: a, effect: NoExecute}]", None),
        ("[{key: a, effect: Never}]", 'spec.taints[0].effect: Unsupported value: "Never": '),
        ("[{key: a}, {key: a, value: b}]", 'spec.taints[1]: Duplicate value: "a:NoSchedule": '),
    ],
)
def test_a_taint_is_taken_or_refused(taints: str, words: str | None) -> None:
    node = f"{{apiVersion: v1, kind: Node, metadata: {{name: node}}, spec: {{taints: {taints}}}}}"
    found = said(node)
    assert bool(found) == bool(words)
    assert all(one.startswith(words or "") for one in found)
