"""Autoscaling: as many replicas as the load asks for, and no faster than allowed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from lateen.api.autoscaling import AutoscalerSpec, AutoscalerStatus
from lateen.apiserver.deps import ContainerUse, PodUse
from lateen.cluster.autoscaling import autoscaler_of
from lateen.cluster.pods import is_ready
from lateen.cluster.replicasets import replicaset_of
from lateen.cluster.scalingrules import Allowed, Past, allowed
from lateen.stages.autoscaling import Autoscaling, usage_of
from tests.cluster.simulated import Cluster, deployment, read

NEEDY = "resources: {requests: {cpu: 100m, memory: 100Mi}}"


def autoscaler(spec: str = "", name: str = "web") -> str:
    return f"""
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: web, namespace: shop}}
spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}, maxReplicas: 10
  {spec}}}
"""


def web(replicas: int = 2) -> str:
    return deployment("web", replicas=replicas).replace(
        "image: app:1", f"image: app:1\n        {NEEDY}"
    )


class Load:
    """What each pod's container uses, in thousandths of a core; None for pods nobody measured."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.cpu: int | Mapping[str, int] = 0
        self.scaling = Autoscaling(store=cluster.store, clock=cluster.clock, usage=self.usage)

    def usage(self) -> dict[str, dict[str, dict[str, Fraction]]]:
        found: dict[str, dict[str, dict[str, Fraction]]] = {}
        for pod in self.cluster.pods():
            milli = self.cpu if isinstance(self.cpu, int) else self.cpu.get(pod.key.name)
            if is_ready(pod) and milli is not None:
                used = {"cpu": Fraction(milli, 1000), "memory": Fraction(50 * 1024**2)}
                found[pod.meta.uid] = {"app": used, "istio-proxy": used}
        return found

    async def look(self, seconds: float = 15.0) -> int:
        """Time passes, the autoscaler looks, the cluster follows; the replicas wanted then."""
        await self.cluster.clock.advance(seconds)
        self.scaling.step()
        self.cluster.settle()
        self.cluster.run()
        return int(self.cluster.get("Deployment", "web").raw["spec"]["replicas"])


def status(cluster: Cluster) -> AutoscalerStatus:
    return autoscaler_of(cluster.get("HorizontalPodAutoscaler", "web")).status


def reasons(cluster: Cluster) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in status(cluster).conditions}


@pytest.fixture
def load(cluster: Cluster) -> Load:
    cluster.apply(web(), autoscaler())
    cluster.run()
    return Load(cluster)


@pytest.mark.anyio
async def test_twice_the_load_wanted_is_twice_the_replicas(cluster: Cluster, load: Load) -> None:
    load.cpu = 160
    assert await load.look() == 4
    said = status(cluster)
    assert (said.current_replicas, said.desired_replicas) == (2, 4)
    assert said.current_metrics[0].resource
    assert said.current_metrics[0].resource.current.average_utilization == 160
    assert said.current_metrics[0].resource.current.average_value == "160m"
    assert said.last_scale_time == "2026-01-01T00:00:15Z"
    assert reasons(cluster)["AbleToScale"] == ("True", "SucceededRescale")
    assert cluster.told("HorizontalPodAutoscaler", "web") == [
        ("SuccessfulRescale", "New size: 4; reason: resource metrics above target")
    ]


