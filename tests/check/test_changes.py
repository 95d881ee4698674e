"""Fields that stay as they were made, in Kubernetes' words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from lateen.api.kinds import group_of, kind_of
from lateen.check.changes import broken_by_change, with_kept_addresses
from tests.apiserver.world import config_map, deployment, pod

Tree = dict[str, Any]


def said(old: Tree, **fields: Any) -> list[str]:
    """What a change of the fields (paths with `__` for dots) is refused with."""
    tree = copy.deepcopy(old)
    for path, value in fields.items():
        *parents, last = path.split("__")
        node: Any = tree
        for name in parents:
            node = node[int(name) if name.isdecimal() else name]
        if value is None:
            node.pop(last, None)
        else:
            node[last] = value
    kind = kind_of(group_of(old["apiVersion"]), old["kind"])
    assert kind is not None
    return [f"{b.path}: {b.message}" for b in broken_by_change(kind, tree, old)]


def of(kind: str, version: str, **parts: Any) -> Tree:
    metadata = {"name": "x", "namespace": "default"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


TEMPLATE: Tree = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
SELECTOR = {"matchLabels": {"app": "x"}}


def test_selectors_stay() -> None:
    assert said(deployment("web"), spec__replicas=3) == []
    other = {"matchLabels": {"app": "web", "tier": "front"}}
    assert said(deployment("web"), spec__selector=other) == [
        'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"web", '
        '"tier":"front"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable'
    ]
    daemons = of("DaemonSet", "apps/v1", spec={"selector": SELECTOR, "template": TEMPLATE})
    assert "field is immutable" in said(daemons, spec__selector=other)[0]


def test_of_a_stateful_set_few_fields_may_change() -> None:
    tree = of(
        "StatefulSet",
        "apps/v1",
        spec={"serviceName": "x", "selector": SELECTOR, "template": TEMPLATE, "replicas": 1},
    )
    assert said(tree, spec__replicas=2, spec__updateStrategy={"type": "OnDelete"}) == []
    assert said(tree, spec__serviceName="y") == [
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', "
        "'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
        "forbidden"
    ]


def job(**spec: Any) -> Tree:
    template = {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
    return of("Job", "batch/v1", spec={"template": template, **spec})


def test_a_job_s_template_stays() -> None:
    image = "spec__template__spec__containers"
    (refusal,) = said(job(), **{image: [{"name": "c", "image": "other"}]})
    assert refusal.startswith('spec.template: Invalid value: {"spec":')
    assert refusal.endswith("field is immutable")
    assert said(job(completions=1), spec__parallelism=3, spec__suspend=True) == []
    assert said(job(), spec__completions=3) == [
        "spec.completions: Invalid value: 3: field is immutable"
    ]
    assert said(job(), spec__completionMode="Indexed", spec__completions=1)[0].startswith(
        'spec.completionMode: Invalid value: "Indexed": field is immutable'
    )


def test_an_indexed_job_may_grow_and_a_suspended_one_be_placed_anew() -> None:
    indexed = job(completionMode="Indexed", completions=2, parallelism=2)
    assert said(indexed, spec__completions=4, spec__parallelism=4) == []
    assert "modified in tandem" in said(indexed, spec__completions=4)[0]
    waiting = job(suspend=True)
    assert said(waiting, spec__template__spec__nodeSelector={"a": "b"}) == []
    assert said(job(), spec__template__spec__nodeSelector={"a": "b"}) != []


def claim(**status: Any) -> Tree:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "standard",
    }
    return of("PersistentVolumeClaim", "v1", spec=spec, status=status)


def test_a_claim_is_bound_once_and_may_then_ask_for_more() -> None:
    assert said(claim(), spec__volumeName="pv-1") == []
    bound = claim(phase="Bound")
    bound["spec"]["volumeName"] = "pv-1"
    assert said(bound, spec__resources={"requests": {"storage": "2Gi"}}) == []
    words = (
        "spec: Forbidden: spec is immutable after creation except resources.requests and "
        "volumeAttributesClassName for bound claims"
    )
    assert said(bound, spec__volumeName="pv-2") == [words]
    assert said(claim(), spec__resources={"requests": {"storage": "2Gi"}}) == [words]


def service(**spec: Any) -> Tree:
    return of("Service", "v1", spec={"type": "ClusterIP", "ports": [{"port": 80}], **spec})


def test_a_service_keeps_its_address() -> None:
    old = service(clusterIP="198.19.0.5", clusterIPs=["198.19.0.5"])
    assert said(old, spec__clusterIP="198.19.0.6", spec__clusterIPs=["198.19.0.6"]) == [
        'spec.clusterIPs[0]: Invalid value: []string{"198.19.0.6"}: may not change once set'
    ]
    kind = kind_of("", "Service")
    assert kind is not None
    kept = with_kept_addresses(kind, service(), old)
    assert kept["spec"]["clusterIP"] == "198.19.0.5"
    assert with_kept_addresses(kind, service(type="ExternalName"), old) == service(
        type="ExternalName"
    )


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_what_is_marked_immutable_stays(kind: str) -> None:
    old = {**config_map("x", a="MQ=="), "kind": kind, "immutable": True}
    set_ = "Forbidden: field is immutable when `immutable` is set"
    assert said(old, data={"a": "Mg=="}) == [f"data: {set_}"]
    assert said(old, immutable=False) == [f"immutable: {set_}"]
    assert said(old, metadata__labels={"a": "b"}) == []
    assert said({**old, "immutable": None}, data={"a": "Mg=="}) == []


def test_a_secret_keeps_its_type() -> None:
    old = {**config_map("x"), "kind": "Secret", "type": "Opaque"}
    assert said(old, type="other/kind") == ['type: Invalid value: "other/kind": field is immutable']


def test_of_a_pod_the_image_may_change() -> None:
    old = pod("web")
    assert said(old, spec__containers__0__image="web:2", spec__activeDeadlineSeconds=5) == []
    (refusal,) = said(old, spec__containers__0__command=["sh"])
    assert refusal.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.con"
    )
    two = [*old["spec"]["containers"], {"name": "b", "image": "b"}]
    assert said(old, spec__containers=two) == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


def test_classes_and_definitions() -> None:
    priority = of("PriorityClass", "scheduling.k8s.io/v1", value=5)
    assert said(priority, value=6) == ["value: Forbidden: may not be changed in an update."]
    storage = of("StorageClass", "storage.k8s.io/v1", provisioner="a/b")
    assert said(storage, provisioner="c/d") == [
        "provisioner: Forbidden: updates to provisioner are forbidden."
    ]
