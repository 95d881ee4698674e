"""Collect the listeners that an app's calls arrive at, and settle who has an address and port.

In: services by way out, TableMaker.                    Out: Outbound values, problems.
Before: translate/scope.py, translate/rawroutes.py      After: translate/outbound.py

As in Istio: all HTTP of a port shares `0.0.0.0_PORT`; TCP and undeclared ports listen on the service's
own address; TLS to hosts without an address is told apart by server name. What a Sidecar's own
port has taken, a way out without one does not add to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.plan import ANYWHERE, HttpOut, Outbound, SniffOut, SniOut, TcpOut
from lateen.ir.routes import Split
from lateen.translate.faults import taken
from lateen.translate.matches import Place
from lateen.translate.rawroutes import RawOutbound, raw_outbound
from lateen.translate.scope import Way
from lateen.translate.tables import TableMaker
from lateen.world.model import Port, Protocol, Service, Shape
from lateen.world.protocols import protocol_named

_Key = tuple[str, int]  # address and port


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One way out, and what is seen through it."""

    way: Way
    maker: TableMaker
    services: tuple[Service, ...]


@dataclass(slots=True)
class _Listeners:
    """Listeners by address and port, while they are collected; the first to come has the place."""

    at: dict[_Key, TcpOut | SniffOut | SniOut] = field(default_factory=dict)
    http: dict[_Key, HttpOut] = field(default_factory=dict)
    sni: dict[_Key, dict[str, tuple[Split, ...]]] = field(default_factory=dict)
    sni_origin: dict[_Key, Origin] = field(default_factory=dict)
    locked: frozenset[_Key] = frozenset()
    problems: list[Problem] = field(default_factory=list)

    def lock(self) -> None:
        """Leave what is there to those who have it."""
        self.locked = frozenset([*self.at, *self.http, *self.sni])

    def put(self, listener: TcpOut | SniffOut | SniOut) -> None:
        key = (listener.address, listener.port)
        if key in self.locked:
            return
        if key not in self.at:
            self.at[key] = listener
            return
        winner = self.at[key]
        if winner != listener:
            what = f"{listener.address}:{listener.port}"
            self.problems.append(taken(listener.origin, what, winner.origin))

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
    addresses = (way.bind,) if way.bind else service.addresses
    if service.shape is Shape.HEADLESS and not way.bind:
        instances = maker.sight.index.world.instances_of(service)
        addresses = tuple(i.address for i in instances if i.ready)
    elif service.is_entry and not addresses:
        key = (ANYWHERE, port.number)
        if port.protocol.is_tls:
            if key in listeners.locked:
                return
            named = listeners.sni.setdefault(key, {})
            for host, to in raw.by_host or ((service.host, raw.to),):
                named.setdefault(host, to)
            listeners.sni_origin.setdefault(key, port.origin)
            return
        addresses = (ANYWHERE,)
    for address in addresses:
        listeners.put(_at(address, service, port, raw, own=way.own))


def _leading_to(service: Service, port: Port) -> Port:
    """Behind a Sidecar's own port, the service's port of that number or its only one."""
    if service.port(port.number) is None and len(service.ports) == 1:
        return replace(port, number=service.ports[0].number)
    return port


def _at(
    address: str, service: Service, port: Port, raw: RawOutbound, *, own: bool
) -> TcpOut | SniffOut | SniOut:
    """The listener of one address that is not plain HTTP."""
    number, origin = port.number, port.origin
    if port.protocol is Protocol.UNKNOWN:
        table = f"{service.host}:{number}"
        return SniffOut(
            address=address, port=number, table=table, to=raw.to, own=own, origin=origin
        )
    if raw.by_host:
        return SniOut(address=address, port=number, by_host=raw.by_host, own=own, origin=origin)
    return TcpOut(address=address, port=number, to=raw.to, own=own, origin=origin)


def _settled(listeners: _Listeners) -> tuple[Outbound, ...]:
    """Resolve what wants `0.0.0.0_PORT` more than once.

    HTTP and TCP there become one that recognises HTTP, as in Istio. TLS by server name can stand
    beside HTTP, but not beside TCP: it gives way.
    """
    found: dict[tuple[int, str], Outbound] = {}
    for (address, port), http in listeners.http.items():
        found[port, address] = http
    for (address, port), listener in listeners.at.items():
        http_too = listeners.http.get((address, port))
        if http_too and not isinstance(listener, SniOut):
            found[port, address] = SniffOut(
                address=address,
                port=port,
                table=http_too.table,
                to=listener.to,
                own=listener.own,
                origin=listener.origin,
            )
        else:
            found[port, address] = listener
    for (address, port), by_host in listeners.sni.items():
        origin = listeners.sni_origin[address, port]
        winner = found.get((port, address))
        if winner and not isinstance(winner, HttpOut):
            listeners.problems.append(taken(origin, f"{address}:{port}", winner.origin))
            continue
        named = SniOut(port=port, by_host=tuple(sorted(by_host.items())), origin=origin)
        found[port, f"{address} by name"] = named
    return tuple(found[key] for key in sorted(found))
