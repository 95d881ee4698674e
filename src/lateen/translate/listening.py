"""Collect the listeners that an app's calls arrive at, and settle who has an address and port.

In: services by way out, TableMaker.                    Out: Outbound values, problems.
Before: translate/scope.py, translate/rawroutes.py      After: translate/outbound.py

As in Istio: all HTTP of a port shares `0.0.0.0_PORT`; TCP and undeclared ports listen on the service's
own address; TLS to hosts without an address is told apart by server name. What a Sidecar's own
port has taken, a way out without one does not add to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.networks import network_of
from lateen.ir.plan import ANYWHERE, HttpOut, Outbound, SniffOut, SniOut, TcpOut
from lateen.ir.routes import Split
from lateen.translate.faults import taken
from lateen.translate.matches import Place
from lateen.translate.rawroutes import Raw, raw_outbound
from lateen.translate.scope import Way
from lateen.translate.tables import TableMaker
from lateen.world.model import Port, Protocol, Service, Shape
from lateen.world.protocols import protocol_named

_Key = tuple[str, int]  # address and port
Names = Iterable[tuple[str, tuple[Split, ...]]]
_Within = tuple[str, int, str]  # and a network, "" for every address


class Seen(Struct, frozen=True, kw_only=True):
    """One way out, and what is seen through it."""

    way: Way
    maker: TableMaker
    services: tuple[Service, ...]


@dataclass(slots=True)
class _Listeners:
    """Listeners by address and port, while they are collected; the first to come has the place."""

    at: dict[_Within, TcpOut | SniffOut | SniOut] = field(default_factory=dict)
    http: dict[_Key, HttpOut] = field(default_factory=dict)
    sni: dict[_Within, dict[str, tuple[Split, ...]]] = field(default_factory=dict)
    sni_origin: dict[_Within, Origin] = field(default_factory=dict)
    locked: frozenset[_Key] = frozenset()
    problems: list[Problem] = field(default_factory=list)

    def lock(self) -> None:
        """Leave what is there to those who have it."""
        self.locked = frozenset([*self.http, *(key[:2] for key in (*self.at, *self.sni))])

    def put(self, listener: TcpOut | SniffOut | SniOut) -> None:
        if (listener.address, listener.port) in self.locked:
            return
        key = (listener.address, listener.port, listener.within)
        winner = self.at.setdefault(key, listener)
        if winner != listener:
            what = f"{listener.within or listener.address}:{listener.port}"
            self.problems.append(taken(listener.origin, what, winner.origin))

    def put_names(self, port: Port, within: str, names: Names) -> None:
        """Add server names at any address of a network; the first to have a name keeps it."""
        if (ANYWHERE, port.number) in self.locked:
            return
        key = (ANYWHERE, port.number, within)
        known = self.sni.setdefault(key, {})
        for host, to in names:
            known.setdefault(host, to)
        self.sni_origin.setdefault(key, port.origin)

    def put_http(self, listener: HttpOut) -> None:
        key = (listener.address, listener.port)
        if key not in self.locked:
            self.http.setdefault(key, listener)


def listeners_of(seen: tuple[Seen, ...]) -> tuple[tuple[Outbound, ...], tuple[Problem, ...]]:
    """All listeners of a sidecar's outbound half, and what is wrong with the rules for them."""
    listeners = _Listeners()
    for each in seen:
        if not each.way.port:
            listeners.lock()
        for service in each.services:
            for port in _ports(service, each.way):
                _listen(each, service, port, listeners)
    outbound = _settled(listeners)
    return outbound, tuple(listeners.problems)


def _ports(service: Service, way: Way) -> tuple[Port, ...]:
    """The ports a service is called at: its own, or the Sidecar's."""
    if not way.port:
        return service.ports
    protocol = protocol_named(way.protocol)
    own = Port(number=way.port, name="", protocol=protocol, target=way.port, origin=way.origin)
    return (own,)


