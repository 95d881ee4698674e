"""Build one frozen, indexed World from the objects of the store.

In: Obj of every kind.    Out: World.
Before: api/objects.py, world/services.py, world/workloads.py        After: translate/, check/

One pass sorts the objects by kind, one over each kind indexes it; nothing here looks at all pairs.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from msgspec import structs
from msgspec.structs import replace

from lateen.api.config import Secret
from lateen.api.destinationrule import DestinationRule
from lateen.api.envoyfilter import EnvoyFilter
from lateen.api.fields import Api
from lateen.api.gateway import Gateway
from lateen.api.meshconfig import MeshConfig, mesh_config_in
from lateen.api.networkpolicy import NetworkPolicy
from lateen.api.objects import Obj
from lateen.api.proxyconfig import ProxyConfig
from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.security import AuthorizationPolicy, PeerAuthentication
from lateen.api.sidecar import Sidecar
from lateen.api.telemetry import Telemetry
from lateen.api.virtualservice import VirtualService
from lateen.base.locality import locality_of
from lateen.world.addresses import allocate
from lateen.world.entries import selected_endpoints, selected_pods
from lateen.world.ingresses import from_ingresses
from lateen.world.model import (
    CLUSTER_DOMAIN,
    ROOT_NAMESPACE,
    Owned,
    SecretData,
    Service,
    Shape,
    Workload,
    World,
)
from lateen.world.needs import Needs
from lateen.world.services import entry_services, instances_by_service, service_of
from lateen.world.trustdomains import in_all_domains
from lateen.world.workloads import workload_of

T = TypeVar("T", bound=Api)

# What `discoverySelectors` do not hide: what proxies are, and the certificates of gateways.
_ALWAYS_THERE = frozenset(("Namespace", "Node", "Pod", "Secret", "ConfigMap"))


def world_of(
    objects: Iterable[Obj], *, trust_domain: str = CLUSTER_DOMAIN, needs: Needs | None = None
) -> World:
    """The world these objects describe. Kinds that say nothing of traffic are passed over."""
    by_kind: dict[str, list[Obj]] = {}
    for obj in objects:
        by_kind.setdefault(obj.key.kind, []).append(obj)
    mesh = mesh_config_in(by_kind.get("ConfigMap", ()))
    _discover(by_kind, mesh)
    trust_domain = mesh.trust_domain or trust_domain
    labels = {o.key.name: o.meta.labels for o in by_kind.get("Namespace", ())}
    places = {o.key.name: locality_of(o.meta.labels) for o in by_kind.get("Node", ())}
    workloads = {
        (o.key.namespace, o.key.name): workload_of(
            o, labels.get(o.key.namespace, {}), trust_domain, places, mesh
        )
        for o in sorted(by_kind.get("Pod", ()), key=lambda o: o.key)
    }
    services = [service_of(o) for o in by_kind.get("Service", ())]
    services = [_service_for(s, mesh.default_service_export_to) for s in services]
    entry_objects = by_kind.get("ServiceEntry", [])
    beside = selected_endpoints(entry_objects, by_kind.get("WorkloadEntry", ()), trust_domain)
    entries = [
        replace(s, endpoints=s.endpoints + beside.get((s.namespace, s.name), ()))
        for o in entry_objects
        for s in entry_services(o, trust_domain)
    ]
    ingresses = from_ingresses(
        by_kind.get("Ingress", ()), by_kind.get("IngressClass", ()), services, mesh
    )
    entries = [_service_for(e, mesh.default_service_export_to) for e in entries]
    return World(
        trust_domain=trust_domain,
        services=_by_host([*services, *_merged(_addressed(entries))]),
        services_in=_by_namespace(services),
        instances=instances_by_service(
            sorted(by_kind.get("EndpointSlice", ()), key=lambda o: o.key),
            lambda namespace, name: workloads.get((namespace, name)),
            by_address(workloads),
        ),
        entry_instances=selected_pods(entry_objects, by_kind.get("Pod", ()), workloads),
        workloads=workloads,
        virtual_services=_by_age(
            *_exported(
                _owned(by_kind.get("VirtualService", ()), VirtualService),
                mesh.default_virtual_service_export_to,
            ),
            *ingresses.virtual_services,
        ),
        destination_rules=_exported(
            _owned(by_kind.get("DestinationRule", ()), DestinationRule),
            mesh.default_destination_rule_export_to,
        ),
        gateways=_by_age(*_owned(by_kind.get("Gateway", ()), Gateway), *ingresses.gateways),
        ingress_secrets=ingresses.secrets,
        mesh=mesh,
        envoy_filters=_owned(by_kind.get("EnvoyFilter", ()), EnvoyFilter),
        proxy_configs=_owned(by_kind.get("ProxyConfig", ()), ProxyConfig),
        sidecars=_owned(by_kind.get("Sidecar", ()), Sidecar),
        peer_authentications=_owned(by_kind.get("PeerAuthentication", ()), PeerAuthentication),
        authorization_policies=_in_domains(
            _owned(by_kind.get("AuthorizationPolicy", ()), AuthorizationPolicy), mesh
        ),
        request_authentications=_owned(
            by_kind.get("RequestAuthentication", ()), RequestAuthentication
        ),
        needs=needs or {},
        telemetries=_owned(by_kind.get("Telemetry", ()), Telemetry),
        network_policies=_owned(by_kind.get("NetworkPolicy", ()), NetworkPolicy),
        namespace_labels=labels,
        secrets={
            (o.key.namespace, o.key.name): _secret(o)
            for o in sorted(by_kind.get("Secret", ()), key=lambda o: o.key)
        },
    )


def _discover(by_kind: dict[str, list[Obj]], mesh: MeshConfig) -> None:
    """Leave out what stands in namespaces that the mesh's settings do not select; pods stay."""
    if not mesh.discovery_selectors:
        return
    selected = {
        o.key.name
        for o in by_kind.get("Namespace", ())
        if any(each.matches(o.meta.labels) for each in mesh.discovery_selectors)
    } | {ROOT_NAMESPACE}
    for kind in by_kind.keys() - _ALWAYS_THERE:
        by_kind[kind] = [o for o in by_kind[kind] if o.key.namespace in selected]


