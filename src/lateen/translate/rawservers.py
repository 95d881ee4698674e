"""Where a gateway's servers send connections that it does not read as HTTP.

In: opened servers, the VirtualServices bound to their Gateways.    Out: GatewayTcp, GatewayPass, GatewayTls.
Before: translate/servers.py, translate/rawroutes.py                After: translate/gateways.py

As in Istio: a TCP server, or one that ends TLS and is not HTTPS, takes the first `tcp` rule of the oldest
VirtualService that concerns it; a server that passes TLS on takes all `tls` rules, a server name once;
AUTO_PASSTHROUGH passes on what the mesh's own clients say to its services.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from lateen.api.virtualservice import VirtualService
from lateen.base.problem import Problem
from lateen.ir.backends import BackendId
from lateen.ir.plan import GatewayPass, GatewayTcp, GatewayTls
from lateen.ir.routes import Split
from lateen.translate.hosts import covers
from lateen.translate.matches import Place
from lateen.translate.rawroutes import tcp_rule, tls_rules
from lateen.translate.servers import ServerPlace, Sort, shared_hosts
from lateen.translate.views import Sight
from lateen.world.model import Owned, Workload

Bound = Iterable[Owned[VirtualService]]
Spot = tuple[int, str]  # the pod's port, and the address listened at


@dataclass(slots=True, kw_only=True)
class RawServers:
    """The servers of one gateway workload that take raw connections, by the pod's port and address."""

    sight: Sight
    workload: Workload
    tcp: dict[Spot, GatewayTcp] = field(default_factory=dict)
    tls: dict[Spot, list[GatewayTls]] = field(default_factory=dict)
    passed: dict[Spot, list[GatewayPass]] = field(default_factory=dict)

    def add(self, server: ServerPlace, rules: Bound) -> list[Problem]:
        """Add a server; one that no rule concerns is not opened."""
        problems: list[Problem] = []
        if server.sort is Sort.AUTO:
            self._by_mesh_names(server)
            return problems
        bound = [rule for rule in rules if shared_hosts(server, rule)]
        if server.sort is Sort.PASSED:
            self._pass(server, bound, problems)
            return problems
        place = self._place(server)
        for rule in bound:
            to = tcp_rule(rule, place, self.sight.known(rule.namespace), problems)
            if to and server.ended:
                self.tls.setdefault(server.spot, []).append(replace(server.ended, to=to))
                break
            if to:
                self.tcp[server.spot] = GatewayTcp(to=to, origin=server.origin)
                break
        return problems

    def _pass(self, server: ServerPlace, rules: Bound, problems: list[Problem]) -> None:
        known = self.passed.setdefault(server.spot, [])
        taken = {host for each in known for host in each.hosts}
        place = self._place(server)
        for rule in rules:
            named: dict[str, GatewayPass] = {}
            for host, _, to in tls_rules(rule, place, self.sight.known(rule.namespace), problems):
                if host not in taken:
                    taken.add(host)
                    named[host] = GatewayPass(hosts=(host,), to=to, origin=server.origin)
            known.extend(named.values())
        if not known:
            del self.passed[server.spot]

    def _by_mesh_names(self, server: ServerPlace) -> None:
        """Each port and subset of the mesh's services, by the name its clients' mTLS gives."""
        known = self.passed.setdefault(server.spot, [])
        hosts = [host for _, host in server.hosts]
        for service in self.sight.services():
            if service.is_entry or not any(covers(host, service.host) for host in hosts):
                continue
            for port in service.ports:
                for subset in ("", *self.sight.rules(service).subsets):
                    id = BackendId(
                        host=service.host, port=port.number, subset=subset, as_it_is=True
                    )
                    to = (Split(backend=id, weight=100, origin=server.origin),)
                    name = f"outbound_.{id.port}_.{id.subset}_.{id.host}"
                    known.append(GatewayPass(hosts=(name,), to=to, origin=server.origin))

    def _place(self, server: ServerPlace) -> Place:
        return Place(
            port=server.port,
            namespace=self.workload.namespace,
            labels=self.workload.labels,
            gateways=frozenset({server.gateway}),
            tls=server.tls,
        )

    def backends(self) -> set[BackendId]:
        """Where they lead."""
        ways = [each.to for each in self.tcp.values()]
        ways += [each.to for many in self.tls.values() for each in many]
        ways += [each.to for several in self.passed.values() for each in several]
        return {split.backend for to in ways for split in to}
