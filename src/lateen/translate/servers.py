"""Open the ports of a gateway workload: join the servers of all Gateways that select it.

In: World, a gateway workload.    Out: Opened (ports, secrets, servers), problems.
Before: world/model.py            After: translate/gateways.py

A server that cannot be opened (its Secret missing, its mode not carried, its port or its hosts
taken by an older one) is left out with a problem; the others are served.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lateen.api.gateway import Gateway, Server
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.plan import GatewayHttp, GatewayPort, GatewayTls, TlsSecret
from lateen.translate.faults import not_carried, not_found, taken
from lateen.translate.inbound import services_of
from lateen.world.model import Owned, Protocol, SecretData, Workload, World
from lateen.world.protocols import protocol_named

_CERTIFICATE_KEYS = (("tls.crt", "tls.key"), ("cert", "key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlace:
    """One opened server: its table and port, and the hosts as (namespace or `*`, host)."""

    gateway: str
    table: str
    port: int
    hosts: tuple[tuple[str, str], ...]
    https_redirect: bool
    tls: bool
    origin: Origin

    def hosts_for(self, namespace: str) -> list[str]:
        """The hosts that VirtualServices of a namespace may bind to."""
        return [host for whose, host in self.hosts if whose in ("*", namespace)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """All that is open at a gateway."""

    ports: tuple[GatewayPort, ...]
    secrets: tuple[TlsSecret, ...]
    servers: tuple[ServerPlace, ...]


@dataclass(slots=True)
class _Opening:
    """The state of opening servers one after another, oldest Gateway first."""

    world: World
    workload: Workload
    http: dict[int, GatewayHttp] = field(default_factory=dict)
    tls: dict[int, list[GatewayTls]] = field(default_factory=dict)
    secrets: dict[str, TlsSecret] = field(default_factory=dict)
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
    ports = tuple(
        GatewayPort(port=port, http=state.http.get(port), tls=tuple(state.tls.get(port, ())))
        for port in sorted({*state.http, *state.tls})
    )
    secrets = tuple(state.secrets[name] for name in sorted(state.secrets))
    opened = Opened(ports=ports, secrets=secrets, servers=tuple(state.servers))
    return opened, tuple(state.problems)


def _open(state: _Opening, gateway: Owned[Gateway], server: Server, origin: Origin) -> None:
    protocol = protocol_named(server.port.protocol)
    hosts = tuple(_host(h, gateway.namespace) for h in server.hosts)
    if protocol.is_http:
        _open_http(state, gateway, server, hosts, origin)
    elif protocol is Protocol.HTTPS and server.tls and server.tls.mode == "SIMPLE":
        _open_https(state, gateway, server, hosts, origin)
    else:
        mode = f" with TLS mode {server.tls.mode}" if server.tls else ""
        message = f"a server for {server.port.protocol}{mode} is not carried yet; it is left out"
        state.problems.append(not_carried(origin, message))


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


def _open_http(
    state: _Opening,
    gateway: Owned[Gateway],
    server: Server,
    hosts: tuple[tuple[str, str], ...],
    origin: Origin,
) -> None:
    port = _resolved(state, server.port.number)
    if older := state.tls.get(port):
        state.problems.append(taken(origin, f"port {port}", older[0].origin))
        return
    table = f"http.{port}"
    state.http.setdefault(port, GatewayHttp(table=table, origin=origin))
    state.servers.append(
        ServerPlace(
            gateway=f"{gateway.namespace}/{gateway.name}",
            table=table,
            port=server.port.number,
            hosts=hosts,
            https_redirect=bool(server.tls and server.tls.https_redirect),
            tls=False,
            origin=origin,
        )
    )


def _open_https(
    state: _Opening,
    gateway: Owned[Gateway],
    server: Server,
    hosts: tuple[tuple[str, str], ...],
    origin: Origin,
) -> None:
    port = _resolved(state, server.port.number)
    names = tuple(dict.fromkeys(host for _, host in hosts))
    table = (
        f"https.{server.port.number}.{server.port.name or 'https'}"
        f".{gateway.name}.{gateway.namespace}"
    )
    older: GatewayHttp | GatewayTls | None = state.http.get(port)
    for other in state.tls.get(port, ()):
        if other.table == table or set(other.hosts) & set(names):
            older = older or other
    if older:
        state.problems.append(taken(origin, f"port {port} for {', '.join(names)}", older.origin))
        return
    secret = _secret(state, server, origin)
    if secret is None or server.tls is None:
        return
    state.secrets[secret.name] = secret
    state.tls.setdefault(port, []).append(
        GatewayTls(
            hosts=names,
            secret=secret.name,
            min_version=_version(server.tls.min_protocol_version),
            max_version=_version(server.tls.max_protocol_version),
            table=table,
            origin=origin,
        )
    )
    state.servers.append(
        ServerPlace(
            gateway=f"{gateway.namespace}/{gateway.name}",
            table=table,
            port=server.port.number,
            hosts=hosts,
            https_redirect=server.tls.https_redirect,
            tls=True,
            origin=origin,
        )
    )


def _version(text: str) -> str:
    return "" if text == "TLS_AUTO" else text


def _secret(state: _Opening, server: Server, origin: Origin) -> TlsSecret | None:
    """The certificate of a server, from the Secret beside the gateway's pod."""
    name = server.tls.credential_name if server.tls else ""
    if not name:
        message = "a server without tls.credentialName is not carried yet; it is left out"
        state.problems.append(not_carried(origin, message))
        return None
    namespace = state.workload.namespace
    found = state.world.secrets.get((namespace, name))
    if found is None:
        what = f"Secret {namespace}/{name}"
        fix = f"create it in {namespace}, where the gateway's pod is"
        state.problems.append(not_found(origin, what, fix))
        return None
    pair = _pair(found)
    if pair is None:
        what = f"tls.crt or tls.key in Secret {namespace}/{name}"
        state.problems.append(not_found(origin, what))
        return None
    return TlsSecret(name=f"kubernetes://{name}", certificate=pair[0], key=pair[1])


def _pair(secret: SecretData) -> tuple[bytes, bytes] | None:
    for certificate, key in _CERTIFICATE_KEYS:
        if secret.content.get(certificate) and secret.content.get(key):
            return secret.content[certificate], secret.content[key]
    return None
