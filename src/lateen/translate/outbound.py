"""The outbound half of sidecars: listeners, route tables, backends, once for all that see the same.

In: Index, View.    Out: OutboundView.
Before: translate/tables.py, translate/backends.py        After: translate/plan.py

As in Istio: all HTTP of a port shares `0.0.0.0_PORT` and one table; TCP and undeclared ports listen
on the service's own address; TLS to hosts without an address is told apart by server name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.backends import Backend, BackendId, EndpointSet
from lateen.ir.plan import (
    ANYWHERE,
    HttpOut,
    Outbound,
    Role,
    RootSecret,
    SniffOut,
    SniOut,
    TcpOut,
    TlsSecret,
)
from lateen.ir.routes import RouteTable, Split
from lateen.translate.backends import service_backends
from lateen.translate.credentials import client_credentials
from lateen.translate.faults import range_ignored, taken
from lateen.translate.matches import Place
from lateen.translate.rawroutes import RawOutbound, raw_outbound
from lateen.translate.scope import ALL_OF_IT, Scope, chosen_for
from lateen.translate.tables import TableMaker, aliases_of, sniffed_or_http
from lateen.translate.used import backends_in, used_backends
from lateen.translate.views import Index, Sight
from lateen.world.model import Port, Protocol, Service, Shape, Workload


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class View:
    """What two sidecars must share to be told the same: namespace, labels some rule looks at, scope."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    allow_any: bool = True
    scope: Scope = ALL_OF_IT


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundView:
    """The outbound half of every sidecar of one view."""

    view: View
    outbound: tuple[Outbound, ...]
    tables: tuple[RouteTable, ...]
    backends: tuple[Backend, ...]
    endpoints: tuple[EndpointSet, ...]
    secrets: tuple[TlsSecret, ...]
    roots: tuple[RootSecret, ...]
    problems: tuple[Problem, ...]


def view_of(index: Index, workload: Workload, *, allow_any: bool = True) -> View:
    """The view a workload's sidecar has."""
    have = workload.labels
    keys = sorted({*index.mesh.source_keys, *index.destinations.source_keys})
    labels = tuple((k, have[k]) for k in keys if k in have)
    chosen = chosen_for(index.world.sidecars, workload)
    policy = index.world.mesh.outbound_traffic_policy
    allow_any = allow_any and (policy is None or policy.mode != "REGISTRY_ONLY")
    return View(
        namespace=workload.namespace,
        labels=labels,
        allow_any=allow_any if chosen.allow_any is None else chosen.allow_any,
        scope=chosen.scope,
    )


