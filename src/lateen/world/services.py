"""Hosts of the mesh, from Services and ServiceEntries, and the addresses behind them.

In: Service, ServiceEntry, EndpointSlice objects; workloads.    Out: Service, Instance.
Before: world/model.py, world/workloads.py                      After: world/build.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import cast

from lateen.api.objects import Obj
from lateen.api.service import EndpointSlice
from lateen.api.service import Service as ApiService
from lateen.api.serviceentry import ServiceEntry, WorkloadEntrySpec
from lateen.base.locality import parse_locality
from lateen.world.model import (
    CLUSTER_DOMAIN,
    EntryEndpoint,
    Instance,
    Port,
    Service,
    Shape,
    Workload,
)
from lateen.world.protocols import protocol_named, protocol_of

_DISTRIBUTION = "networking.istio.io/traffic-distribution"
_OWNER_LABEL = "kubernetes.io/service-name"
_RESOLUTIONS = {
    "STATIC": Shape.ENTRY_STATIC,
    "NONE": Shape.ENTRY_NONE,
    "": Shape.ENTRY_NONE,
    "DYNAMIC_DNS": Shape.ENTRY_ASKED,
}


def is_ip(text: str) -> bool:
    """Whether a text is an IP address (not a range, not a name)."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def service_of(obj: Obj) -> Service:
    """Read one Kubernetes Service."""
    spec = cast("ApiService", obj.typed).spec
    ips = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    if spec.type == "ExternalName":
        shape = Shape.EXTERNAL_NAME
    elif spec.cluster_ip == "None":
        shape = Shape.HEADLESS
    else:
        shape = Shape.CLUSTER_IP
    return Service(
        host=f"{obj.key.name}.{obj.key.namespace}.svc.{CLUSTER_DOMAIN}",
        name=obj.key.name,
        namespace=obj.key.namespace,
        shape=shape,
        ports=tuple(
            Port(
                number=port.port,
                name=port.name,
                protocol=protocol_of(port.app_protocol, port.name, port.port),
                target=port.port if port.target_port is None else port.target_port,
                node=port.node_port,
                origin=obj.origin(f"spec.ports[{index}]"),
            )
            for index, port in enumerate(spec.ports)
            if port.protocol == "TCP"
        ),
        addresses=tuple(ip for ip in ips if shape is Shape.CLUSTER_IP and is_ip(ip)),
        selector=tuple(sorted(spec.selector.items())),
        alias=spec.external_name.rstrip(".").lower(),
        export_to=_exported_to(obj),
        distribution=spec.traffic_distribution or obj.meta.annotations.get(_DISTRIBUTION, ""),
        outside=spec.type == "LoadBalancer",
        affinity_seconds=spec.affinity_seconds,
        local=spec.internal_traffic_policy == "Local",
        created=obj.meta.creation_timestamp or "",
        origin=obj.origin(),
    )


def _exported_to(obj: Obj) -> tuple[str, ...]:
    """The namespaces a Service is there for, by Istio's annotation."""
    written = obj.meta.annotations.get("networking.istio.io/exportTo", "")
    return tuple(word.strip() for word in written.split(",") if word.strip())


def identities_in(namespace: str, trust_domain: str) -> str:
    """How the SPIFFE URIs of a namespace's service accounts begin."""
    return f"spiffe://{trust_domain}/ns/{namespace}/sa/"


def endpoint_of(
    spec: WorkloadEntrySpec, labels: Mapping[str, str], identities: str
) -> EntryEndpoint:
    """Read one endpoint of a ServiceEntry; `identities` is how those of its namespace begin."""
    account = spec.service_account
    return EntryEndpoint(
        address=spec.address,
        ports=tuple(sorted(spec.ports.items())),
        labels=tuple(sorted(labels.items())),
        weight=max(spec.weight, 1),
        locality=parse_locality(spec.locality),
        identity=identities + account if account else "",
    )


def entry_services(obj: Obj, trust_domain: str) -> tuple[Service, ...]:
    """Read one ServiceEntry: a service for each of its hosts."""
    spec = cast("ServiceEntry", obj.typed).spec
    ports = tuple(
        Port(
            number=port.number,
            name=port.name,
            protocol=protocol_named(port.protocol)
            if port.protocol
            else protocol_of(None, port.name, port.number),
            target=port.target_port or port.number,
            origin=obj.origin(f"spec.ports[{index}]"),
        )
        for index, port in enumerate(spec.ports)
        if port.protocol.upper() != "UDP"
    )
    identities = identities_in(obj.key.namespace, trust_domain)
    endpoints = tuple(endpoint_of(e, e.labels, identities) for e in spec.endpoints if e.address)
    return tuple(
        Service(
            host=host.lower(),
            name=obj.key.name,
            namespace=obj.key.namespace,
            shape=_RESOLUTIONS.get(spec.resolution, Shape.ENTRY_DNS),
            ports=ports,
            addresses=tuple(a for a in spec.addresses if is_ip(a)),
            ranges=tuple(a for a in spec.addresses if not is_ip(a)),
            endpoints=endpoints,
            sans=tuple(spec.subject_alt_names),
            export_to=tuple(spec.export_to),
            created=obj.meta.creation_timestamp or "",
            origin=obj.origin(f"spec.hosts[{index}]"),
        )
        for index, host in enumerate(spec.hosts)
    )


def owner_of(piece: Obj) -> str:
    """The Service whose endpoints an EndpointSlice lists; "" if it names none."""
    return piece.meta.labels.get(_OWNER_LABEL, "")


def instances_by_service(
    slices: Iterable[Obj],
    workload_at: Callable[[str, str], Workload | None],
    by_address: Mapping[str, Workload],
) -> dict[tuple[str, str], tuple[Instance, ...]]:
    """All addresses behind each Service, from its EndpointSlices, sorted by address.

    An address that several slices name is ready if one says so, and has the ports of all.
    """
    found: dict[tuple[str, str], dict[str, Instance]] = {}
    for obj in slices:
        owner = owner_of(obj)
        if not owner:
            continue
        known = found.setdefault((obj.key.namespace, owner), {})
        for instance in _slice_instances(obj, workload_at, by_address):
            known[instance.address] = _joined(known.get(instance.address), instance)
    return {key: tuple(known[a] for a in sorted(known)) for key, known in sorted(found.items())}


def _slice_instances(
    obj: Obj,
    workload_at: Callable[[str, str], Workload | None],
    by_address: Mapping[str, Workload],
) -> Iterable[Instance]:
    piece = cast("EndpointSlice", obj.typed)
    ports = tuple((p.name, p.port) for p in piece.ports if p.port and p.protocol == "TCP")
    for endpoint in piece.endpoints:
        ref = endpoint.target_ref
        workload = None
        if ref and ref.kind == "Pod":
            workload = workload_at(ref.namespace or obj.key.namespace, ref.name)
        for address in endpoint.addresses[:1]:
            yield Instance(
                address=address,
                ports=ports,
                ready=endpoint.conditions.ready is not False,
                hostname=endpoint.hostname or "",
                workload=workload or by_address.get(address),
            )


def _joined(old: Instance | None, new: Instance) -> Instance:
    if old is None:
        return new
    return Instance(
        address=new.address,
        ports=tuple(sorted({*old.ports, *new.ports})),
        ready=old.ready or new.ready,
        hostname=old.hostname or new.hostname,
        workload=old.workload or new.workload,
    )
