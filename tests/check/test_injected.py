"""Annotations that ask something of a pod's proxy: told where they have no effect."""

from __future__ import annotations

import pytest

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.decode import decode_tree
from lateen.base.problem import Problem
from lateen.check.objects import check_object

LABELS = {"app": "web"}


def told(name: str, value: str) -> list[Problem]:
    template = {
        "metadata": {"labels": LABELS, "annotations": {name: value}},
        "spec": {"containers": [{"name": "app", "image": "web"}]},
    }
    tree = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template},
    }
    (obj,) = decode_tree(tree, places=None).objects
    return list(check_object(obj))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("traffic.sidecar.istio.io/includeInboundPorts", "*"),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", "*"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "5432"),
        ("sidecar.istio.io/interceptionMode", "REDIRECT"),
    ],
)
def test_what_is_done_anyway_is_taken_in_silence(name: str, value: str) -> None:
    assert told(name, value) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("traffic.sidecar.istio.io/kubevirtInterfaces", "net1"),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"),
        ("sidecar.istio.io/interceptionMode", "TPROXY"),
        ("sidecar.istio.io/bootstrapOverride", "mine"),
        ("proxy.istio.io/overrides", "{}"),
    ],
)
def test_what_has_no_effect_is_named_with_its_field(name: str, value: str) -> None:
    (problem,) = told(name, value)
    assert problem.code == NOT_YET_HONOURED
    assert problem.origin.field == f'spec.template.metadata.annotations["{name}"]'
