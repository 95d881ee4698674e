"""Files are the user's word: what they say is set, what they no longer say goes, the rest stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.base.origin import ObjectKey
from lateen.cluster.deployments import REVISION
from lateen.cluster.merging import merged
from lateen.cluster.pods import is_terminating, pod_of
from tests.cluster.simulated import Cluster, deployment, namespace_key

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: colours, namespace: shop, labels: {tier: front, team: red}}
data: {sky: blue, grass: green}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: lone, namespace: shop}
spec: {containers: [{name: app, image: "app:1"}]}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}"


def names(keys: tuple[ObjectKey, ...]) -> list[str]:
    return [str(key) for key in keys]


def test_it_says_what_became_of_each_object(cluster: Cluster) -> None:
    first = cluster.apply(CONFIG, deployment("web"))
    assert names(first.created) == ["ConfigMap shop/colours", "Deployment shop/web"]
    second = cluster.apply(CONFIG.replace("blue", "grey"), deployment("web"))
    assert names(second.changed) == ["ConfigMap shop/colours"]
    assert names(second.unchanged) == ["Deployment shop/web"]
    third = cluster.apply(deployment("web"))
    assert names(third.deleted) == ["ConfigMap shop/colours"]


def test_applying_the_same_again_changes_nothing(cluster: Cluster) -> None:
    cluster.apply(CONFIG, POD, deployment("web", replicas=2))
    cluster.run()
    revision = cluster.store.revision
    again = cluster.apply(CONFIG, POD, deployment("web", replicas=2))
    assert (again.created, again.changed, again.deleted) == ((), (), ())
    assert cluster.store.revision == revision


def test_what_others_added_stays(cluster: Cluster) -> None:
    cluster.apply(deployment("web"))
    live = cluster.get("Deployment", "web").raw
    meta = {**live["metadata"], "labels": {"seen": "yes"}}
    cluster.store.put({**live, "metadata": meta})
    cluster.apply(deployment("web", replicas=3))
    after = cluster.get("Deployment", "web").meta
    assert after.labels == {"seen": "yes"}
    assert after.annotations == {REVISION: "1"}


def test_what_the_files_no_longer_say_goes(cluster: Cluster) -> None:
    cluster.apply(CONFIG)
    cluster.apply(CONFIG.replace(", grass: green", "").replace(", team: red", ""))
    after = cluster.get("ConfigMap", "colours")
    assert after.raw["data"] == {"sky": "blue"}
    assert after.meta.labels == {"tier": "front"}


def test_an_object_made_by_api_becomes_the_files(cluster: Cluster) -> None:
    metadata = {"name": "colours", "namespace": "shop"}
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"sea": "blue"}}
    cluster.store.put(tree, source="api")
    assert names(cluster.apply(CONFIG).changed) == ["ConfigMap shop/colours"]
    assert cluster.get("ConfigMap", "colours").raw["data"] == {
        "sea": "blue",
        "sky": "blue",
        "grass": "green",
    }
    cluster.apply()
    assert cluster.find("ConfigMap", "colours") is None


def test_an_api_users_own_object_is_not_swept(cluster: Cluster) -> None:
    metadata = {"name": "mine", "namespace": "shop"}
    cluster.store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, source="api")
    assert cluster.apply(CONFIG).deleted == ()
    assert cluster.find("ConfigMap", "mine") is not None


def test_a_running_pod_that_should_run_something_else_ends_first(cluster: Cluster) -> None:
    cluster.apply(POD)
    cluster.run()
    applied = cluster.apply(POD.replace("app:1", "app:2"))
    assert names(applied.later) == ["Pod shop/lone"]
    assert is_terminating(cluster.get("Pod", "lone"))
    cluster.run()
    pod = cluster.get("Pod", "lone")
    assert pod_of(pod).spec.containers[0].image == "app:2"
    assert str(pod.origin().place) == "test.yaml:2"


def test_a_pod_that_comes_back_while_it_goes_is_made_anew(cluster: Cluster) -> None:
    cluster.apply(POD)
    cluster.run()
    old = cluster.get("Pod", "lone").meta.uid
    cluster.apply()
    cluster.apply(POD)
    cluster.run()
    assert cluster.get("Pod", "lone").meta.uid != old


def test_a_namespace_that_comes_back_while_it_goes_is_filled_anew(cluster: Cluster) -> None:
    cluster.apply(NAMESPACE, CONFIG, POD)
    cluster.run()
    cluster.apply()
    assert cluster.find("Namespace", "shop", "") is not None
    applied = cluster.apply(NAMESPACE, CONFIG)
    assert len(applied.later) == 2
    cluster.run()
    assert cluster.store.get(namespace_key("shop")) is not None
    assert cluster.find("ConfigMap", "colours") is not None


TREES = st.recursive(
    st.integers(0, 2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
MAPS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)


@given(last=MAPS, live=MAPS, wanted=MAPS)
def test_a_merge_has_all_that_is_wanted_and_repeats_to_itself(
    last: dict[str, Any], live: dict[str, Any], wanted: dict[str, Any]
) -> None:
    once = merged(last, live, wanted)
    assert merged(wanted, once, wanted) == once
    assert _covers(once, wanted)
    assert all(key in wanted for key in once if key in last)


def _covers(tree: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(tree == wanted)
    return isinstance(tree, dict) and all(k in tree and _covers(tree[k], wanted[k]) for k in wanted)


@pytest.mark.parametrize("live", [{"list": [3]}, {}])
def test_a_list_is_taken_whole(live: dict[str, Any]) -> None:
    assert merged({"list": [1]}, live, {"list": [1, 2]}) == {"list": [1, 2]}
