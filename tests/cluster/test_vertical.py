"""Vertical autoscaling: recommend what is used, and make new pods of that size."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from lateen.api.quantity import exact
from lateen.api.vertical import ContainerRecommendation, VerticalStatus
from lateen.check import check_object
from lateen.cluster.histograms import Histogram
from lateen.cluster.pods import is_ready, is_terminating, pod_of
from lateen.cluster.recommending import Past, observed, recommended, vertical_of
from lateen.stages.sizing import Sizing
from tests.cluster.simulated import Cluster, deployment, read

MIB = 1024**2
HUNGRY = "resources: {requests: {cpu: 10m, memory: 20Mi}, limits: {cpu: 40m}}"


def vertical(mode: str = "Auto", more: str = "", policies: str = "") -> str:
    return f"""
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {{name: web, namespace: shop}}
spec:
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}
  updatePolicy: {{updateMode: "{mode}"{more}}}
  resourcePolicy: {{containerPolicies: [{policies}]}}
"""


def web(replicas: int = 2, resources: str = HUNGRY) -> str:
    return deployment("web", replicas=replicas).replace(
        "image: app:1", f"image: app:1\n        {resources}"
    )


class Load:
    """What each ready pod's container uses."""

    def __init__(self, cluster: Cluster, milli: int = 500, size: int = 400 * MIB) -> None:
        self.cluster, self.milli, self.size = cluster, milli, size
        self.sizing = Sizing(store=cluster.store, clock=cluster.clock, usage=self.usage)

    def usage(self) -> dict[str, dict[str, dict[str, Fraction]]]:
        used = {"cpu": Fraction(self.milli, 1000), "memory": Fraction(self.size)}
        return {
            p.meta.uid: {"app": used, "istio-proxy": used}
            for p in self.cluster.pods()
            if is_ready(p)
        }

    async def look(self, times: int = 1) -> None:
        """Time passes, the autoscaler looks, the cluster follows."""
        for _ in range(times):
            await self.cluster.clock.advance(15)
            self.sizing.step()
            self.cluster.settle()
            self.cluster.run()


def status(cluster: Cluster) -> VerticalStatus:
    return vertical_of(cluster.get("VerticalPodAutoscaler", "web")).status


def only(cluster: Cluster) -> ContainerRecommendation:
    recommendation = status(cluster).recommendation
    assert recommendation is not None
    (one,) = recommendation.container_recommendations
    return one


def resources(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        p.raw["spec"]["containers"][0].get("resources", {})
        for p in cluster.pods()
        if not is_terminating(p)
    ]


@pytest.mark.anyio
async def test_what_is_used_is_recommended_with_a_margin(cluster: Cluster) -> None:
    cluster.apply(web(), vertical("Off"))
    cluster.run()
    await Load(cluster).look()
    one = only(cluster)
    assert one.container_name == "app"
    assert 0.5 * 1.15 <= exact(one.target["cpu"]) <= 0.5 * 1.15 * 1.05 + 0.02
    assert 400 * MIB * 1.15 <= exact(one.target["memory"]) <= 400 * MIB * 1.15 * 1.06 + 2e7
    assert exact(one.lower_bound["cpu"]) < exact(one.target["cpu"]) < exact(one.upper_bound["cpu"])
    assert {c.type: c.status for c in status(cluster).conditions} == {
        "RecommendationProvided": "True"
    }
    assert resources(cluster)[0]["requests"]["cpu"] == "10m", "mode Off changes nothing"


@pytest.mark.anyio
async def test_initial_sizes_new_pods_only(cluster: Cluster) -> None:
    cluster.apply(web(), vertical("Initial"))
    cluster.run()
    await Load(cluster).look()
    assert [r["requests"]["cpu"] for r in resources(cluster)] == ["10m", "10m"]
    cluster.delete("Pod", cluster.pods()[0].key.name)
    cluster.run()
    sizes = sorted(r["requests"]["cpu"] for r in resources(cluster))
    assert sizes == sorted(["10m", only(cluster).target["cpu"]])


@pytest.mark.anyio
async def test_auto_ends_pods_one_after_the_other_until_all_have_their_size(
    cluster: Cluster,
) -> None:
    cluster.apply(web(), vertical())
    cluster.run()
    load = Load(cluster)
    await load.look()
    sizes = [r["requests"]["cpu"] for r in resources(cluster)]
    assert sorted(sizes) == sorted(["10m", only(cluster).target["cpu"]]), "half of them at a time"
    await load.look(2)
    target = only(cluster).target
    for one in resources(cluster):
        assert exact(one["requests"]["cpu"]) > 0.5
        assert exact(one["limits"]["cpu"]) == 4 * exact(one["requests"]["cpu"]), "in proportion"
        assert one["requests"].keys() == target.keys()
    annotations = cluster.pods()[0].meta.annotations
    assert annotations["vpaObservedContainers"] == "app"
    assert annotations["vpaUpdates"].startswith("Pod resources updated by web: container 0: cpu")
    assert "EvictedPod" in {r for r, _ in cluster.told("VerticalPodAutoscaler", "web")}
    before = {p.meta.uid for p in cluster.pods()}
    await load.look(4)
    assert {p.meta.uid for p in cluster.pods()} == before, "then they stay"


