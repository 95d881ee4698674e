"""Index what a set of objects provides, so that references into it can be looked up.

In: objects.                Out: Inventory: hosts, subsets, gateways, Secrets, workloads ….
Before: check/hosts.py      After: check/routing.py, check/selecting.py
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from lateen.api.batch import Job
from lateen.api.config import ConfigMap, Secret, ServiceAccount
from lateen.api.destinationrule import DestinationRule
from lateen.api.fields import Labels
from lateen.api.gateway import Gateway
from lateen.api.ingress import CLASS, CONTROLLER, IngressClass
from lateen.api.meshconfig import MeshConfig, mesh_config_in
from lateen.api.objects import Obj
from lateen.api.pod import Pod, PodSpec
from lateen.api.service import Service
from lateen.api.serviceentry import ServiceEntry
from lateen.api.sets import DaemonSet, StatefulSet
from lateen.api.workload import Deployment, ReplicaSet
from lateen.check.hosts import covers

ROOT_NAMESPACE = "istio-system"
CLUSTER_DOMAIN = "svc.cluster.local"
_MANY = 500  # names to compare a misspelt one with


class Workload(Struct, frozen=True, kw_only=True):
    """Pods of one template: where they are, their labels, and who they run as."""

    namespace: str
    labels: Labels
    service_account: str = "default"
    port_names: frozenset[str] = frozenset()


# Lateen makes this gateway itself; its Service and Deployment may not be in the store yet.
OWN_HOSTS = (f"istio-ingressgateway.{ROOT_NAMESPACE}.{CLUSTER_DOMAIN}",)
OWN_WORKLOADS = (
    Workload(
        namespace=ROOT_NAMESPACE,
        labels={"app": "istio-ingressgateway", "istio": "ingressgateway"},
        service_account="istio-ingressgateway-service-account",
    ),
)

# And this one, as soon as a Gateway asks for it that no other workload runs.
EGRESS_HOST = f"istio-egressgateway.{ROOT_NAMESPACE}.{CLUSTER_DOMAIN}"
EGRESS_WORKLOAD = Workload(
    namespace=ROOT_NAMESPACE,
    labels={"app": "istio-egressgateway", "istio": "egressgateway"},
    service_account="istio-egressgateway-service-account",
)
_ALWAYS = frozenset({80, 443, 15021})  # ports of its Service, besides those of its Gateways


class Provided(Struct, frozen=True, kw_only=True):
    """A host that is there: its ports (None: any), and its Service if it is one."""

    ports: frozenset[int] | None
    namespace: str = ""
    service: Service | None = None


class Inventory(Struct, frozen=True, kw_only=True):
    """Everything others may refer to."""

    hosts: Mapping[str, Provided]
    wildcards: Sequence[tuple[str, Provided]]
    rules: Mapping[str, Sequence[tuple[str, frozenset[str]]]]  # by host: namespace, subset names
    gateways: Mapping[str, Gateway]
    workloads: Sequence[Workload]
    secrets: Mapping[tuple[str, str], Secret]
    config_maps: Mapping[tuple[str, str], ConfigMap]
    accounts: frozenset[tuple[str, str]]
    namespaces: frozenset[str]
    mesh: MeshConfig
    ingress_classes: Mapping[str, str]  # who sees to each
    labelled: Mapping[tuple[str, str, str], Sequence[Workload]]  # by namespace, label and value
    identities: frozenset[tuple[str, str]]  # namespace and service account of workloads
    by_short_name: Mapping[str, str]  # the first host of each short name
    rule_wildcards: Sequence[str]  # hosts of DestinationRules that are patterns

    def host(self, host: str, namespace: str) -> Provided | None:
        """What provides a host as written in an object of that namespace."""
        full = full_host(host, namespace)
        if found := self.hosts.get(full) or self.hosts.get(host):
            return found
        return next((p for pattern, p in self.wildcards if covers(pattern, full)), None)

    def has_subset(self, host: str, subset: str, namespace: str) -> bool:
        """Whether a DestinationRule that host's clients in that namespace see defines the subset."""
        full = full_host(host, namespace)
        found = self.host(host, namespace)
        near = {namespace, ROOT_NAMESPACE, found.namespace if found else namespace}
        patterns = [full, *(pattern for pattern in self.rule_wildcards if covers(pattern, full))]
        return any(
            subset in subsets and rule_namespace in near
            for pattern in patterns
            for rule_namespace, subsets in self.rules.get(pattern, ())
        )

    def similar_host(self, host: str, namespace: str) -> str:
        """What may have been meant: the same name elsewhere, or a similar one."""
        short = host.split(".", maxsplit=1)[0]
        if elsewhere := self.by_short_name.get(short):
            return elsewhere
        local = [h.split(".")[0] for h, p in self.hosts.items() if p.namespace == namespace]
        names = [*local, *self.hosts]
        if len(names) > _MANY:  # comparing takes time; who slips seldom misses the first letter
            names = [name for name in names if name[:1] == host[:1]]
        found = difflib.get_close_matches(host, names, n=1, cutoff=0.75)
        return found[0] if found else ""

    def selected(self, labels: Labels, namespace: str | None) -> list[Workload]:
        """Workloads that carry the labels, in one namespace or (None) in all."""
        inside = self.workloads
        if labels and namespace is not None:
            inside = self.labelled.get((namespace, *next(iter(labels.items()))), ())
        return [
            w
            for w in inside
            if namespace in (None, w.namespace) and labels.items() <= w.labels.items()
        ]


