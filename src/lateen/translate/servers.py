"""Open the ports of a gateway workload: join the servers of all Gateways that select it.

In: World, a gateway workload.                             Out: Opened (servers, secrets), problems.
Before: world/model.py, translate/credentials.py           After: translate/gateways.py

A server that cannot be opened (its Secret missing, its mode not carried, its port or its hosts
taken by an older one) is left out with a problem; the others are served.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.gateway import Gateway, Server, ServerTLSSettings
from lateen.api.meshconfig import TLSConfig
from lateen.api.sidecar import UNIX
from lateen.api.virtualservice import VirtualService
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.plan import ANYWHERE, GatewayTls, RootSecret, TlsSecret
from lateen.translate.credentials import credentials_of
from lateen.translate.faults import not_carried, taken
from lateen.translate.hosts import covers, full_host
from lateen.translate.inbound import services_of
from lateen.translate.meshwide import known_ciphers
from lateen.world.model import Owned, Protocol, Workload, World
from lateen.world.protocols import protocol_named


class Sort(StrEnum):
    """What a server does with a connection."""

    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"
    TLS = "tls"  # ended here, raw connections inside
    PASSED = "passed"  # left as it is
    AUTO = (
        "auto"  # left as it is, and sent where its server name says that the mesh's own clients go
    )


class ServerPlace(Struct, frozen=True, kw_only=True):
    """One opened server: what it does, its table, its port and the pod's (`listen`).

    Its hosts are (namespace or `*`, host); `ended` says how TLS is ended, if it is.
    """

    sort: Sort
    gateway: str
    table: str
    port: int
    listen: int
    bind: str = ANYWHERE
    hosts: tuple[tuple[str, str], ...]
    https_redirect: bool = False
    ended: GatewayTls | None = None
    origin: Origin

    @property
    def spot(self) -> tuple[int, str]:
        """The pod's port, and the address listened at."""
        return self.listen, self.bind

    @property
    def tls(self) -> bool:
        """Whether clients speak TLS here."""
        return self.sort not in (Sort.HTTP, Sort.TCP)

    def hosts_for(self, namespace: str) -> list[str]:
        """The hosts that VirtualServices of a namespace may bind to."""
        return [host for whose, host in self.hosts if whose in ("*", namespace)]


class Opened(Struct, frozen=True, kw_only=True):
    """All that is open at a gateway."""

    servers: tuple[ServerPlace, ...]
    secrets: tuple[TlsSecret, ...]
    roots: tuple[RootSecret, ...]


@dataclass(slots=True)
class _Opening:
    """The state of opening servers one after another, oldest Gateway first."""

    world: World
    workload: Workload
    secrets: dict[str, TlsSecret] = field(default_factory=dict)
    roots: dict[str, RootSecret] = field(default_factory=dict)
    servers: list[ServerPlace] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def open_servers(world: World, workload: Workload) -> tuple[Opened, tuple[Problem, ...]]:
    """Open what the Gateways that select the workload ask for."""
    state = _Opening(world=world, workload=workload)
    for gateway in world.gateways:
        if not gateway.typed.spec.selector.items() <= workload.labels.items():
            continue
        for index, server in enumerate(gateway.typed.spec.servers):
            _open(state, gateway, server, gateway.origin(f"spec.servers[{index}]"))
    opened = Opened(
        servers=tuple(state.servers),
        secrets=tuple(state.secrets[name] for name in sorted(state.secrets)),
        roots=tuple(state.roots[name] for name in sorted(state.roots)),
    )
    return opened, tuple(state.problems)


def _sort(server: Server) -> Sort | None:
    """What a server does; None for what is not carried."""
    protocol, tls = protocol_named(server.port.protocol), server.tls
    if protocol.is_http:
        return Sort.HTTP
    if tls is None:
        return None if protocol.is_tls else Sort.TCP
    if tls.mode == "AUTO_PASSTHROUGH":
        return Sort.AUTO
    if tls.mode == "PASSTHROUGH":
        return Sort.PASSED
    return Sort.HTTPS if protocol is Protocol.HTTPS else Sort.TLS


