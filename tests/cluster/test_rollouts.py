"""Deployments: from one template to the next without going below what must stay available."""

from __future__ import annotations

import pytest

from lateen.api.workload import DeploymentSpec
from lateen.cluster.deployments import REVISION
from lateen.cluster.naming import HASH_LABEL
from lateen.cluster.pods import is_ready, is_terminating
from lateen.cluster.replicasets import replicaset_of
from lateen.cluster.rollouts import Counts, Limits, limits_of, rolled
from tests.cluster.simulated import Cluster, deployment, read

ZERO_DOWN = "strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}"


def spec(replicas: int, strategy: str = "{}") -> DeploymentSpec:
    (obj,) = read(deployment("web", replicas=replicas, more=f"strategy: {strategy}"))
    return obj.typed.spec  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("replicas", "strategy", "surge", "unavailable"),
    [
        (1, "{}", 1, 0),
        (10, "{}", 3, 2),
        (4, "{rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}", 0, 1),
        (4, "{rollingUpdate: {maxSurge: 2, maxUnavailable: 50%}}", 2, 2),
        (3, "{rollingUpdate: {maxUnavailable: 7}}", 1, 3),
    ],
)
def test_surge_is_rounded_up_and_unavailable_down(
    replicas: int, strategy: str, surge: int, unavailable: int
) -> None:
    limits = limits_of(spec(replicas, strategy))
    assert (limits.surge, limits.unavailable) == (surge, unavailable)


def test_a_rollout_grows_the_new_first_and_drops_the_unhealthy_of_the_old_next() -> None:
    limits = Limits(replicas=4, surge=1, unavailable=1)
    old = Counts(name="old", replicas=4, available=3)
    new = Counts(name="new", replicas=0, available=0)
    assert rolled(limits, new, [old]) == {"new": 1}
    grown = Counts(name="new", replicas=1, available=0)
    assert rolled(limits, grown, [old]) == {"old": 3}


def test_a_deployment_becomes_pods_of_its_template(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=3))
    (replicaset,) = cluster.replicasets()
    value = replicaset.meta.labels[HASH_LABEL]
    assert replicaset.key.name == f"web-{value}"
    for pod in cluster.pods():
        assert pod.key.name.startswith(f"web-{value}-")
        assert len(pod.key.name) == len(f"web-{value}-") + 5
        assert pod.meta.labels == {"app": "web", HASH_LABEL: value}
        assert pod.meta.owner_references[0].uid == replicaset.meta.uid
    assert len(cluster.pods()) == 3


def test_the_status_tells_how_far_it_is(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    before = cluster.status("web")
    assert (before.replicas, before.ready_replicas, before.unavailable_replicas) == (2, 0, 2)
    assert {c.type: c.status for c in before.conditions} == {
        "Available": "False",
        "Progressing": "True",
    }
    cluster.run()
    after = cluster.status("web")
    assert (after.updated_replicas, after.available_replicas, after.unavailable_replicas) == (
        2,
        2,
        0,
    )
    assert {c.type: c.reason for c in after.conditions} == {
        "Available": "MinimumReplicasAvailable",
        "Progressing": "NewReplicaSetAvailable",
    }
    assert after.observed_generation == cluster.get("Deployment", "web").meta.generation


def test_a_rolling_update_never_has_fewer_ready_pods_than_wanted(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=3, more=ZERO_DOWN))
    cluster.run()
    cluster.apply(deployment("web", replicas=3, image="app:2", more=ZERO_DOWN))
    steps = 0
    while cluster.node_step():
        steps += 1
        serving = [p for p in cluster.pods() if is_ready(p) and not is_terminating(p)]
        live = [p for p in cluster.pods() if not is_terminating(p)]
        assert len(serving) >= 3
        assert len(live) <= 4
    assert steps >= 3
    assert cluster.live_images() == ["app:2"] * 3
    assert cluster.status("web").updated_replicas == 3


def test_an_update_that_never_gets_ready_stops_and_leaves_the_old_serving(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2, more=ZERO_DOWN))
    cluster.run()
    cluster.apply(deployment("web", replicas=2, image="app:broken", more=ZERO_DOWN))
    for _ in range(5):
        cluster.node_step(ready=False)
    assert cluster.live_images() == ["app:1", "app:1", "app:broken"]
    progressing = cluster.status("web").conditions[1]
    assert progressing.reason == "ReplicaSetUpdated"


