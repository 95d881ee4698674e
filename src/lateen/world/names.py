"""What the mesh's DNS answers, and where service addresses lead without a proxy.

In: World.    Out: NameRecord, AddressRecord.
Before: world/build.py        After: stages/ (which makes node/protocol.py's Directory of them)

Source: the Kubernetes DNS specification; ServiceEntry hosts as Istio's DNS proxy has them.
"""

from __future__ import annotations

from msgspec import Struct

from lateen.world.model import Instance, Service, Shape, World


class NameRecord(Struct, frozen=True, kw_only=True, order=True):
    """A lower-case name without a trailing dot, with its addresses or its canonical name."""

    name: str
    addresses: tuple[str, ...] = ()
    cname: str = ""


class AddressRecord(Struct, frozen=True, kw_only=True, order=True):
    """A Service's address and port, with the ready endpoints behind it.

    `outside`: clients of the host come to it as well. `affinity`: for how many seconds a client stays
    with its endpoint, 0 for not at all. `nodes`, if given, are the endpoints': a pod goes to those of
    its own node alone.
    """

    address: str
    port: int
    endpoints: tuple[tuple[str, int], ...] = ()
    outside: bool = False
    affinity: int = 0
    nodes: tuple[str, ...] = ()


def names(world: World) -> tuple[NameRecord, ...]:
    """All names of the mesh, sorted; one record for each name."""
    found: dict[str, NameRecord] = {}
    for host, claims in world.services.items():
        if host.startswith("*"):
            continue
        for service in claims:
            for record in _records(world, service):
                found.setdefault(record.name, record)
    return tuple(found[name] for name in sorted(found))


def _records(world: World, service: Service) -> list[NameRecord]:
    match service.shape:
        case Shape.EXTERNAL_NAME:
            return [NameRecord(name=service.host, cname=service.alias)]
        case Shape.HEADLESS:
            return _headless(service, _ready(world, service))
        case Shape.CLUSTER_IP:
            return [NameRecord(name=service.host, addresses=service.addresses)]
        case _:
            # Without an address of its own the name is left to the DNS outside.
            if not service.addresses:
                return []
            return [NameRecord(name=service.host, addresses=service.addresses)]


def _headless(service: Service, ready: tuple[Instance, ...]) -> list[NameRecord]:
    by_name: dict[str, list[str]] = {service.host: [i.address for i in ready]}
    for instance in ready:
        hostname = instance.hostname
        pod = instance.workload
        if not hostname and pod and pod.subdomain == service.name:
            hostname = pod.hostname
        if hostname:
            by_name.setdefault(f"{hostname}.{service.host}", []).append(instance.address)
    return [NameRecord(name=n.lower(), addresses=tuple(sorted(a))) for n, a in by_name.items()]


def _ready(world: World, service: Service) -> tuple[Instance, ...]:
    return tuple(i for i in world.instances_of(service) if i.ready)


def service_addresses(world: World) -> tuple[AddressRecord, ...]:
    """Every cluster IP and port with its ready endpoints, for those that have no proxy."""
    services = (service for some in world.services_in.values() for service in some)
    return tuple(sorted(record for each in services for record in addresses_of(world, each)))


def addresses_of(world: World, service: Service) -> tuple[AddressRecord, ...]:
    """Those of one Service."""
    ready = _ready(world, service)
    found: list[AddressRecord] = []
    for port in service.ports:
        there = tuple((i, number) for i in ready if (number := i.port(port.name)))
        endpoints = tuple((i.address, number) for i, number in there)
        nodes = tuple(i.workload.node if i.workload else "" for i, _ in there)
        found.extend(
            AddressRecord(
                address=address,
                port=port.number,
                endpoints=endpoints,
                outside=service.outside or bool(port.node),
                affinity=service.affinity_seconds,
                nodes=nodes if service.local else (),
            )
            for address in service.addresses
        )
    return tuple(found)