@pytest.mark.anyio
@pytest.mark.parametrize(("more", "moved"), [("", False), (", minReplicas: 1", True)])
async def test_a_single_replica_is_left_alone_unless_told(
    cluster: Cluster, more: str, moved: bool
) -> None:
    cluster.apply(web(1), vertical(more=more))
    cluster.run()
    await Load(cluster).look()
    assert (resources(cluster)[0]["requests"]["cpu"] != "10m") == moved


@pytest.mark.anyio
async def test_a_budget_is_heeded(cluster: Cluster) -> None:
    budget = """
    {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, namespace: shop},
     spec: {maxUnavailable: 0, selector: {matchLabels: {app: web}}}}
    """
    cluster.apply(web(), vertical(), budget)
    cluster.run()
    await Load(cluster).look(3)
    assert {r["requests"]["cpu"] for r in resources(cluster)} == {"10m"}


@pytest.mark.anyio
async def test_policies_bound_what_is_recommended(cluster: Cluster) -> None:
    bounded = (
        "{containerName: app, maxAllowed: {cpu: 200m}, controlledResources: [cpu], "
        "controlledValues: RequestsOnly}"
    )
    cluster.apply(web(), vertical(policies=bounded))
    cluster.run()
    await Load(cluster).look(3)
    one = only(cluster)
    assert one.target == {"cpu": "200m"}
    assert exact(one.uncapped_target["cpu"]) > 0.5
    assert resources(cluster)[0] == {
        "requests": {"cpu": "200m", "memory": "20Mi"},
        "limits": {"cpu": "40m"},
    }


@pytest.mark.anyio
async def test_without_a_target_or_pods_it_says_so(cluster: Cluster) -> None:
    cluster.apply(vertical())
    await Load(cluster).look()
    said = {c.type: (c.status, c.message) for c in status(cluster).conditions}
    assert said["ConfigUnsupported"][1].endswith("Deployment shop/web does not exist")
    assert said["RecommendationProvided"][0] == "False"
    cluster.apply(web(0), vertical())
    await Load(cluster).look()
    said = {c.type: (c.status, c.message) for c in status(cluster).conditions}
    assert said["NoPodsMatched"] == ("True", "No pods match this VPA object")
    assert "ConfigUnsupported" not in said


def test_bounds_close_in_with_time(cluster: Cluster) -> None:
    cluster.apply(web(), vertical("Off"))
    cluster.run()
    pods, now = cluster.pods(), cluster.clock.now()
    used = {"cpu": Fraction(1, 2), "memory": Fraction(400 * MIB)}
    usage = {p.meta.uid: {"app": used} for p in pods}
    past: Past = {}
    for number in range(24 * 60):
        past = observed(past, pods, usage, now + timedelta(minutes=number))
    obj = cluster.get("VerticalPodAutoscaler", "web")
    made = recommended(obj, obj, pods, past, now + timedelta(days=1)).recommendation
    assert made is not None
    (one,) = made.container_recommendations
    assert exact(one.lower_bound["cpu"]) > exact(one.target["cpu"]) * Fraction(9, 10)
    assert exact(one.upper_bound["cpu"]) < exact(one.target["cpu"]) * 4


def test_old_samples_fade_and_the_highest_memory_of_a_day_counts() -> None:
    day = 24 * 3600.0
    old = Histogram(first=0.01, since=0.0)
    for _ in range(10):
        old = old.added(2.0, 1.0, 0.0)
    assert 2.0 <= old.percentile(0.9) < 2.2
    new = old
    for _ in range(3):
        new = new.added(0.1, 1.0, 6 * day)
    assert new.percentile(0.9) < 0.12
    far = new.added(0.5, 1.0, 90 * day)
    assert 0.5 <= far.percentile(0.9) < 0.6, "numbers stay small however long it runs"
    assert old.added(2.0, -10.0, 0.0).percentile(0.9) == 0.0


def test_a_kill_for_memory_recommends_more_than_there_was(cluster: Cluster) -> None:
    cluster.apply(web(1), vertical("Off"))
    cluster.run()
    (pod,) = cluster.pods()
    used = {"cpu": Fraction(1, 10), "memory": Fraction(300 * MIB)}
    past = observed({}, [pod], {pod.meta.uid: {"app": used}}, cluster.clock.now())
    before = past["app"].memory.percentile(0.9)
    raw = dict(pod.raw["status"])
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:00Z"}
    raw["containerStatuses"] = [
        {**c, "lastState": {"terminated": ended}} for c in raw["containerStatuses"]
    ]
    killed = cluster.store.put_status(pod.key, raw)
    past = observed(past, [killed], {}, cluster.clock.now())
    assert past["app"].memory.percentile(0.9) >= 400 * MIB > before
    assert observed(past, [killed], {}, cluster.clock.now()) == past, "each kill counts once"
    assert pod_of(killed).status.phase == "Running"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (vertical(), ""),
        (vertical("Sometimes"), "spec.updatePolicy.updateMode: Unsupported value"),
        (vertical(more=", minReplicas: 0"), "spec.updatePolicy.minReplicas: Invalid value: 0"),
        (
            vertical(policies="{containerName: '*', minAllowed: {cpu: 2}, maxAllowed: {cpu: 1}}"),
            "spec.resourcePolicy.containerPolicies[0].maxAllowed.cpu: Invalid value",
        ),
    ],
)
def test_a_vertical_autoscaler_is_taken_or_refused(document: str, words: str) -> None:
    (obj,) = read(document)
    said = [f"{p.origin.field}: {p.message}" for p in check_object(obj)]
    assert bool(said) == bool(words)
    assert all(one.startswith(words) for one in said)
