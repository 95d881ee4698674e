"""StatefulSets and claims that Kubernetes would refuse are refused in its words."""

from __future__ import annotations

import pytest

from lateen.check import check_object
from tests.cluster.simulated import read
from tests.cluster.test_claims import claim
from tests.cluster.test_statefulsets import CLAIMS, statefulset


def said(document: str) -> list[str]:
    (obj,) = read(document)
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


def test_a_mount_of_a_claim_template_needs_no_volume_beside_it() -> None:
    mounted = statefulset(more=CLAIMS).replace(
        'image: "db:1"', 'image: "db:1", volumeMounts: [{name: data, mountPath: /data}]'
    )
    assert said(mounted) == []
    without = mounted.replace(CLAIMS, "")
    assert any('Not found: "data"' in words for words in said(without))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            "podManagementPolicy: Random",
            'spec.podManagementPolicy: Unsupported value: "Random": supported values:'
            ' "OrderedReady", "Parallel"',
        ),
        (
            "updateStrategy: {rollingUpdate: {partition: -1}}",
            "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than"
            " or equal to 0",
        ),
        (
            "updateStrategy: {rollingUpdate: {maxUnavailable: 0}}",
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
        ),
        (
            CLAIMS.replace("[ReadWriteOnce]", "[]"),
            "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode"
            " is required",
        ),
    ],
)
def test_a_stateful_set_is_refused(more: str, words: str) -> None:
    assert words in said(statefulset(more=more))


@pytest.mark.parametrize(
    ("capacity", "words"),
    [
        ("{storage: lots}", 'spec.capacity.storage: Invalid value: "lots": quantities must match'),
        ("{}", "spec.capacity: Required value"),
        ("{storage: -1}", "spec.capacity.storage: Invalid value: -1: must be greater than"),
    ],
)
def test_a_volume_without_a_size_is_refused(capacity: str, words: str) -> None:
    """Controllers reckon with it."""
    assert any(
        found.startswith(words)
        for found in said(f"""
apiVersion: v1
kind: PersistentVolume
metadata: {{name: v}}
spec: {{accessModes: [ReadWriteOnce], capacity: {capacity}, hostPath: {{path: /srv}}}}
""")
    )


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("0", 'spec.resources.requests.storage: Invalid value: "0": must be greater than zero'),
        ("lots", 'spec.resources.requests.storage: Invalid value: "lots": quantities must match'),
    ],
)
def test_a_claim_is_refused(size: str, words: str) -> None:
    assert any(found.startswith(words) for found in said(claim(size=f'"{size}"')))