def test_scaling_up_and_down_keeps_the_ready_ones(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.run()
    first = {p.meta.uid for p in cluster.pods()}
    cluster.apply(deployment("web", replicas=4))
    assert len(cluster.pods()) == 4
    cluster.apply(deployment("web", replicas=2))
    assert {p.meta.uid for p in cluster.pods()} == first
    assert len(cluster.replicasets()) == 1


def test_scaling_to_zero_ends_every_pod(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.run()
    cluster.apply(deployment("web", replicas=0))
    cluster.run()
    assert cluster.pods() == ()


def test_going_back_to_an_old_template_reuses_its_replicaset(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    cluster.run()
    (first,) = cluster.replicasets()
    cluster.apply(deployment("web", image="app:2"))
    cluster.run()
    cluster.apply(deployment("web"))
    cluster.run()
    assert len(cluster.replicasets()) == 2
    again = cluster.get("ReplicaSet", first.key.name)
    assert again.meta.uid == first.meta.uid
    assert again.meta.annotations[REVISION] == "3"
    assert cluster.get("Deployment", "web").meta.annotations[REVISION] == "3"
    assert cluster.live_images() == ["app:1"]


def test_writing_out_a_default_rolls_nothing(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    spelled = deployment("web").replace(
        "      containers:", "      restartPolicy: Always\n      containers:"
    )
    cluster.apply(spelled)
    assert len(cluster.replicasets()) == 1


def test_recreate_starts_no_new_pod_beside_an_old_one(cluster: Cluster) -> None:
    recreate = "strategy: {type: Recreate}"
    cluster.apply(deployment("web", replicas=2, more=recreate))
    cluster.run()
    cluster.apply(deployment("web", replicas=2, image="app:2", more=recreate))
    assert cluster.live_images() == []
    assert len(cluster.pods()) == 2
    cluster.run()
    assert cluster.live_images() == ["app:2", "app:2"]


def test_old_replicasets_are_kept_up_to_the_history_limit(cluster: Cluster) -> None:
    for number in range(5):
        limit = "revisionHistoryLimit: 2"
        cluster.apply(deployment("web", image=f"app:{number}", more=limit))
        cluster.run()
    revisions = sorted(r.meta.annotations[REVISION] for r in cluster.replicasets())
    assert revisions == ["3", "4", "5"]


@pytest.mark.anyio
async def test_a_pod_counts_only_after_min_ready_seconds(cluster: Cluster) -> None:
    cluster.apply(deployment("web", more="minReadySeconds: 30"))
    cluster.run()
    assert cluster.status("web").ready_replicas == 1
    assert cluster.status("web").available_replicas == 0
    assert cluster.due() == 30
    await cluster.clock.advance(30)
    assert cluster.due() is None
    assert cluster.status("web").available_replicas == 1


def test_a_pod_that_is_gone_is_replaced(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.run()
    victim = cluster.pods()[0]
    cluster.delete("Pod", victim.key.name)
    assert len(cluster.live_images()) == 2
    cluster.run()
    assert victim.meta.uid not in {p.meta.uid for p in cluster.pods()}
    assert len(cluster.pods()) == 2


def test_the_unready_and_then_the_newest_go_first(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=3))
    cluster.node_step(ready=False)
    steady = cluster.pods()[1]
    raw = {"status": {**steady.raw["status"], "conditions": [{"type": "Ready", "status": "True"}]}}
    cluster.store.put({**steady.raw, **raw})
    cluster.apply(deployment("web", replicas=1))
    assert [p.meta.uid for p in cluster.pods() if not is_terminating(p)] == [steady.meta.uid]


def test_deleting_a_deployment_takes_its_replicasets_and_pods_along(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.run()
    cluster.delete("Deployment", "web")
    assert cluster.replicasets() == ()
    assert all(is_terminating(p) for p in cluster.pods())
    cluster.run()
    assert cluster.pods() == ()


def test_min_ready_seconds_reaches_the_replicaset_without_a_rollout(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    cluster.apply(deployment("web", more="minReadySeconds: 5"))
    (replicaset,) = cluster.replicasets()
    assert replicaset_of(replicaset).spec.min_ready_seconds == 5
