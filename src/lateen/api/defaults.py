"""Fill in what Kubernetes fills in, where a user or a later stage sees it.

In: a raw tree that fits its kind.    Out: the tree with defaults.    Source: Kubernetes' API defaults.
Before: api/shape.py                  After: api/decode.py

Defaults that only later stages read stand in the structs. Istio's kinds have none of their own.
"""

from __future__ import annotations

import base64
from typing import Any


def with_defaults(group: str, kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    """A new tree; the one given is left as it is."""
    match group, kind:
        case "", "Service":
            return raw | {"spec": _service_spec(raw["spec"])}
        case "", "Secret":
            return _secret(raw)
        case "", "Pod":
            return raw | {"spec": _whole_pod_spec(raw["spec"])}
        case "apps", "Deployment":
            return raw | {"spec": _deployment_spec(raw["spec"])}
        case "apps", "ReplicaSet":
            spec = {"replicas": 1, **raw["spec"], "template": _template(raw["spec"]["template"])}
            return raw | {"spec": spec}
        case "apps", "StatefulSet":
            return raw | {"spec": _stateful_spec(raw["spec"])}
        case "apps", "DaemonSet":
            return raw | {"spec": _daemon_spec(raw["spec"])}
        case "", "PersistentVolumeClaim":
            return raw | {"spec": {"volumeMode": "Filesystem", **raw["spec"]}}
        case "autoscaling", "HorizontalPodAutoscaler":
            return raw | {"spec": {"minReplicas": 1, **raw["spec"]}}
        case "autoscaling.k8s.io", "VerticalPodAutoscaler":
            policy = {"updateMode": "Auto", **(raw["spec"].get("updatePolicy") or {})}
            return raw | {"spec": {**raw["spec"], "updatePolicy": policy}}
        case "networking.k8s.io", "NetworkPolicy":
            return raw | {"spec": _policy_spec(raw.get("spec", {}))}
        case "batch", "Job":
            return raw | {"spec": _job_spec(raw["spec"])}
        case "batch", "CronJob":
            return raw | {"spec": _cronjob_spec(raw["spec"])}
    return raw


def _service_spec(spec: dict[str, Any]) -> dict[str, Any]:
    made = {"type": "ClusterIP", "sessionAffinity": "None", **spec}
    if made["type"] != "ExternalName":
        made.setdefault("internalTrafficPolicy", "Cluster")
    if made["type"] in ("NodePort", "LoadBalancer"):
        made.setdefault("externalTrafficPolicy", "Cluster")
    if made["type"] == "LoadBalancer":
        made.setdefault("allocateLoadBalancerNodePorts", True)
    if made["sessionAffinity"] == "ClientIP":
        made.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    if "ports" in spec:
        made["ports"] = [
            {"protocol": "TCP", "targetPort": port["port"], **port} for port in spec["ports"]
        ]
    return made


def _secret(raw: dict[str, Any]) -> dict[str, Any]:
    plain = raw.get("stringData", {})
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
    made = {"type": "Opaque", **raw}
    made.pop("stringData", None)
    if encoded:
        made["data"] = raw.get("data", {}) | encoded
    return made


def _template(template: dict[str, Any]) -> dict[str, Any]:
    return template | {"spec": _pod_spec(template["spec"])}


def _pod_spec(spec: dict[str, Any]) -> dict[str, Any]:
    lists = [name for name in ("initContainers", "containers") if name in spec]
    return spec | {name: [_container(c) for c in spec[name]] for name in lists}


def _whole_pod_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Of a pod itself clients expect more: kubectl debug looks into securityContext unasked."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    defaults = {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }
    accounts = {"serviceAccountName": account, "serviceAccount": account}
    return {**defaults, **_pod_spec(spec), **accounts}


def _container(container: dict[str, Any]) -> dict[str, Any]:
    if "ports" not in container:
        return container
    return container | {"ports": [{"protocol": "TCP", **port} for port in container["ports"]]}


def _deployment_spec(spec: dict[str, Any]) -> dict[str, Any]:
    defaults = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    strategy = _strategy(spec.get("strategy", {}))
    return {**defaults, **spec, "strategy": strategy, "template": _template(spec["template"])}


def _stateful_spec(spec: dict[str, Any]) -> dict[str, Any]:
    defaults = {"replicas": 1, "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10}
    strategy = {"type": "RollingUpdate", **spec.get("updateStrategy", {})}
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"partition": 0, **strategy.get("rollingUpdate", {})}
    made = {**defaults, **spec, "updateStrategy": strategy}
    return made | {"template": _template(spec["template"])}


def _daemon_spec(spec: dict[str, Any]) -> dict[str, Any]:
    strategy = {"type": "RollingUpdate", **spec.get("updateStrategy", {})}
    if strategy["type"] == "RollingUpdate":
        rolling = {"maxSurge": 0, "maxUnavailable": 1, **strategy.get("rollingUpdate", {})}
        strategy["rollingUpdate"] = rolling
    made = {"revisionHistoryLimit": 10, **spec, "updateStrategy": strategy}
    return made | {"template": _template(spec["template"])}


def _job_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Without completions and parallelism both are 1; with a limit per index the common one is off."""
    limit = 2**31 - 1 if "backoffLimitPerIndex" in spec else 6
    made = {
        "parallelism": 1,
        "backoffLimit": limit,
        "completionMode": "NonIndexed",
        "suspend": False,
        **spec,
        "template": _template(spec["template"]),
    }
    return made if {"completions", "parallelism"} & set(spec) else made | {"completions": 1}


def _cronjob_spec(spec: dict[str, Any]) -> dict[str, Any]:
    defaults = {
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    }
    return defaults | spec


def _policy_spec(spec: dict[str, Any]) -> dict[str, Any]:
    types = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    made = {"podSelector": {}, **spec, "policyTypes": spec.get("policyTypes") or types}
    for direction in ("ingress", "egress"):
        if direction in spec:
            made[direction] = [_policy_rule(rule) for rule in spec[direction]]
    return made


def _policy_rule(rule: dict[str, Any]) -> dict[str, Any]:
    if "ports" not in rule:
        return rule
    return rule | {"ports": [{"protocol": "TCP", **port} for port in rule["ports"]]}


def _strategy(strategy: dict[str, Any]) -> dict[str, Any]:
    made = {"type": "RollingUpdate", **strategy}
    if made["type"] == "RollingUpdate":
        given = made.get("rollingUpdate", {})
        made["rollingUpdate"] = {"maxSurge": "25%", "maxUnavailable": "25%", **given}
    return made