def _owned(objects: Iterable[Obj], kind: type[T]) -> tuple[Owned[T], ...]:
    return _by_age(*(Owned(typed=o.typed, obj=o) for o in objects if isinstance(o.typed, kind)))


def _by_age(*owned: Owned[T]) -> tuple[Owned[T], ...]:
    return tuple(sorted(owned, key=lambda o: o.age))


def _in_domains(
    policies: tuple[Owned[AuthorizationPolicy], ...], mesh: MeshConfig
) -> tuple[Owned[AuthorizationPolicy], ...]:
    """Policies as they are meant where the mesh's trust domain has other names."""
    if not (mesh.trust_domain or mesh.trust_domain_aliases):
        return policies
    domains = (mesh.trust_domain or CLUSTER_DOMAIN, *mesh.trust_domain_aliases)
    return tuple(replace(p, typed=in_all_domains(p.typed, domains)) for p in policies)


def _service_for(service: Service, default: tuple[str, ...]) -> Service:
    return replace(service, export_to=service.export_to or default) if default else service


R = TypeVar("R", VirtualService, DestinationRule)


def _exported(rules: tuple[Owned[R], ...], default: tuple[str, ...]) -> tuple[Owned[R], ...]:
    """Rules that do not say for whom they are there are for whom the mesh says."""
    if not default:
        return rules
    return tuple(
        rule if rule.typed.spec.export_to else replace(rule, typed=_for(rule.typed, default))
        for rule in rules
    )


def _for(rule: R, namespaces: tuple[str, ...]) -> R:
    spec = structs.replace(rule.spec, export_to=namespaces)
    return structs.replace(rule, spec=spec)


def by_address(workloads: Mapping[tuple[str, str], Workload]) -> dict[str, Workload]:
    """The pods that have an address and have not ended."""
    return {w.address: w for w in workloads.values() if w.address and not w.ended}


def _by_namespace(services: Iterable[Service]) -> dict[str, tuple[Service, ...]]:
    found: dict[str, list[Service]] = {}
    for service in sorted(services, key=lambda s: s.age):
        found.setdefault(service.namespace, []).append(service)
    return {namespace: tuple(found[namespace]) for namespace in sorted(found)}


def _by_host(services: Iterable[Service]) -> dict[str, tuple[Service, ...]]:
    found: dict[str, list[Service]] = {}
    for service in sorted(services, key=lambda s: s.age):
        found.setdefault(service.host, []).append(service)
    return {host: tuple(found[host]) for host in sorted(found)}


def _addressed(entries: list[Service]) -> list[Service]:
    """Give an address to the hosts that need one.

    As in Istio: not to wildcards, and not where the address dialled is itself the destination.
    """
    lacking = [
        e
        for e in sorted(entries, key=lambda e: (e.created, e.host))
        if not (e.addresses or e.ranges or e.host.startswith("*") or e.shape is Shape.ENTRY_NONE)
    ]
    given = allocate(e.host for e in lacking)
    needy = {id(e) for e in lacking}
    return [
        replace(e, addresses=(given[e.host],)) if id(e) in needy and e.host in given else e
        for e in entries
    ]


def _merged(entries: list[Service]) -> list[Service]:
    """Join entries of one namespace for one host: the oldest, with the further ports of others."""
    found: dict[tuple[str, str], Service] = {}
    for entry in sorted(entries, key=lambda e: e.age):
        key = (entry.namespace, entry.host)
        first = found.get(key)
        if first is None:
            found[key] = entry
            continue
        known = {p.number for p in first.ports}
        further = tuple(p for p in entry.ports if p.number not in known)
        found[key] = replace(first, ports=first.ports + further)
    return list(found.values())


def _secret(obj: Obj) -> SecretData:
    try:
        return SecretData(content=cast("Secret", obj.typed).content())
    except (binascii.Error, ValueError):  # not base64: whoever needs it finds nothing there
        return SecretData(content={})
