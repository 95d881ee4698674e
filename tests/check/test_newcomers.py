"""Who may come into a namespace: LimitRange, ResourceQuota and Pod Security, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.base.origin import ObjectKey
from lateen.check.newcomers import Newcomer, welcome
from lateen.check.podsecurity import Standard, violations
from lateen.store.memory import MemoryStore

Tree = dict[str, Any]


def namespaced(kind: str, name: str, spec: Tree, **more: Any) -> Tree:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec, **more}


def container(**resources: Tree) -> Tree:
    return {"name": "app", "image": "web", "resources": resources}


def pod(name: str, *containers: Tree, **more: Any) -> Tree:
    return namespaced("Pod", name, {"containers": list(containers or (container(),))}, **more)


def limit_range(**item: Any) -> Tree:
    return namespaced("LimitRange", "bounds", {"limits": [{"type": "Container"} | item]})


def quota(**hard: str) -> Tree:
    named = {name.replace("_", "."): quantity for name, quantity in hard.items()}
    return namespaced("ResourceQuota", "team", {"hard": named})


def namespace(**labels: str) -> Tree:
    named = {f"pod-security.kubernetes.io/{mode}": level for mode, level in labels.items()}
    metadata = {"name": "default", "labels": named}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def asked(tree: Tree, *there: Tree) -> Newcomer:
    store = MemoryStore()
    for other in there:
        store.put(other)
    key = ObjectKey(group="", kind=tree["kind"], namespace="default", name=tree["metadata"]["name"])
    return welcome(store, key, tree)


def test_a_container_gets_the_defaults_it_does_not_say() -> None:
    bounds = limit_range(default={"cpu": "500m"}, defaultRequest={"cpu": "100m", "memory": "64Mi"})
    made = asked(pod("web", container(requests={"memory": "32Mi"})), bounds)
    assert made.raw["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m"},
        "requests": {"memory": "32Mi", "cpu": "100m"},
    }


def test_a_limit_is_also_the_request() -> None:
    made = asked(pod("web", container(limits={"cpu": "2"})), limit_range(max={"cpu": "2"}))
    assert made.raw["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2"}
    assert made.refusal == ""


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"limits": {"cpu": "3"}}, "maximum cpu usage per Container is 2, but limit is 3"),
        (
            {"requests": {"cpu": "10m"}, "limits": {"cpu": "1"}},
            "minimum cpu usage per Container is 100m, but request is 10m",
        ),
        (
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "2"}},
            "cpu max limit to request ratio per Container is 10, but provided ratio is 20.000000",
        ),
    ],
)
def test_beyond_a_bound_nothing_comes_in(resources: Tree, words: str) -> None:
    bounds = limit_range(min={"cpu": "100m"}, max={"cpu": "2"}, maxLimitRequestRatio={"cpu": "10"})
    assert words in asked(pod("web", container(**resources)), bounds).refusal


def test_a_quota_counts_objects_and_what_they_ask_for() -> None:
    there = pod("one", container(requests={"cpu": "600m"}))
    second = pod("two", container(requests={"cpu": "600m"}))
    made = asked(second, quota(requests_cpu="1", pods="5"), there)
    assert made.refusal == (
        "exceeded quota: team, requested: requests.cpu=600m, used: requests.cpu=600m, "
        "limited: requests.cpu=1"
    )
    assert asked(second, quota(requests_cpu="1200m"), there).refusal == ""
    assert asked(second, quota(pods="1"), there).refusal.startswith("exceeded quota: team")
    ended = there | {"status": {"phase": "Succeeded"}}
    assert asked(second, quota(pods="1"), ended).refusal == ""


def test_under_a_quota_of_cpu_every_container_says_its_own() -> None:
    made = asked(pod("web"), quota(limits_memory="1Gi", cpu="1"))
    assert made.refusal == "failed quota: team: must specify cpu for: app; limits.memory for: app"


def test_a_quota_counts_other_kinds_too() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap"}
    one, two = (config | {"metadata": {"name": n, "namespace": "default"}} for n in ("a", "b"))
    tree = namespaced("ResourceQuota", "team", {"hard": {"count/configmaps": "1"}})
    assert asked(two, tree, one).refusal == (
        "exceeded quota: team, requested: count/configmaps=1, used: count/configmaps=1, "
        "limited: count/configmaps=1"
    )


def test_enforce_refuses_and_warn_warns() -> None:
    privileged = container() | {"securityContext": {"privileged": True}}
    made = asked(pod("web", privileged), namespace(enforce="baseline", warn="restricted"))
    assert made.refusal == (
        'violates PodSecurity "baseline:latest": privileged (container "app" must not set '
        "securityContext.privileged=true)"
    )
    made = asked(pod("web"), namespace(enforce="baseline", warn="restricted"))
    assert made.refusal == ""
    assert made.warnings[0].startswith('would violate PodSecurity "restricted:latest": allowPriv')
    made = asked(pod("web"), namespace(enforce="nonsense"))
    assert (made.refusal, made.warnings) == ("", ())


def priority_class(name: str, **more: Any) -> Tree:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        **more,
    }


def with_spec(**spec: Any) -> Tree:
    made = pod("web")
    return made | {"spec": made["spec"] | spec}


def test_a_pod_has_the_priority_of_its_class() -> None:
    never = priority_class("high", value=10, preemptionPolicy="Never")
    spec = asked(with_spec(priorityClassName="high"), never).raw["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (10, "Never")
    spec = asked(pod("web"), priority_class("usual", value=3, globalDefault=True)).raw["spec"]
    assert (spec["priority"], spec["priorityClassName"]) == (3, "usual")
    spec = asked(with_spec(priorityClassName="system-node-critical")).raw["spec"]
    assert spec["priority"] == 2_000_001_000
    spec = asked(pod("web")).raw["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"priorityClassName": "none"}, "no PriorityClass with name none was found"),
        ({"priority": 5}, "the integer value of priority (5) must not be provided in pod spec;"),
    ],
)
def test_a_priority_nobody_gave_is_refused(spec: Tree, words: str) -> None:
    assert asked(with_spec(**spec)).refusal.startswith(words)


def test_a_pod_outlasts_its_node_for_a_while_unless_it_says_how_long() -> None:
    ready = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 5}
    made = asked(with_spec(tolerations=[ready | {"effect": "NoExecute"}])).raw["spec"]
    assert [(t["key"], t["tolerationSeconds"]) for t in made["tolerations"]] == [
        ("node.kubernetes.io/not-ready", 5),
        ("node.kubernetes.io/unreachable", 300),
    ]
    everything = [{"operator": "Exists"}]
    assert asked(with_spec(tolerations=everything)).raw["spec"]["tolerations"] == everything


GOOD: Tree = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "app",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            },
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def test_a_pod_that_keeps_every_rule() -> None:
    assert violations(GOOD, Standard.RESTRICTED) == ()


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"hostNetwork": True, "hostPID": True}, "baseline", "host namespaces (hostNetwork=true"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "baseline", "hostPath volumes"),
        ({"volumes": [{"name": "a", "nfs": {}}]}, "restricted", "restricted volume types"),
        (
            {"containers": [{"name": "a", "ports": [{"hostPort": 80}]}]},
            "baseline",
            "hostPort (container",
        ),
        (
            {
                "containers": [
                    {
                        "name": "a",
                        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
                    }
                ]
            },
            "baseline",
            'must not include "SYS_ADMIN"',
        ),
        (
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
            "baseline",
            "seccompProfile (pod must not",
        ),
        ({"securityContext": {}}, "restricted", "runAsNonRoot != true"),
        ({"securityContext": {"runAsUser": 0}}, "restricted", "runAsUser=0"),
        ({"securityContext": {}}, "restricted", "seccompProfile (pod or container"),
        ({"containers": [{"name": "a"}]}, "restricted", "allowPrivilegeEscalation != false"),
        ({"containers": [{"name": "a"}]}, "restricted", "unrestricted capabilities"),
    ],
)
def test_each_rule_that_is_broken_is_named(change: Tree, level: str, words: str) -> None:
    assert any(words in said for said in violations(GOOD | change, Standard(level)))
    assert violations(GOOD | change, Standard.PRIVILEGED) == ()