def _listen(seen: Seen, service: Service, port: Port, listeners: _Listeners) -> None:
    """Add what one port of a service needs."""
    way, maker = seen.way, seen.maker
    if port.protocol.is_http:
        listeners.put_http(
            HttpOut(
                port=port.number,
                table=str(port.number),
                address=way.bind or ANYWHERE,
                own=way.own,
                origin=port.origin,
            )
        )
        return
    place = Place(port=port.number, namespace=maker.sight.namespace, labels=maker.labels)
    rules = maker.sight.claims(service.host)
    raw = raw_outbound(service, _leading_to(service, port), rules, place, maker.sight.known)
    listeners.problems.extend(raw.problems)
    for address, within in _places(seen, service):
        if within is None:
            listeners.put(_at(address, service, port, raw.at(address), own=way.own))
            continue
        parts = ((within, raw.anywhere), *(raw.within if not within else ()))
        for network, part in parts:
            if port.protocol.is_tls:
                names = part.by_host or ((service.host, part.to),)
                listeners.put_names(port, network, names)
            else:
                made = _at(address, service, port, part, own=way.own, within=network)
                listeners.put(made)


def _places(seen: Seen, service: Service) -> list[tuple[str, str | None]]:
    """Where a service is called that has more than HTTP: addresses, or networks at any address."""
    if seen.way.bind:
        return [(seen.way.bind, None)]
    if service.shape is Shape.HEADLESS:
        instances = seen.maker.sight.index.world.instances_of(service)
        return [(each.address, None) for each in instances if each.ready]
    found: list[tuple[str, str | None]] = [(address, None) for address in service.addresses]
    found += [(ANYWHERE, network_of(each)) for each in service.ranges]
    if service.is_entry and not found:
        found = [(ANYWHERE, "")]
    return found


def _leading_to(service: Service, port: Port) -> Port:
    """Behind a Sidecar's own port, the service's port of that number or its only one."""
    if service.port(port.number) is None and len(service.ports) == 1:
        return replace(port, number=service.ports[0].number)
    return port


def _at(
    address: str, service: Service, port: Port, raw: Raw, *, own: bool, within: str = ""
) -> TcpOut | SniffOut | SniOut:
    """The listener of one address that is not plain HTTP."""
    number, origin = port.number, port.origin
    if port.protocol is Protocol.UNKNOWN:
        return SniffOut(
            address=address,
            port=number,
            table=f"{service.host}:{number}",
            to=raw.to,
            own=own,
            within=within,
            origin=origin,
        )
    if raw.by_host:
        return SniOut(
            address=address,
            port=number,
            by_host=raw.by_host,
            own=own,
            within=within,
            origin=origin,
        )
    return TcpOut(address=address, port=number, to=raw.to, own=own, within=within, origin=origin)


def _settled(listeners: _Listeners) -> tuple[Outbound, ...]:
    """Resolve what wants `0.0.0.0_PORT` more than once.

    HTTP and TCP there become one that recognises HTTP, as in Istio. TLS by server name can stand
    beside HTTP, but not beside TCP: it gives way.
    """
    found: dict[tuple[int, str, str, bool], Outbound] = {}
    for (address, port), requests in listeners.http.items():
        found[port, address, "", False] = requests
    for (address, port, within), listener in listeners.at.items():
        http = None if within else listeners.http.get((address, port))
        found[port, address, within, False] = _joined(http, listener) if http else listener
    for (address, port, within), by_host in listeners.sni.items():
        origin = listeners.sni_origin[address, port, within]
        winner = found.get((port, address, within, False))
        if winner and not isinstance(winner, HttpOut):
            what = f"{within or address}:{port}"
            listeners.problems.append(taken(origin, what, winner.origin))
            continue
        named = SniOut(
            port=port, by_host=tuple(sorted(by_host.items())), within=within, origin=origin
        )
        found[port, address, within, True] = named
    return tuple(found[key] for key in sorted(found))


def _joined(http: HttpOut, other: TcpOut | SniffOut | SniOut) -> Outbound:
    """HTTP and raw connections at one place: told apart by the first bytes."""
    if isinstance(other, SniOut):
        return other
    return SniffOut(
        address=other.address,
        port=other.port,
        table=http.table,
        to=other.to,
        own=other.own,
        origin=other.origin,
    )
