"""Pods of one workload are looked at one by one where traffic tells them apart, and together where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from lateen.explain.differing.meshes import Mesh
from lateen.explain.differing.parting import parted, parted_alike
from lateen.explain.properties.forms import read_properties
from lateen.explain.properties.proving import check_property
from lateen.explain.properties.verdicts import Proved, Refuted
from lateen.stages.drafts import draft_from

SET = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: REPLICAS
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8080}]}
"""
WEB = """\
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
"""
POLICY = """\
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: of-POD, namespace: shop}
spec:
  selector: {matchLabels: {statefulset.kubernetes.io/pod-name: POD}}
  action: DENY
  rules: [{to: [{operation: {methods: [DELETE]}}]}]
"""
PRIMARY = """\
---
apiVersion: v1
kind: Service
metadata: {name: primary, namespace: shop}
spec: {selector: {statefulset.kubernetes.io/pod-name: POD}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""
FILTER = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: POD, namespace: shop}
spec: {podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: POD}}, policyTypes: [Ingress]}
"""
SUBSET = """\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: shop}
spec: {host: db, subsets: [{name: one, labels: {apps.kubernetes.io/pod-index: "1"}}]}
"""


def mesh(tmp_path: Path, text: str, replicas: int = 4) -> Mesh:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
    path.write_text(text.replace("REPLICAS", str(replicas)))
    draft = draft_from([str(path)])
    assert not draft.refused, draft.problems
    return Mesh(world=draft.world, plans=draft.plans)


def counts(of: Mesh) -> Mapping[str, int]:
    return {party.name: party.count for party in of.parties.values() if party.workload == "db.shop"}


def test_pods_that_nothing_tells_apart_are_one(tmp_path: Path) -> None:
    assert counts(parted(mesh(tmp_path, SET))) == {"db.shop": 4}


@pytest.mark.parametrize("what", [POLICY, PRIMARY, FILTER, SUBSET])
def test_a_pod_that_a_rule_selects_stands_for_itself(tmp_path: Path, what: str) -> None:
    of = parted(mesh(tmp_path, SET + what.replace("POD", "db-1")))
    assert counts(of) == {"db-[0,2-3].shop": 3, "db-1.shop": 1}


def test_both_meshes_are_parted_by_what_is_different_in_either(tmp_path: Path) -> None:
    old = mesh(tmp_path, SET + PRIMARY.replace("POD", "db-0"))
    new = mesh(tmp_path, SET + PRIMARY.replace("POD", "db-3"))
    sides = parted_alike(old, new)
    groups = {"db-0.shop": 1, "db-[1-2].shop": 2, "db-3.shop": 1}
    assert [counts(side) for side in sides] == [groups, groups]


def test_pods_that_come_with_more_replicas_are_with_those_like_them(tmp_path: Path) -> None:
    primary = PRIMARY.replace("POD", "db-0")
    old, new = mesh(tmp_path, SET + primary, 2), mesh(tmp_path, SET + primary, 5)
    before, after = map(counts, parted_alike(old, new))
    assert before == {"db-0.shop": 1, "db-[1-4].shop": 1}
    assert after == {"db-0.shop": 1, "db-[1-4].shop": 4}


def test_a_property_holds_only_if_it_does_for_every_pod(tmp_path: Path) -> None:
    (wanted,), faults = read_properties(
        yaml.safe_load("[{name: a, never: {to: {workloads: [db.shop], methods: [DELETE]}}}]")
    )
    assert not faults
    guarded = [POLICY.replace("POD", f"db-{n}") for n in range(4)]
    assert isinstance(check_property(mesh(tmp_path, SET + WEB + "".join(guarded)), wanted), Proved)
    found = check_property(mesh(tmp_path, SET + WEB + "".join(guarded[:2] + guarded[3:])), wanted)
    assert isinstance(found, Refuted)
    assert found.target == "db-2.shop"
    assert found.confirmed
