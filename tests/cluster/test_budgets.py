"""Disruption budgets: how many pods may be taken away now; priority classes."""

from __future__ import annotations

import pytest

from lateen.api.policy import BudgetStatus
from lateen.cluster.budgets import budget_of
from lateen.cluster.pods import pod_of
from tests.cluster.simulated import Cluster, deployment


def budget(spec: str, selector: str = "{matchLabels: {app: web}}") -> str:
    return f"""
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web, namespace: shop}}
spec: {{selector: {selector}, {spec}}}
"""


def status(cluster: Cluster) -> BudgetStatus:
    return budget_of(cluster.get("PodDisruptionBudget", "web")).status


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ("minAvailable: 2", 2, 2),
        ("minAvailable: 60%", 3, 1),
        ("maxUnavailable: 1", 3, 1),
        ("maxUnavailable: 30%", 2, 2),
        ("minAvailable: 9", 9, 0),
    ],
)
def test_so_many_may_be_missing(cluster: Cluster, spec: str, desired: int, allowed: int) -> None:
    cluster.apply(deployment("web", replicas=4), budget(spec))
    cluster.run()
    now = status(cluster)
    assert (now.expected_pods, now.current_healthy) == (4, 4)
    assert (now.desired_healthy, now.disruptions_allowed) == (desired, allowed)


def test_a_pod_that_is_away_uses_the_budget_up(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2), budget("maxUnavailable: 1"))
    assert status(cluster).disruptions_allowed == 0
    cluster.run()
    assert status(cluster).disruptions_allowed == 1
    cluster.delete("Pod", cluster.pods()[0].key.name)
    assert status(cluster).disruptions_allowed == 0
    assert status(cluster).conditions[0].reason == "InsufficientPods"
    cluster.run()
    assert status(cluster).disruptions_allowed == 1


def test_an_empty_selector_is_for_every_pod_of_the_namespace(cluster: Cluster) -> None:
    cluster.apply(deployment("web"), deployment("api"), budget("minAvailable: 1", "{}"))
    cluster.run()
    assert status(cluster).expected_pods == 2


def test_a_priority_class_names_a_priority(cluster: Cluster) -> None:
    important = """
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: important}
value: 5000
"""
    usual = important.replace("important", "usual").replace("5000", "7\nglobalDefault: true")
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME, namespace: shop}\n"
    spec = 'spec: {containers: [{name: app, image: "app:1"}] MORE}\n'
    cluster.apply(
        important,
        usual,
        (pod + spec).replace("NAME", "a").replace("MORE", ", priorityClassName: important"),
        (pod + spec).replace("NAME", "b").replace("MORE", ""),
        (pod + spec)
        .replace("NAME", "c")
        .replace("MORE", ", priorityClassName: system-node-critical"),
    )
    priorities = [pod_of(cluster.get("Pod", name)).spec.priority for name in "abc"]
    assert priorities == [5000, 7, 2_000_001_000]
