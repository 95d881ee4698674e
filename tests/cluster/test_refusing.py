"""What files say is judged as what users write, and what is refused stays as it was."""

from __future__ import annotations

import textwrap

from lateen.base.problem import Level
from tests.cluster.simulated import Cluster, deployment

QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: few, namespace: shop}
spec: {hard: {pods: "1", configmaps: "2"}}
"""
POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  validations: [{expression: object.spec.replicas <= 2, message: too many}]
"""
BINDING = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec: {policyName: few, validationActions: [Deny]}
"""


def pod(name: str) -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop}}
spec: {{containers: [{{name: app, image: "app:1"}}]}}
"""


def said(applied: object, level: Level = Level.ERROR) -> list[str]:
    problems = getattr(applied, "problems", ())
    return [f"{p.origin.place}: {p.message}" for p in problems if p.level is level]


def test_a_quota_holds_for_the_pods_of_files(cluster: Cluster) -> None:
    applied = cluster.apply(pod("one"), pod("two"), QUOTA)
    assert [str(key) for key in applied.refused] == ["Pod shop/two"]
    (words,) = said(applied)
    assert words.startswith("test.yaml:")
    assert (
        "is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1"
        in words
    )
    assert [p.key.name for p in cluster.pods()] == ["one"]
    again = cluster.apply(pod("two"), QUOTA)
    assert [str(key) for key in again.created] == ["Pod shop/two"]


def test_a_policy_holds_for_files_and_says_where(cluster: Cluster) -> None:
    applied = cluster.apply(deployment("web", replicas=3), POLICY, BINDING)
    (words,) = said(applied)
    assert (
        "ValidatingAdmissionPolicy 'few' with binding 'everywhere' denied request: too many"
        in words
    )
    assert cluster.apply(deployment("web", replicas=2), POLICY, BINDING).created
    changed = cluster.apply(deployment("web", replicas=5), POLICY, BINDING)
    assert [str(key) for key in changed.refused] == ["Deployment shop/web"]
    assert cluster.get("Deployment", "web").raw["spec"]["replicas"] == 2


def test_what_may_not_change_stays_and_the_line_is_named(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    other = deployment("web").replace("app: web", "app: other")
    applied = cluster.apply(other)
    (problem,) = (p for p in applied.problems if p.level is Level.ERROR)
    assert problem.origin.field == "spec.selector"
    assert problem.origin.place is not None
    line = textwrap.dedent(other).splitlines()[problem.origin.place.line - 1]
    assert "selector" in line
    assert problem.message.endswith("field is immutable")
    assert problem.fix == "kubectl delete deployment/web -n shop, and it is made anew"
    assert cluster.get("Deployment", "web").raw["spec"]["selector"] == {
        "matchLabels": {"app": "web"}
    }
