"""What controllers would make of files: all pods, all endpoints, and the same ones every time."""

from __future__ import annotations

import pytest

from lateen.api.objects import Obj
from lateen.cluster.pods import is_ready, pod_of
from lateen.cluster.pretending import pretend
from tests.cluster.simulated import deployment, read

WEB = deployment("web", replicas=2)
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
"""
DATABASE = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {replicas: 3, serviceName: db, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {
  containers: [{name: db, image: db}]}}}
"""
POLICY = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: shop}
spec: {}
"""


def of(kind: str, objects: tuple[Obj, ...]) -> list[Obj]:
    return [obj for obj in objects if obj.key.kind == kind and obj.key.namespace == "shop"]


def test_every_pod_runs_and_stands_behind_its_service() -> None:
    made = pretend(read(WEB, SERVICE, POLICY)).objects
    pods = of("Pod", made)
    (slice_,) = of("EndpointSlice", made)
    assert len(pods) == 2
    assert all(is_ready(pod) for pod in pods)
    assert {(e["addresses"][0], e["targetRef"]["name"]) for e in slice_.raw["endpoints"]} == {
        (pod_of(pod).status.pod_ip, pod.key.name) for pod in pods
    }
    assert of("AuthorizationPolicy", made)


def test_what_one_object_leads_to_does_not_depend_on_the_others() -> None:
    alone = pretend(read(WEB, SERVICE)).objects
    among = pretend(read(deployment("api", replicas=3), WEB, POLICY, SERVICE)).objects
    for kind in ("Pod", "Service"):
        own = [o for o in of(kind, among) if o.key.name.startswith("web")]
        assert [(o.key, o.raw.get("spec")) for o in of(kind, alone)] == [
            (o.key, o.raw.get("spec")) for o in own
        ]
        assert [o.raw.get("status", {}).get("podIP") for o in of(kind, alone)] == [
            o.raw.get("status", {}).get("podIP") for o in own
        ]


def test_what_is_written_stays() -> None:
    fixed = SERVICE.replace("spec: {", "spec: {clusterIP: 198.19.7.7, ")
    (service,) = of("Service", pretend(read(WEB, fixed)).objects)
    assert service.raw["spec"]["clusterIP"] == "198.19.7.7"
    headless = SERVICE.replace("spec: {", "spec: {clusterIP: None, ")
    (service,) = of("Service", pretend(read(WEB, headless)).objects)
    assert service.raw["spec"]["clusterIP"] == "None"


def test_a_namespace_nobody_declared_is_made_and_told_of() -> None:
    made = pretend(read(POLICY))
    assert "shop" in {o.key.name for o in made.objects if o.key.kind == "Namespace"}
    assert "namespace shop is not declared" in made.problems[0].message


def test_a_quota_is_kept_to() -> None:
    quota = """
    apiVersion: v1
    kind: ResourceQuota
    metadata: {name: one, namespace: shop}
    spec: {hard: {pods: "1"}}
    """
    made = pretend(read(WEB, quota, POLICY)).objects
    assert len(of("Pod", made)) == 1
    assert of("AuthorizationPolicy", made)


@pytest.mark.parametrize("more", ["", "minReadySeconds: 600, ", "podManagementPolicy: Parallel, "])
def test_pods_that_wait_for_others_to_run_are_made_too(more: str) -> None:
    pods = of("Pod", pretend(read(DATABASE.replace("replicas", f"{more}replicas"))).objects)
    assert [pod.key.name for pod in pods] == ["db-0", "db-1", "db-2"]
    assert all(is_ready(pod) for pod in pods)
    assert len({pod_of(pod).status.pod_ip for pod in pods}) == 3
