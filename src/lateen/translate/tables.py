"""Route tables of sidecars: for each HTTP port one table of all hosts, as Istio names them.

In: Sight, MeshRules, a proxy's labels.    Out: RouteTable, problems.
Before: translate/claims.py                After: translate/outbound.py
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from lateen.api.virtualservice import VirtualService
from lateen.base.origin import BUILT_IN, Origin
from lateen.base.problem import Problem
from lateen.ir.match import ANY_REQUEST
from lateen.ir.routes import Action, Elsewhere, Forward, Route, RouteTable, Split, VirtualHost
from lateen.translate.claims import MeshRules, looks_at_source
from lateen.translate.hosts import covers, host_forms, is_wild
from lateen.translate.matches import Place
from lateen.translate.routes import Translated, default_route, translate_routes
from lateen.translate.views import Sight
from lateen.world.model import Owned, Port, Protocol, Service, Shape

# Istio gives hosts that are no service of the mesh a virtual host on this port only.
_FOREIGN_PORT = 80


class TableMaker(Struct, frozen=True, kw_only=True):
    """What all tables of one group of proxies are made from."""

    sight: Sight
    rules: MeshRules
    labels: Mapping[str, str]
    aliases: Mapping[str, tuple[str, ...]]  # ExternalName hosts by the host they lead to
    allow_any: bool
    egress_proxy: Split | None = None

    def table(self, port: int, services: tuple[Service, ...]) -> tuple[RouteTable, list[Problem]]:
        """The table `PORT`: a virtual host for each service with that port, and a catch-all."""
        done: dict[int, Translated] = {}
        hosts: list[VirtualHost] = []
        problems: list[Problem] = []
        domains = _Domains({s.host for s in services})
        matched: list[Owned[VirtualService]] = []
        for service in services:
            rule, routes, origin = self._routes(service, port, done)
            if rule:
                matched.append(rule)
            made = domains.new(self._domains(service), service.host)
            if made:
                hosts.append(self._host(f"{service.host}:{port}", made, routes, origin))
        for host, rule in self._foreign(port, services, matched):
            routes = self._translated(rule, port, done).routes
            made = domains.new([host], host)
            if made and routes:
                hosts.append(self._host(f"{host}:{port}", made, routes, rule.origin("spec.hosts")))
        for translated in done.values():
            problems.extend(translated.problems)
        hosts.sort(key=lambda h: h.name)
        if domains.free("*"):
            hosts.append(_catch_all(self.allow_any, self.egress_proxy))
        return RouteTable(name=str(port), hosts=tuple(hosts)), problems

    def own_table(self, service: Service, port: int) -> tuple[RouteTable, list[Problem]]:
        """The table `HOST:PORT` of one service whose listener is its own."""
        done: dict[int, Translated] = {}
        _, routes, origin = self._routes(service, port, done)
        name = f"{service.host}:{port}"
        found = [p for translated in done.values() for p in translated.problems]
        return RouteTable(name=name, hosts=(self._host(name, ("*",), routes, origin),)), found

    def host_again(
        self, host: VirtualHost, service: Service, port: int, done: dict[int, Translated]
    ) -> VirtualHost:
        """A table's virtual host of a service, by the rules as they are now; `done` collects them."""
        _, routes, origin = self._routes(service, port, done)
        return self._host(host.name, host.domains, routes, origin)

    def _routes(
        self, service: Service, port: int, done: dict[int, Translated]
    ) -> tuple[Owned[VirtualService] | None, tuple[Route, ...], Origin]:
        for rule in self.sight.claims(service.host):
            made = self._translated(rule, port, done)
            if made.routes:
                return rule, made.routes, rule.origin("spec.hosts")
        index = self.sight.index
        routes = index.once(
            default_route, service, port, self.sight.rules(service), index.world.mesh
        )
        return None, routes, service.origin

    def _translated(
        self, rule: Owned[VirtualService], port: int, done: dict[int, Translated]
    ) -> Translated:
        """The routes of one rule on this port, worked out once however many hosts it has."""
        if id(rule) not in done:
            done[id(rule)] = self._shared(rule, port) or self._own(rule, port)
        return done[id(rule)]

    def _own(self, rule: Owned[VirtualService], port: int) -> Translated:
        place = Place(port=port, namespace=self.sight.namespace, labels=self.labels)
        return translate_routes(rule, place, self.sight.known(rule.namespace))

    def _shared(self, rule: Owned[VirtualService], port: int) -> Translated | None:
        """What is the same for most proxies, worked out once for all of them; None for the others."""
        index = self.sight.index
        if looks_at_source(rule.typed) or not index.destinations.same_for_most(
            self.sight.namespace
        ):
            return None
        key = (id(rule), port)
        if key not in index.routes:
            index.routes[key] = self._own(rule, port)
        return index.routes[key]

    def _host(
        self, name: str, domains: tuple[str, ...], routes: tuple[Route, ...], origin: Origin
    ) -> VirtualHost:
        """A virtual host, the same object in all tables that have it with these very routes."""
        hosts = self.sight.index.hosts
        key = (name, domains, id(routes))
        if key not in hosts:
            hosts[key] = VirtualHost(name=name, domains=domains, routes=routes, origin=origin)
        return hosts[key]

    def _foreign(
        self,
        port: int,
        services: tuple[Service, ...],
        matched: list[Owned[VirtualService]],
    ) -> list[tuple[str, Owned[VirtualService]]]:
        """Hosts of VirtualServices that no service on this port has."""
        known = {s.host for s in services}
        active = {id(rule) for rule in matched}
        seen = {host: self.sight.claims_at(host) for host in self.rules.by_host}
        return [
            (host, same[0])
            for host, same in seen.items()
            if same
            and host not in known
            and (port == _FOREIGN_PORT or id(same[0]) in active)
            and not (is_wild(host) and any(covers(host, k) for k in known))
        ]

    def _domains(self, service: Service) -> list[str]:
        namespace = self.sight.namespace
        forms = host_forms(service.host, namespace)
        for alias in self.aliases.get(service.host, ()):
            forms.extend(host_forms(alias, namespace))
        if service.shape is Shape.HEADLESS:
            forms = [*forms, *(f"*.{form}" for form in forms)]
        return [*forms, *service.addresses]


