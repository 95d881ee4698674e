"""What a gateway workload serves: ports, certificates, and routes of the VirtualServices bound to it.

In: Index, a gateway workload.    Out: GatewayView, problems.
Before: translate/servers.py, translate/routes.py        After: translate/plan.py

As in Istio, all HTTP servers of a port share the table `http.PORT`, each HTTPS server has its own,
and VirtualServices that share a host are joined in order of age.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from lateen.api.virtualservice import VirtualService
from lateen.base.origin import BUILT_IN, Origin
from lateen.base.problem import Problem
from lateen.ir.backends import Backend, EndpointSet
from lateen.ir.plan import (
    ANYWHERE,
    GatewayHttp,
    GatewayPort,
    GatewayTls,
    Role,
    RootSecret,
    TlsSecret,
)
from lateen.ir.routes import Route, RouteTable, VirtualHost
from lateen.translate.claims import visible
from lateen.translate.credentials import client_credentials
from lateen.translate.matches import Place, is_catch_all
from lateen.translate.rawservers import RawServers, Spot
from lateen.translate.routes import bound_gateways, translate_routes
from lateen.translate.servers import Opened, ServerPlace, Sort, open_servers, shared_hosts
from lateen.translate.used import backends_in, used_backends
from lateen.translate.views import Index, Sight, sight_of
from lateen.world.model import Owned, Workload


class GatewayView(Struct, frozen=True, kw_only=True):
    """A gateway's half of a plan."""

    ports: tuple[GatewayPort, ...]
    tables: tuple[RouteTable, ...]
    backends: tuple[Backend, ...]
    endpoints: tuple[EndpointSet, ...]
    secrets: tuple[TlsSecret, ...]
    roots: tuple[RootSecret, ...]


@dataclass(slots=True)
class _Hosts:
    """The virtual hosts of one table, while they are collected."""

    port: int
    routes: dict[str, list[Route]] = field(default_factory=dict)
    require_tls: set[str] = field(default_factory=set)
    origins: dict[str, Origin] = field(default_factory=dict)

    def add(self, host: str, routes: tuple[Route, ...], origin: Origin) -> None:
        self.routes.setdefault(host, []).extend(routes)
        self.origins.setdefault(host, origin)

    def table(self, name: str) -> RouteTable:
        if not self.routes:
            # Envoy answers 404 where a virtual host has no route.
            empty = VirtualHost(
                name=f"blackhole:{self.port}", domains=("*",), routes=(), origin=BUILT_IN
            )
            return RouteTable(name=name, hosts=(empty,))
        return RouteTable(
            name=name,
            hosts=tuple(
                VirtualHost(
                    name=f"{host}:{self.port}",
                    domains=(host,),
                    routes=_catch_all_last(self.routes[host]),
                    require_tls=host in self.require_tls,
                    origin=self.origins[host],
                )
                for host in sorted(self.routes)
            ),
        )


def gateway_view(index: Index, workload: Workload) -> tuple[GatewayView, tuple[Problem, ...]]:
    """All that a gateway does, but for who may use it."""
    opened, found = open_servers(index.world, workload)
    problems = [*index.problems, *found]
    bound: dict[str, list[Owned[VirtualService]]] = {}
    for rule in index.world.virtual_services:
        if not visible(rule, workload.namespace):
            continue
        for name in dict.fromkeys(bound_gateways(rule)):
            bound.setdefault(name, []).append(rule)
    sight = sight_of(index, workload)
    tables: dict[str, _Hosts] = {}
    raw = RawServers(sight=sight, workload=workload)
    for server in opened.servers:
        if not server.table:
            problems.extend(raw.add(server, bound.get(server.gateway, ())))
            continue
        hosts = tables.setdefault(server.table, _Hosts(port=server.port))
        for rule in bound.get(server.gateway, ()):
            problems.extend(_serve(server, rule, hosts, sight, workload))
        _redirect_only(server, hosts)
    made = tuple(tables[name].table(name) for name in sorted(tables))
    ports = _ports(opened, raw)
    used = used_backends(backends_in(made) | raw.backends(), sight, Role.GATEWAY)
    own, roots, lacking = client_credentials(used.backends, index.world, workload.namespace)
    view = GatewayView(
        ports=ports,
        tables=made,
        backends=used.backends,
        endpoints=used.endpoints,
        secrets=tuple(dict.fromkeys([*_used_secrets(opened, ports), *own])),
        roots=tuple(dict.fromkeys([*opened.roots, *roots])),
    )
    return view, tuple(dict.fromkeys([*problems, *used.problems, *lacking]))


def _serve(
    server: ServerPlace,
    rule: Owned[VirtualService],
    hosts: _Hosts,
    sight: Sight,
    workload: Workload,
) -> tuple[Problem, ...]:
    """Add the routes of one VirtualService for the hosts that it and the server share."""
    shared = shared_hosts(server, rule)
    if not shared:
        return ()
    place = Place(
        port=server.port,
        namespace=workload.namespace,
        labels=workload.labels,
        gateways=frozenset({server.gateway}),
        tls=server.tls,
    )
    translated = translate_routes(rule, place, sight.known(rule.namespace))
    if translated.routes:
        for host in shared:
            hosts.add(host, translated.routes, rule.origin("spec.hosts"))
            if server.https_redirect:
                hosts.require_tls.add(host)
    return translated.problems


def _redirect_only(server: ServerPlace, hosts: _Hosts) -> None:
    """A server that redirects to https does so for all of its hosts, routed or not."""
    if not server.https_redirect:
        return
    for _, host in server.hosts:
        hosts.add(host, (), server.origin)
        hosts.require_tls.add(host)


def _catch_all_last(routes: list[Route]) -> tuple[Route, ...]:
    """Joined VirtualServices: one that takes everything must not hide the others."""
    return tuple(sorted(routes, key=lambda r: is_catch_all(r.match)))


def _ports(opened: Opened, raw: RawServers) -> tuple[GatewayPort, ...]:
    """What listens where, of the servers that something can come of."""
    http: dict[Spot, GatewayHttp] = {}
    tls: dict[Spot, list[GatewayTls]] = {}
    for server in opened.servers:
        if server.sort is Sort.HTTP:
            made = GatewayHttp(table=server.table, origin=server.origin)
            http.setdefault(server.spot, made)
        elif server.sort is Sort.HTTPS and server.ended:
            tls.setdefault(server.spot, []).append(server.ended)
    for spot, ended in raw.tls.items():
        tls.setdefault(spot, []).extend(ended)
    return tuple(
        GatewayPort(
            port=spot[0],
            bind=spot[1],
            outward=spot[1] in (ANYWHERE, raw.workload.address),
            http=http.get(spot),
            tcp=raw.tcp.get(spot),
            tls=tuple(tls.get(spot, ())),
            passed=tuple(raw.passed.get(spot, ())),
        )
        for spot in sorted({*http, *tls, *raw.tcp, *raw.passed})
    )


def _used_secrets(opened: Opened, ports: tuple[GatewayPort, ...]) -> tuple[TlsSecret, ...]:
    named = {name for port in ports for tls in port.tls for name in tls.secrets}
    return tuple(s for s in opened.secrets if s.name in named)
