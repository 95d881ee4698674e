"""What a pod may dial by number where its proxy calls only what the mesh knows (REGISTRY_ONLY).

In: ProxyPlan.                      Out: ByNumber, or None: anything.
Before: translate/plan.py           After: stages/bordering.py

A proxy dials a mere address for two kinds of services: those whose endpoints are outside of the sandbox
(a Service with Endpoints of its own), and those without any, that are found by whoever calls
(a ServiceEntry of resolution NONE) or by the proxy (DYNAMIC_DNS). Whatever else leaves is asked for by name. What is let by here
is what the proxy itself would let by, so that going around it opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lateen.api.meshconfig import MeshConfig
from lateen.ir.backends import Backend, BackendId, Balance, InMesh, OriginateTls, Outside
from lateen.ir.border import ByNumber
from lateen.ir.plan import ANYWHERE, HttpOut, Outbound, ProxyPlan, Role, SniffOut, SniOut, TcpOut
from lateen.ir.routes import Forward, RouteTable, Split, VirtualHost

_ALL = "0.0.0.0/0"
_HTTPS = 443
_Known = dict[BackendId, Backend]


def only_registry(mesh: MeshConfig) -> bool:
    """The mesh's own mode."""
    policy = mesh.outbound_traffic_policy
    return policy is not None and policy.mode == "REGISTRY_ONLY"


def is_held(plan: ProxyPlan, *, only_registry: bool) -> bool:
    """Whether a plan's pod may call only what the mesh knows.

    A sidecar's plan says so itself: unknown traffic that has to go by an egress proxy does not leave
    from here. A gateway has no such traffic, and goes by the mesh's own mode.
    """
    if plan.proxy.role is Role.GATEWAY:
        return only_registry
    return not plan.allow_any or plan.egress_proxy is not None


def registry_of(plan: ProxyPlan, *, only_registry: bool) -> tuple[ByNumber, ...] | None:
    """All that a plan's pod may dial by number, sorted; None where it may dial anything."""
    if not is_held(plan, only_registry=only_registry):
        return None
    found = {*_endpoints(plan), *_as_dialled(plan)}
    return tuple(sorted(each for each in found if ":" not in each.network))  # pods have no IPv6


def _endpoints(plan: ProxyPlan) -> Iterator[ByNumber]:
    """Endpoints that are no pods."""
    for each in plan.endpoints:
        for endpoint in each.endpoints:
            if not endpoint.namespace:
                yield ByNumber(network=f"{endpoint.address}/32", port=endpoint.port)


def _as_dialled(plan: ProxyPlan) -> Iterator[ByNumber]:
    """Services without endpoints, whose callers bring the address."""
    found = {each.id for each in plan.endpoints}
    known = {
        backend.id: backend
        for backend in plan.backends
        if backend.balance is Balance.PASSTHROUGH
        and (isinstance(backend.discovery, InMesh) or backend.discovery.asked)
        and backend.id not in found
    }
    if not known:
        return
    tables = {table.name: table for table in plan.tables}
    for part in plan.outbound:
        if not part.own:  # at such a port the address dialled is the proxy's
            yield from _claimed(part, known, tables)


def _claimed(part: Outbound, known: _Known, tables: dict[str, RouteTable]) -> Iterator[ByNumber]:
    match part:
        case HttpOut():
            network = _network(part.address, "")
            yield from _by_host(tables[part.table], known, network, part.port)
        case TcpOut():
            yield from _raw(part.to, known, _network(part.address, part.within), part.port)
        case SniffOut():
            network = _network(part.address, part.within)
            raw = tuple(_raw(part.to, known, network, part.port))
            yield from raw or _by_host(tables[part.table], known, network, part.port)
        case SniOut():
            network = _network(part.address, part.within)
            for host, to in part.by_host:
                hosts = _names([host], [s.backend for s in to], known)
                if hosts is not None:
                    yield ByNumber(network=network, port=part.port, hosts=hosts)


def _network(address: str, within: str) -> str:
    if within:
        return within
    return _ALL if address == ANYWHERE else f"{address}/32"


def _raw(to: tuple[Split, ...], known: _Known, network: str, port: int) -> Iterator[ByNumber]:
    """Bytes that say nothing of a name."""
    if any(split.backend in known for split in to):
        yield ByNumber(network=network, port=port)


def _by_host(table: RouteTable, known: _Known, network: str, port: int) -> Iterator[ByNumber]:
    for host in table.hosts:
        backends = [split.backend for split in _splits(host)]
        hosts = _names(_domains(host), backends, known)
        if hosts is None:
            continue
        yield ByNumber(network=network, port=port, hosts=hosts)
        if any(_is_asked_by_tls(known[id]) for id in backends if id in known):
            yield ByNumber(network=network, port=_HTTPS, hosts=hosts)


def _is_asked_by_tls(backend: Backend) -> bool:
    """Whether a proxy looks up the host and, unless a port is said, dials that of TLS."""
    return isinstance(backend.discovery, Outside) and isinstance(backend.security, OriginateTls)


def _splits(host: VirtualHost) -> list[Split]:
    actions = (route.action for route in host.routes)
    return [each for action in actions if isinstance(action, Forward) for each in action.splits]


def _domains(host: VirtualHost) -> list[str]:
    """The names that a request has when it leaves: as it came, or as a route has it."""
    actions = [route.action for route in host.routes if isinstance(route.action, Forward)]
    written = [action.rewrite.authority for action in actions if action.rewrite]
    changes = (change for split in _splits(host) for change in split.request_headers.set)
    return [*host.domains, *written, *(value for name, value in changes if name == "host")]


def _names(
    asked: Iterable[str], backends: Iterable[BackendId], known: _Known
) -> tuple[str, ...] | None:
    """What connections to some of these are known by: none where they begin with other bytes.

    None if no such backend is among them.
    """
    leads = [known[id] for id in backends if id in known]
    if not leads:
        return None
    if any(backend.tunnel or backend.proxy_protocol for backend in leads):
        return ()
    shown = [b.security.sni for b in leads if isinstance(b.security, OriginateTls)]
    return tuple(sorted({name.lower() for name in (*asked, *shown) if name}))