def _open(state: _Opening, gateway: Owned[Gateway], server: Server, origin: Origin) -> None:
    sort = None if server.bind.startswith(UNIX) else _sort(server)
    if sort is None:
        where = f" at {server.bind}" if server.bind else " without tls"
        message = f"a server for {server.port.protocol}{where} is not carried; it is left out"
        state.problems.append(not_carried(origin, message))
        return
    listen = _resolved(state, server.port.number)
    hosts = tuple(_host(each, gateway.namespace) for each in server.hosts)
    place = ServerPlace(
        sort=sort,
        gateway=f"{gateway.namespace}/{gateway.name}",
        table=_table(sort, listen, server, gateway),
        port=server.port.number,
        listen=listen,
        bind=server.bind or ANYWHERE,
        hosts=hosts,
        https_redirect=bool(server.tls and server.tls.https_redirect),
        origin=origin,
    )
    if older := _in_the_way(state, place):
        names = ", ".join(dict.fromkeys(host for _, host in hosts))
        what = f"port {listen} for {names}" if place.tls else f"port {listen}"
        state.problems.append(taken(origin, what, older.origin))
        return
    if sort in (Sort.HTTPS, Sort.TLS) and server.tls:
        ended = _ended(state, place, server.tls)
        if ended is None:
            return
        place = replace(place, ended=ended)
    state.servers.append(place)


def _table(sort: Sort, listen: int, server: Server, gateway: Owned[Gateway]) -> str:
    """The route table's name, as Istio's; none where no HTTP is seen."""
    bind = f".{server.bind}" if server.bind else ""
    if sort is Sort.HTTP:
        return f"http.{listen}{bind}"
    if sort is Sort.HTTPS:
        name = server.port.name or "https"
        return f"https.{server.port.number}.{name}.{gateway.name}.{gateway.namespace}{bind}"
    return ""


def _in_the_way(state: _Opening, place: ServerPlace) -> ServerPlace | None:
    """The older server that keeps this one from being opened."""
    names = {host for _, host in place.hosts}
    for other in state.servers:
        if (other.listen, other.bind) != (place.listen, place.bind):
            continue
        if Sort.HTTP is place.sort is other.sort:
            continue
        if not (place.tls and other.tls):
            return other
        # Servers that pass TLS on share their names: each takes only those its rules name.
        both_pass = {place.sort, other.sort} <= {Sort.PASSED, Sort.AUTO}
        same = {host for _, host in other.hosts} & names
        if (same and not both_pass) or (place.table and place.table == other.table):
            return other
    return None


def _ended(state: _Opening, place: ServerPlace, tls: ServerTLSSettings) -> GatewayTls | None:
    """How a server ends TLS; None, with a problem, if it cannot."""
    found = credentials_of(tls, state.world, state.workload, place.origin, state.problems)
    if found is None:
        return None
    state.secrets |= {secret.name: secret for secret in found.secrets}
    if found.root:
        state.roots[found.root.name] = found.root
    usual = state.world.mesh.tls_defaults or TLSConfig()
    if tls.mode == "ISTIO_MUTUAL":
        usual = TLSConfig()
    return GatewayTls(
        hosts=tuple(dict.fromkeys(host for _, host in place.hosts)),
        secrets=tuple(secret.name for secret in found.secrets),
        min_version=_version(tls.min_protocol_version) or _version(usual.min_protocol_version),
        max_version=_version(tls.max_protocol_version),
        ciphers=known_ciphers(tls.cipher_suites or usual.cipher_suites),
        curves=tls.ecdh_curves or usual.ecdh_curves,
        client=found.client,
        table=place.table,
        origin=place.origin,
    )


def _version(text: str) -> str:
    return "" if text == "TLS_AUTO" else text


def _host(written: str, namespace: str) -> tuple[str, str]:
    """`ns/host`, `./host`, `*/host` or `host` as (namespace or `*`, host)."""
    whose, slash, host = written.partition("/")
    if not slash:
        return "*", written.lower()
    return namespace if whose == "." else whose, host.lower()


def _resolved(state: _Opening, number: int) -> int:
    """The pod's port for a server's: through the Service before the gateway, as in Istio."""
    for service in services_of(state.world, state.workload):
        port = service.port(number)
        target = state.workload.target(port.target) if port else None
        if target is not None:
            return target
    return number


def shared_hosts(server: ServerPlace, rule: Owned[VirtualService]) -> list[str]:
    """The hosts both name, the narrower of the two where one is a wildcard."""
    served = server.hosts_for(rule.namespace)
    found: dict[str, None] = {}
    for written in rule.typed.spec.hosts:
        host = full_host(written, rule.namespace)
        for own in served:
            if covers(own, host):
                found[host] = None
            elif covers(host, own):
                found[own] = None
    return list(found)