def full_host(host: str, namespace: str) -> str:
    """A short name means the Service of that name in the object's own namespace; else as written."""
    if "." in host or "*" in host:
        return host.removesuffix(".")
    return f"{host}.{namespace}.{CLUSTER_DOMAIN}"


def inventory_of(
    objects: Sequence[Obj],
    *,
    extra_hosts: Collection[str] = OWN_HOSTS,
    extra_workloads: Sequence[Workload] = OWN_WORKLOADS,
) -> Inventory:
    """Index the objects, and what exists besides them."""
    hosts: dict[str, Provided] = {host: Provided(ports=None) for host in extra_hosts}
    wildcards: list[tuple[str, Provided]] = []
    rules: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for obj in objects:
        match obj.typed:
            case Service() as service:
                hosts[full_host(obj.key.name, obj.key.namespace)] = _provided(service, obj)
            case ServiceEntry() as entry:
                ports = frozenset(port.number for port in entry.spec.ports)
                for host in entry.spec.hosts:
                    if host.startswith("*"):
                        wildcards.append((host, Provided(ports=ports)))
                    else:
                        hosts[host] = Provided(ports=ports, namespace=obj.key.namespace)
            case DestinationRule() as rule:
                names = frozenset(subset.name for subset in rule.spec.subsets)
                host = full_host(rule.spec.host, obj.key.namespace)
                rules.setdefault(host, []).append((obj.key.namespace, names))
            case _:
                pass
    workloads = [w for obj in objects if (w := _workload(obj))]
    gateways = {_name(o): o.typed for o in objects if isinstance(o.typed, Gateway)}
    if ports := _egress_ports(gateways.values(), workloads):
        hosts.setdefault(EGRESS_HOST, Provided(ports=ports, namespace=ROOT_NAMESPACE))
        workloads.append(EGRESS_WORKLOAD)
    workloads += extra_workloads
    return Inventory(
        hosts=hosts,
        wildcards=wildcards,
        rules=rules,
        gateways=gateways,
        workloads=workloads,
        labelled=_labelled(workloads),
        identities=frozenset((w.namespace, w.service_account) for w in workloads),
        by_short_name={host.split(".")[0]: host for host in sorted(hosts, reverse=True)},
        rule_wildcards=[host for host in rules if "*" in host],
        secrets={_pair(o): o.typed for o in objects if isinstance(o.typed, Secret)},
        config_maps={_pair(o): o.typed for o in objects if isinstance(o.typed, ConfigMap)},
        accounts=frozenset(_pair(o) for o in objects if isinstance(o.typed, ServiceAccount)),
        namespaces=frozenset(
            o.key.namespace or o.key.name for o in objects if o.key.namespace or _is_namespace(o)
        )
        | {w.namespace for w in extra_workloads},
        mesh=mesh_config_in(objects),
        ingress_classes={CLASS: CONTROLLER}
        | {
            o.key.name: o.typed.spec.controller
            for o in objects
            if isinstance(o.typed, IngressClass)
        },
    )


def _egress_ports(gateways: Iterable[Gateway], workloads: Sequence[Workload]) -> frozenset[int]:
    """The ports of the egress gateway that lateen will make for these; none without need of it."""
    asking = [
        spec
        for gateway in gateways
        if (spec := gateway.spec).selector
        and spec.selector.items() <= EGRESS_WORKLOAD.labels.items()
        and not any(spec.selector.items() <= w.labels.items() for w in workloads)
    ]
    ports = {server.port.number for spec in asking for server in spec.servers}
    return _ALWAYS | ports if asking else frozenset()


def _provided(service: Service, obj: Obj) -> Provided:
    ports = frozenset(port.port for port in service.spec.ports)
    external = service.spec.type == "ExternalName" and not ports
    return Provided(ports=None if external else ports, namespace=obj.key.namespace, service=service)


def _workload(obj: Obj) -> Workload | None:
    match obj.typed:
        case Pod(metadata=metadata, spec=spec):
            return _workload_of(obj, metadata.labels, spec)
        case (
            Deployment(spec=workload)
            | ReplicaSet(spec=workload)
            | Job(spec=workload)
            | StatefulSet(spec=workload)
            | DaemonSet(spec=workload)
        ):
            return _workload_of(obj, workload.template.metadata.labels, workload.template.spec)
    return None


def _workload_of(obj: Obj, labels: Labels, spec: PodSpec) -> Workload:
    return Workload(
        namespace=obj.key.namespace,
        labels=labels,
        service_account=spec.service_account_name or "default",
        port_names=frozenset(p.name for c in spec.containers for p in c.ports if p.name),
    )


def _pair(obj: Obj) -> tuple[str, str]:
    return obj.key.namespace, obj.key.name


def _name(obj: Obj) -> str:
    return f"{obj.key.namespace}/{obj.key.name}"


def _is_namespace(obj: Obj) -> bool:
    return obj.key.kind == "Namespace" and not obj.key.group


def _labelled(
    workloads: Sequence[Workload],
) -> Mapping[tuple[str, str, str], Sequence[Workload]]:
    found: dict[tuple[str, str, str], list[Workload]] = {}
    for workload in workloads:
        for key, value in workload.labels.items():
            found.setdefault((workload.namespace, key, value), []).append(workload)
    return found
