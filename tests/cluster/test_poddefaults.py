"""A pod has in it what clients expect of every pod, whoever made it."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.api.defaults import with_defaults
from tests.cluster.simulated import Cluster, deployment


def spec_of(**given: Any) -> dict[str, Any]:
    raw = {"spec": {"containers": [{"name": "app", "image": "x"}], **given}}
    found: dict[str, Any] = with_defaults("", "Pod", raw)["spec"]
    return found


def test_what_is_not_said_is_filled_in_and_what_is_said_stays() -> None:
    spec = spec_of(restartPolicy="Never")
    assert (spec["restartPolicy"], spec["dnsPolicy"]) == ("Never", "ClusterFirst")
    assert (spec["securityContext"], spec["terminationGracePeriodSeconds"]) == ({}, 30)
    assert with_defaults("", "Pod", {"spec": spec})["spec"] == spec


@pytest.mark.parametrize(
    ("given", "account"),
    [
        ({}, "default"),
        ({"serviceAccountName": "web"}, "web"),
        ({"serviceAccount": "old"}, "old"),
        ({"serviceAccountName": "web", "serviceAccount": "old"}, "web"),
    ],
)
def test_the_account_has_its_older_name_as_well(given: dict[str, str], account: str) -> None:
    spec = spec_of(**given)
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == (account, account)


def test_pods_of_controllers_have_it_too() -> None:
    cluster = Cluster()
    cluster.apply(deployment("web"))
    (pod,) = cluster.store.list(kind="Pod")
    assert pod.raw["spec"]["securityContext"] == {}
    assert pod.raw["spec"]["serviceAccountName"] == "default"