@pytest.mark.anyio
async def test_near_the_target_nothing_is_done(cluster: Cluster, load: Load) -> None:
    for cpu in (73, 80, 87):
        load.cpu = cpu
        assert await load.look() == 2
    assert reasons(cluster) == {
        "AbleToScale": ("True", "ReadyForNewScale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
    }


@pytest.mark.anyio
async def test_the_maximum_is_never_passed(cluster: Cluster, load: Load) -> None:
    load.cpu = 1000
    sizes = [await load.look() for _ in range(3)]
    assert sizes == [6, 10, 10], "by four pods or twice as many in 15 seconds"
    assert reasons(cluster)["ScalingLimited"] == ("True", "TooManyReplicas")


@pytest.mark.anyio
async def test_less_load_is_believed_after_five_minutes(cluster: Cluster, load: Load) -> None:
    load.cpu = 160
    assert await load.look() == 4
    load.cpu = 10
    assert await load.look() == 4
    assert reasons(cluster)["AbleToScale"] == ("True", "ScaleDownStabilized")
    assert await load.look(270) == 4
    assert await load.look(30) == 1


@pytest.mark.anyio
async def test_without_measurements_nothing_is_done_and_said_so(
    cluster: Cluster, load: Load
) -> None:
    load.cpu = {}
    assert await load.look() == 2
    assert reasons(cluster)["ScalingActive"] == ("False", "FailedGetResourceMetric")


@pytest.mark.anyio
async def test_pods_not_measured_never_turn_the_direction(cluster: Cluster, load: Load) -> None:
    first, second = (pod.key.name for pod in cluster.pods())
    load.cpu = {first: 120}
    assert await load.look() == 2, "120% and 0% are below the target together"
    load.cpu = {second: 10}
    assert await load.look(600) == 2, "10% and 100% ask for two"


@pytest.mark.anyio
async def test_a_container_without_a_request_has_no_utilization(cluster: Cluster) -> None:
    cluster.apply(deployment("web"), autoscaler())
    cluster.run()
    load = Load(cluster)
    load.cpu = 500
    assert await load.look() == 1
    (told,) = cluster.told("HorizontalPodAutoscaler", "web")
    assert "missing request for cpu in container app of Pod web-" in told[1]


@pytest.mark.anyio
async def test_nothing_to_scale(cluster: Cluster) -> None:
    cluster.apply(web(0), autoscaler())
    load = Load(cluster)
    assert await load.look() == 0
    assert reasons(cluster)["ScalingActive"] == ("False", "ScalingDisabled")
    cluster.apply(web(0), autoscaler(name="nobody"))
    await load.look()
    assert reasons(cluster)["AbleToScale"] == ("False", "FailedGetScale")


@pytest.mark.anyio
async def test_of_two_metrics_the_larger_wish_counts(cluster: Cluster) -> None:
    metrics = """, metrics: [
      {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}},
      {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 10Mi}}}]"""
    cluster.apply(web(), autoscaler(metrics))
    cluster.run()
    load = Load(cluster)
    load.cpu = 80
    assert await load.look() == 6
    assert await load.look() == 10
    memory = status(cluster).current_metrics[1].resource
    assert memory
    assert memory.current.average_value == str(50 * 1024**2)
    assert replicaset_of(cluster.replicasets()[0]).spec.replicas == 10


def spec(behavior: str) -> AutoscalerSpec:
    (obj,) = read(autoscaler(f", minReplicas: 1, behavior: {behavior}"))
    return autoscaler_of(obj).spec


@pytest.mark.parametrize(
    ("behavior", "current", "wish", "replicas"),
    [
        ("{scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}", 8, 2, 7),
        ("{scaleDown: {policies: [{type: Percent, value: 50, periodSeconds: 60}]}}", 8, 2, 4),
        ("{scaleDown: {selectPolicy: Disabled}}", 8, 2, 8),
        ("{scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}", 2, 9, 3),
        (
            "{scaleUp: {selectPolicy: Min, policies: [{type: Pods, value: 1, periodSeconds: 60},"
            " {type: Percent, value: 200, periodSeconds: 60}]}}",
            2,
            9,
            3,
        ),
    ],
)
def test_policies_bound_each_step(
    cluster: Cluster, behavior: str, current: int, wish: int, replicas: int
) -> None:
    now = cluster.clock.now()
    past = Past().wished(wish, now)
    assert allowed(spec(behavior), current, wish, past, now).replicas == replicas


@pytest.mark.anyio
async def test_a_period_counts_what_was_done_in_it(cluster: Cluster) -> None:
    one = spec("{scaleUp: {policies: [{type: Pods, value: 2, periodSeconds: 60}]}}")
    start = cluster.clock.now()
    past = Past().wished(9, start).changed(2, start)
    await cluster.clock.advance(30)
    granted = allowed(one, 4, 9, past, cluster.clock.now())
    assert granted == Allowed(replicas=4, limited="ScaleUpLimit")
    await cluster.clock.advance(30)
    assert allowed(one, 4, 9, past, cluster.clock.now()).replicas == 6


def test_what_the_node_accounts_for_is_the_usage() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    account = PodUse(
        at=at, window=15.0, containers=(ContainerUse(name="app", cpu=0.25, memory=1024),)
    )
    assert usage_of({"u1": account}) == {
        "u1": {"app": {"cpu": Fraction(1, 4), "memory": Fraction(1024)}}
    }