@dataclass(slots=True)
class _Listeners:
    """Listeners by address and port, while they are collected; the first to come has the place."""

    at: dict[tuple[str, int], TcpOut | SniffOut | SniOut] = field(default_factory=dict)
    http: dict[int, Origin] = field(default_factory=dict)
    sni: dict[int, dict[str, tuple[Split, ...]]] = field(default_factory=dict)
    sni_origin: dict[int, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def put(self, listener: TcpOut | SniffOut | SniOut) -> None:
        key = (listener.address, listener.port)
        if key not in self.at:
            self.at[key] = listener
            return
        winner = self.at[key]
        if winner != listener:
            what = f"{listener.address}:{listener.port}"
            self.problems.append(taken(listener.origin, what, winner.origin))


def outbound_view(index: Index, view: View) -> OutboundView:
    """Work out the outbound half for all sidecars of a view."""
    sight = Sight(index=index, namespace=view.namespace, labels=dict(view.labels), scope=view.scope)
    services = sight.services()
    maker = TableMaker(
        sight=sight,
        rules=index.mesh,
        labels=dict(view.labels),
        aliases=aliases_of(sight),
        allow_any=view.allow_any,
    )
    problems = list(index.problems)
    backends: list[Backend] = []
    endpoints: list[EndpointSet] = []
    listeners = _Listeners()
    for service in services:
        made = service_backends(
            index.world, service, sight.rules(service), index.mtls, Role.SIDECAR
        )
        backends.extend(made.backends)
        endpoints.extend(made.endpoints)
        problems.extend(made.problems)
        problems.extend(range_ignored(service.origin, text) for text in service.ranges)
        for port in service.ports:
            _listen(maker, service, port, listeners)
    secrets, roots, lacking = client_credentials(backends, index.world, view.namespace)
    problems.extend(lacking)
    outbound = _settled(listeners)
    tables, found = _tables(maker, services, outbound)
    wanted = backends_in(tables) | _poured(outbound)
    further = used_backends(wanted - {b.id for b in backends}, sight, Role.SIDECAR)
    backends.extend(further.backends)
    endpoints.extend(further.endpoints)
    problems.extend(further.problems)
    return OutboundView(
        view=view,
        outbound=outbound,
        tables=tables,
        backends=tuple(sorted(backends, key=lambda b: b.id)),
        endpoints=tuple(sorted(endpoints, key=lambda e: e.id)),
        secrets=secrets,
        roots=roots,
        problems=tuple(dict.fromkeys([*problems, *listeners.problems, *found])),
    )


def _listen(maker: TableMaker, service: Service, port: Port, listeners: _Listeners) -> None:
    """Add what one port of a service needs."""
    if port.protocol.is_http:
        listeners.http.setdefault(port.number, port.origin)
        return
    place = Place(port=port.number, namespace=maker.sight.namespace, labels=maker.labels)
    rules = maker.sight.claims(service.host)
    raw = raw_outbound(service, port, rules, place, maker.sight.known)
    listeners.problems.extend(raw.problems)
    addresses = service.addresses
    if service.shape is Shape.HEADLESS:
        instances = maker.sight.index.world.instances_of(service)
        addresses = tuple(i.address for i in instances if i.ready)
    elif service.is_entry and not addresses:
        if port.protocol.is_tls:
            named = listeners.sni.setdefault(port.number, {})
            for host, to in raw.by_host or ((service.host, raw.to),):
                named.setdefault(host, to)
            listeners.sni_origin.setdefault(port.number, port.origin)
            return
        addresses = (ANYWHERE,)
    for address in addresses:
        listeners.put(_at(address, service, port, raw))


def _poured(outbound: tuple[Outbound, ...]) -> set[BackendId]:
    """The backends that get raw connections."""
    found: set[BackendId] = set()
    for part in outbound:
        match part:
            case TcpOut() | SniffOut():
                found.update(split.backend for split in part.to)
            case SniOut():
                found.update(split.backend for _, to in part.by_host for split in to)
            case HttpOut():
                pass
    return found


def _at(address: str, service: Service, port: Port, raw: RawOutbound) -> TcpOut | SniffOut | SniOut:
    """The listener of one address that is not plain HTTP."""
    if port.protocol is Protocol.UNKNOWN:
        table = f"{service.host}:{port.number}"
        return SniffOut(
            address=address, port=port.number, table=table, to=raw.to, origin=port.origin
        )
    if raw.by_host:
        return SniOut(address=address, port=port.number, by_host=raw.by_host, origin=port.origin)
    return TcpOut(address=address, port=port.number, to=raw.to, origin=port.origin)


def _settled(listeners: _Listeners) -> tuple[Outbound, ...]:
    """Resolve what wants `0.0.0.0_PORT` more than once.

    HTTP and TCP there become one that recognises HTTP, as in Istio. TLS by server name can stand
    beside HTTP, but not beside TCP: it gives way.
    """
    found: dict[tuple[int, str], Outbound] = {}
    for port, origin in listeners.http.items():
        found[port, ANYWHERE] = HttpOut(port=port, table=str(port), origin=origin)
    for (address, port), listener in listeners.at.items():
        if (port, address) in found and not isinstance(listener, SniOut):
            found[port, address] = SniffOut(
                address=address,
                port=port,
                table=str(port),
                to=listener.to,
                origin=listener.origin,
            )
        else:
            found[port, address] = listener
    for port, by_host in listeners.sni.items():
        origin = listeners.sni_origin[port]
        winner = found.get((port, ANYWHERE))
        if winner and not isinstance(winner, HttpOut):
            listeners.problems.append(taken(origin, f"{ANYWHERE}:{port}", winner.origin))
            continue
        named = SniOut(port=port, by_host=tuple(sorted(by_host.items())), origin=origin)
        found[port, f"{ANYWHERE} by name"] = named
    return tuple(found[key] for key in sorted(found))


def _tables(
    maker: TableMaker, services: tuple[Service, ...], outbound: tuple[Outbound, ...]
) -> tuple[tuple[RouteTable, ...], list[Problem]]:
    """The tables that listeners name."""
    by_host = {s.host: s for s in services}
    made: dict[str, RouteTable] = {}
    problems: list[Problem] = []
    for listener in outbound:
        if isinstance(listener, TcpOut | SniOut) or listener.table in made:
            continue
        if isinstance(listener, SniffOut) and listener.table != str(listener.port):
            owner = by_host[listener.table.rpartition(":")[0]]
            made[listener.table], found = maker.own_table(owner, listener.port)
        else:
            here = tuple(s for s in services if _routable(s, listener.port))
            made[listener.table], found = maker.table(listener.port, here)
        problems.extend(found)
    return tuple(made[name] for name in sorted(made)), problems


def _routable(service: Service, number: int) -> bool:
    port = service.port(number)
    return port is not None and sniffed_or_http(port)
