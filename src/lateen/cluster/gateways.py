"""Provide the gateway workloads that Gateways ask for and nobody wrote.

In: Gateways, the user's Deployments.    Out: trees of ServiceAccounts, Deployments, Services.
Before: api/gateway.py        After: cluster/controlling.py
Source: Istio's gateway charts and injection template `gateway`, their names, labels and ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lateen.api.defaults import with_defaults
from lateen.api.gateway import Gateway
from lateen.api.objects import Obj
from lateen.base.errors import Bug
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import OWN, PROVIDED, Action, DeleteObject, PutObject
from lateen.cluster.deploymentstatus import deployment_of
from lateen.cluster.merging import overlaid

NAMESPACE = "istio-system"
GATEWAYS = {  # name and label `istio` of each workload lateen can provide, and its Service's type
    "istio-ingressgateway": ("ingressgateway", "LoadBalancer"),
    "istio-egressgateway": ("egressgateway", "ClusterIP"),
}
_ALWAYS = {15021: "status-port", 80: "http2", 443: "https"}
_KINDS = (("", "ServiceAccount"), ("apps", "Deployment"), ("", "Service"))


def gateway_objects(
    gateways: Sequence[Obj], deployments: Sequence[Obj], *, ingresses: bool = False
) -> tuple[dict[str, Any], ...]:
    """What runs the Gateways that none of these Deployments, the user's own, runs.

    `ingresses`: there are some that the ingress gateway is to serve.
    """
    unserved = [g for g in gateways if not _served(_selector(g), deployments)]
    made: list[dict[str, Any]] = []
    for name, (role, service_type) in GATEWAYS.items():
        labels = {"app": name, "istio": role}
        asking = [g for g in unserved if _selector(g).items() <= labels.items()]
        wanted = (
            ingresses and role == "ingressgateway" and not _served({"istio": role}, deployments)
        )
        if asking or wanted:
            made += _workload(name, labels, service_type, _server_ports(asking))
    return tuple(made)


def reconcile_gateways(
    wanted: Iterable[Mapping[str, Any]],
    find: Callable[[ObjectKey], Obj | None],
    source_of: Callable[[ObjectKey], str],
) -> tuple[Action, ...]:
    """Put the wanted objects and take back the others of lateen's own; never touch a user's."""
    trees = {(tree["kind"], tree["metadata"]["name"]): tree for tree in wanted}
    made: list[Action] = []
    for key in _provided_keys():
        found, tree = find(key), trees.get((key.kind, key.name))
        if found is not None and source_of(key) != PROVIDED:
            continue
        if tree is None:
            made += [DeleteObject(key=key)] if found else []
        elif found is None:
            made.append(PutObject(raw=tree, source=PROVIDED, manager=OWN))
        elif (merged := overlaid(found.raw, tree)) != found.raw:
            made.append(PutObject(raw=merged, manager=OWN))
    return tuple(made)


def _provided_keys() -> tuple[ObjectKey, ...]:
    return tuple(
        ObjectKey(group=group, kind=kind, namespace=NAMESPACE, name=_name_of(kind, name))
        for name in GATEWAYS
        for group, kind in _KINDS
    )


def _name_of(kind: str, workload: str) -> str:
    return f"{workload}-service-account" if kind == "ServiceAccount" else workload


def _gateway(obj: Obj) -> Gateway:
    if not isinstance(obj.typed, Gateway):
        raise Bug(f"{obj.key} is no Gateway")
    return obj.typed


def _selector(gateway: Obj) -> dict[str, str]:
    """Its selector; without one a Gateway is for every gateway workload, so the ingress runs it."""
    return _gateway(gateway).spec.selector or {"istio": "ingressgateway"}


def _served(selector: Mapping[str, str], deployments: Iterable[Obj]) -> bool:
    return any(
        selector.items() <= deployment_of(d).spec.template.metadata.labels.items()
        for d in deployments
    )


def _server_ports(gateways: Iterable[Obj]) -> dict[int, str]:
    servers = [server for g in gateways for server in _gateway(g).spec.servers]
    asked = {s.port.number: f"{s.port.protocol.lower()}-{s.port.number}" for s in servers}
    return _ALWAYS | {number: asked[number] for number in sorted(asked) if number not in _ALWAYS}


def _workload(
    name: str, labels: Mapping[str, str], service_type: str, ports: Mapping[int, str]
) -> list[dict[str, Any]]:
    account = _name_of("ServiceAccount", name)
    template = {
        "metadata": {
            "labels": {**labels, "sidecar.istio.io/inject": "true"},
            "annotations": {"inject.istio.io/templates": "gateway"},
        },
        "spec": {
            "serviceAccountName": account,
            "containers": [{"name": "istio-proxy", "image": "auto"}],
        },
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name, labels),
        "spec": {"replicas": 1, "selector": {"matchLabels": dict(labels)}, "template": template},
    }
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, labels),
        "spec": {
            "type": service_type,
            "selector": dict(labels),
            "ports": [
                {"name": word, "port": number, "targetPort": number, "protocol": "TCP"}
                for number, word in ports.items()
            ],
        },
    }
    if service_type == "LoadBalancer":
        # Its own ports are the host's already.
        service["spec"]["allocateLoadBalancerNodePorts"] = False
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(account, labels)},
        with_defaults("apps", "Deployment", deployment),
        with_defaults("", "Service", service),
    ]


def _metadata(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE, "labels": dict(labels)}