class _Domains:
    """The domains of one table; each may stand there once, or Envoy refuses the whole table."""

    def __init__(self, full: set[str]) -> None:
        self._full = full
        self._taken: set[str] = set()

    def free(self, domain: str) -> bool:
        return domain not in self._taken

    def new(self, domains: list[str], host: str) -> tuple[str, ...]:
        """Those nobody has; a short form never takes the full name of another host."""
        made = []
        for domain in domains:
            lower = domain.lower()
            if lower in self._taken or (lower != host and lower in self._full):
                continue
            self._taken.add(lower)
            made.append(lower)
        return tuple(made)


def sniffed_or_http(port: Port) -> bool:
    """Whether requests to the port can be routed as HTTP."""
    return port.protocol.is_http or port.protocol is Protocol.UNKNOWN


def aliases_of(sight: Sight) -> dict[str, tuple[str, ...]]:
    """ExternalName hosts by the full name of the service they lead to."""
    found: dict[str, list[str]] = {}
    for host in sight.index.world.services:
        own = sight.index.world.service(host, sight.namespace)
        if own and own.shape is Shape.EXTERNAL_NAME:
            target = sight.service(host)
            if target:
                found.setdefault(target.host, []).append(host)
    return {host: tuple(sorted(names)) for host, names in found.items()}


def _catch_all(allow_any: bool, egress_proxy: Split | None) -> VirtualHost:
    """What becomes of a host that nobody knows."""
    name = "allow_any" if allow_any else "block_all"
    action: Action = Elsewhere.PASSTHROUGH if allow_any else Elsewhere.BLACK_HOLE
    if allow_any and egress_proxy:
        action = Forward(splits=(egress_proxy,))
    route = Route(name=name, match=ANY_REQUEST, action=action, origin=BUILT_IN)
    return VirtualHost(name=name, domains=("*",), routes=(route,), origin=BUILT_IN)
