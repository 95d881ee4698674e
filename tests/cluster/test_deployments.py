"""Deployments: pause, deadlines, history and what is told of them. Rollouts are in test_rollouts.py."""

from __future__ import annotations

import pytest

from lateen.api.meta import Condition
from lateen.cluster.deployments import REVISION
from lateen.cluster.replicasets import replicaset_of
from lateen.cluster.rollouts import shared
from tests.cluster.simulated import Cluster, deployment


def progressing(cluster: Cluster) -> Condition:
    return next(c for c in cluster.status("web").conditions if c.type == "Progressing")


def sizes(cluster: Cluster) -> list[int]:
    by_revision = sorted(cluster.replicasets(), key=lambda r: r.meta.annotations[REVISION])
    return [replicaset_of(r).spec.replicas for r in by_revision]


def annotate(cluster: Cluster, **annotations: str) -> None:
    raw = cluster.get("Deployment", "web").raw
    meta = raw["metadata"]
    merged = {**meta.get("annotations", {}), **annotations}
    cluster.store.put({**raw, "metadata": {**meta, "annotations": merged}})
    cluster.settle()


def test_a_paused_deployment_rolls_nothing_out_until_it_is_resumed(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.run()
    cluster.edit_spec("Deployment", "web", paused=True)
    assert (progressing(cluster).status, progressing(cluster).reason) == (
        "Unknown",
        "DeploymentPaused",
    )
    cluster.apply(deployment("web", replicas=2, image="app:2", more="paused: true"))
    cluster.run()
    assert cluster.live_images() == ["app:1", "app:1"]
    cluster.edit_spec("Deployment", "web", paused=False)
    cluster.run()
    assert cluster.live_images() == ["app:2", "app:2"]
    assert progressing(cluster).reason == "NewReplicaSetAvailable"


def test_paused_it_still_takes_another_number_of_replicas(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.run()
    cluster.edit_spec("Deployment", "web", paused=True, replicas=5)
    assert sizes(cluster) == [5]
    cluster.edit_spec("Deployment", "web", replicas=0)
    cluster.edit_spec("Deployment", "web", replicas=1)
    assert sizes(cluster) == [1]


def test_paused_in_the_middle_both_templates_share_the_replicas(cluster: Cluster) -> None:
    surge = "strategy: {rollingUpdate: {maxSurge: 2, maxUnavailable: 0}}"
    cluster.apply(deployment("web", replicas=4, more=surge))
    cluster.run()
    cluster.apply(deployment("web", replicas=4, image="app:2", more=surge))
    assert sizes(cluster) == [4, 2]
    cluster.edit_spec("Deployment", "web", paused=True, replicas=9)
    assert sizes(cluster) == [6, 3]


def test_replicas_are_shared_in_proportion() -> None:
    assert shared(10, {"a": 3, "b": 1}) == {"a": 8, "b": 2}
    assert shared(0, {"a": 3, "b": 1}) == {"a": 0, "b": 0}
    assert shared(5, {}) == {}


@pytest.mark.anyio
async def test_a_rollout_without_progress_times_out(cluster: Cluster) -> None:
    cluster.apply(deployment("web", more="progressDeadlineSeconds: 60"))
    assert cluster.due() == 60
    await cluster.clock.advance(60)
    cluster.settle()
    late = progressing(cluster)
    assert (late.status, late.reason) == ("False", "ProgressDeadlineExceeded")
    assert late.message.endswith("has timed out progressing.")
    cluster.run()
    assert progressing(cluster).reason == "NewReplicaSetAvailable"


@pytest.mark.anyio
async def test_progress_puts_the_deadline_off(cluster: Cluster) -> None:
    cluster.apply(deployment("web", replicas=2, more="progressDeadlineSeconds: 60"))
    await cluster.clock.advance(50)
    cluster.make_ready(cluster.pods()[0])
    await cluster.clock.advance(50)
    cluster.settle()
    assert progressing(cluster).status == "True"
    await cluster.clock.advance(10)
    cluster.settle()
    assert progressing(cluster).status == "False"


def test_history_tells_the_cause_of_each_revision(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    cause = "kubernetes.io/change-cause"
    annotate(cluster, **{cause: "first"})
    cluster.apply(deployment("web", image="app:2"))
    annotate(cluster, **{cause: "second"})
    cluster.run()
    causes = {
        r.meta.annotations[REVISION]: r.meta.annotations[cause] for r in cluster.replicasets()
    }
    assert causes == {"1": "first", "2": "second"}
    newest = max(cluster.replicasets(), key=lambda r: r.meta.annotations[REVISION])
    assert newest.meta.annotations["deployment.kubernetes.io/desired-replicas"] == "1"
    assert newest.meta.annotations["deployment.kubernetes.io/max-replicas"] == "2"


def test_undo_is_a_new_revision_of_the_old_template(cluster: Cluster) -> None:
    """As kubectl does it: the template of the old ReplicaSet becomes the Deployment's."""
    cluster.apply(deployment("web"))
    cluster.run()
    (first,) = cluster.replicasets()
    cluster.apply(deployment("web", image="app:2"))
    cluster.run()
    cluster.edit_spec("Deployment", "web", template=first.raw["spec"]["template"])
    cluster.run()
    assert cluster.live_images() == ["app:1"]
    assert cluster.get("ReplicaSet", first.key.name).meta.annotations[REVISION] == "3"
    assert len(cluster.replicasets()) == 2


def test_each_scaling_is_told(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    cluster.run()
    cluster.apply(deployment("web", image="app:2"))
    cluster.run()
    old, new = sorted(cluster.replicasets(), key=lambda r: r.meta.annotations[REVISION])
    assert cluster.told("Deployment", "web") == [
        ("ScalingReplicaSet", f"Scaled down replica set {old.key.name} from 1 to 0"),
        *sorted(
            ("ScalingReplicaSet", f"Scaled up replica set {r.key.name} from 0 to 1")
            for r in (old, new)
        ),
    ]
    assert [reason for reason, _ in cluster.told("ReplicaSet", old.key.name)] == [
        "SuccessfulCreate",
        "SuccessfulDelete",
    ]
