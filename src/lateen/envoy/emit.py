"""Turn the plan of one proxy into the resources its Envoy is sent.

In: ProxyPlan, Memo.                        Out: Resources.
Before: ir/plan.py, translate/plan.py       After: xds/, explain/walk_envoy.py

Nothing sent here names a pod's own paths but a gateway's sockets; those of a sidecar are in its
bootstrap. So equal plans give equal bytes, and parts that are equal are made once (`Memo`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import TypeVar, TypeVarTuple

from google.protobuf.message import Message
from msgspec import Struct
from msgspec.structs import replace

from lateen.base.origin import ObjectKey, Origin
from lateen.envoy import names
from lateen.envoy.clusters import emit_backend
from lateen.envoy.clusters_in import emit_fixed, emit_inbound_port
from lateen.envoy.endpoints import emit_endpoints
from lateen.envoy.gateway import emit_gateway_port, raw_backends
from lateen.envoy.listeners_in import emit_inbound, emit_own_inbound, own_listeners
from lateen.envoy.listeners_out import (
    Elsewhere,
    ListenerOut,
    TcpTarget,
    asks,
    elsewhere_of,
    emit_outbound,
    emit_virtual_outbound,
    outbound_listeners,
    target_of,
)
from lateen.envoy.memo import Memo
from lateen.envoy.patching import patched
from lateen.envoy.resources import (
    Extended,
    Named,
    Resource,
    Resources,
    ResourceType,
    version_of,
)
from lateen.envoy.routes import emit_host, emit_table
from lateen.envoy.tls import emit_root, emit_secret
from lateen.envoy.watch import Reporter
from lateen.ir.backends import Backend, BackendId, EndpointSet
from lateen.ir.manners import Manners
from lateen.ir.plan import (
    GatewayPort,
    Inbound,
    InboundPort,
    ProxyPlan,
    Role,
    RootSecret,
    TlsSecret,
)
from lateen.ir.policy import Authorization
from lateen.ir.routes import RouteTable, VirtualHost

SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"
PORT = "{port}"  # what stands for the port in a `gateway_socket`

Args = TypeVarTuple("Args")
M = TypeVar("M", bound=Message)


def origins_in(value: object) -> frozenset[ObjectKey]:
    """The objects that any part of an IR value came from."""
    if isinstance(value, Origin):
        return frozenset() if value.key is None else frozenset((value.key,))
    if isinstance(value, tuple):
        return frozenset().union(*map(origins_in, value))
    if isinstance(value, Struct):
        parts = (getattr(value, name) for name in value.__struct_fields__)
        return frozenset().union(*map(origins_in, parts))
    return frozenset()


_BY_PARTS = attrgetter("group", "kind", "namespace", "name")


def _in_order(origins: Iterable[ObjectKey]) -> tuple[ObjectKey, ...]:
    """Sorted, by tuples: keys themselves are slow to compare, and a table has one for each host."""
    return tuple(sorted(origins, key=_BY_PARTS))


def resource(name: str, message: Message, value: object = ()) -> Resource:
    """A message as a resource; `value` is what it was made of."""
    body = message.SerializeToString(deterministic=True)
    return Resource(
        name=name, version=version_of(body), body=body, origins=_in_order(origins_in(value))
    )


def reporter_of(plan: ProxyPlan) -> Reporter:
    """The proxy without what tells the pods of one workload apart, so that they share bytes."""
    proxy = replace(plan.proxy, id="", pod="", address="")
    return Reporter(proxy=proxy, telemetry=plan.telemetry, manners=plan.manners)


def _backend(backend: Backend, system_roots: str, keeps_case: bool) -> Resource:
    cluster = emit_backend(backend, system_roots, keeps_case)
    return resource(cluster.name, cluster, backend)


def _inbound_port(port: InboundPort, keeps_case: bool) -> Resource:
    cluster = emit_inbound_port(port, keeps_case)
    return resource(cluster.name, cluster, port)


def _fixed(inbound: bool, keeps_case: bool) -> tuple[Resource, ...]:
    return tuple(resource(cluster.name, cluster) for cluster in emit_fixed(inbound, keeps_case))


def emit_endpoint_set(endpoints: EndpointSet) -> Resource:
    """The endpoints of one backend."""
    return resource(names.outbound_cluster(endpoints.id), emit_endpoints(endpoints))


def _host(host: VirtualHost, manners: Manners) -> tuple[bytes, frozenset[ObjectKey]]:
    return emit_host(host, manners).SerializeToString(deterministic=True), origins_in(host)


def emit_route_table(memo: Memo, table: RouteTable, edge: bool, manners: Manners) -> Resource:
    """One table; a host that is in several, or was in the one before, is made once."""
    hosts = [memo.kept(_host, host, manners) for host in table.hosts]
    frame = emit_table(table, edge, manners).SerializeToString(deterministic=True)
    body = b"".join((frame, *(part for part, _ in hosts)))
    origins = frozenset().union(*(origins for _, origins in hosts))
    return Resource(
        name=table.name, version=version_of(body), body=body, origins=_in_order(origins)
    )


def _outbound(listener: ListenerOut, reporter: Reporter) -> Resource:
    return resource(listener.name, emit_outbound(listener, reporter), listener.parts)


def _virtual_outbound(reporter: Reporter, elsewhere: Elsewhere) -> Resource:
    return resource(names.VIRTUAL_OUTBOUND, emit_virtual_outbound(reporter, elsewhere))


def _inbound(inbound: Inbound, reporter: Reporter) -> Resource:
    return resource(names.VIRTUAL_INBOUND, emit_inbound(inbound, reporter), inbound)


def _own_inbound(inbound: Inbound, reporter: Reporter) -> Resource:
    listener = emit_own_inbound(inbound, reporter)
    return resource(listener.name, listener, inbound)


def _gateway_port(
    port: GatewayPort,
    targets: tuple[TcpTarget, ...],
    authorization: Authorization,
    reporter: Reporter,
    socket: str,
    asking: bool,
) -> tuple[Resource, ...]:
    made = emit_gateway_port(port, targets, authorization, reporter, socket, asking=asking)
    return tuple(resource(listener.name, listener, (port, authorization)) for listener in made)


def _secret(secret: TlsSecret) -> Resource:
    return emit_secret(secret.name, secret.certificate, secret.key, staple=secret.staple)


def _root(secret: RootSecret) -> Resource:
    return emit_root(secret.name, secret.pem, revoked=secret.revoked)


def _by_name(resources: Iterable[Resource]) -> Named:
    return Named((each.name, each) for each in sorted(resources, key=lambda each: each.name))


def _outbound_clusters(
    memo: Memo, backends: tuple[Backend, ...], system_roots: str, keeps_case: bool
) -> Named:
    return _by_name(memo.once(_backend, each, system_roots, keeps_case) for each in backends)


def _clusters(plan: ProxyPlan, memo: Memo, system_roots: str) -> Extended:
    ports = plan.inbound.ports if plan.inbound else ()
    case = plan.manners.keeps_case
    own = [
        *memo.once(_fixed, plan.inbound is not None, case),
        *(memo.once(_inbound_port, port, case) for port in ports),
    ]
    return Extended(
        _by_name(own), memo.shared(_outbound_clusters, memo, plan.backends, system_roots, case)
    )


def _endpoint_sets(memo: Memo, endpoints: tuple[EndpointSet, ...]) -> Named:
    return _by_name(memo.once(emit_endpoint_set, each) for each in endpoints)


def _tables(memo: Memo, tables: tuple[RouteTable, ...], edge: bool, manners: Manners) -> Named:
    return _by_name(emit_route_table(memo, each, edge, manners) for each in tables)


def _secrets(memo: Memo, secrets: tuple[TlsSecret, ...], roots: tuple[RootSecret, ...]) -> Named:
    return _by_name(
        [
            *(memo.once(_secret, each) for each in secrets),
            *(memo.once(_root, each) for each in roots),
        ]
    )


def _by_id(backends: tuple[Backend, ...]) -> dict[BackendId, Backend]:
    return {backend.id: backend for backend in backends}


def _asking(backends: tuple[Backend, ...]) -> bool:
    return any(map(asks, backends))


def _listeners(plan: ProxyPlan, memo: Memo, gateway_socket: str) -> Iterator[Resource]:
    reporter = reporter_of(plan)
    backends = memo.shared(_by_id, plan.backends)
    elsewhere = elsewhere_of(plan, backends)
    asking = memo.shared(_asking, plan.backends)
    for listener in outbound_listeners(plan, backends, elsewhere, asking=asking):
        yield memo.once(_outbound, listener, reporter)
    if plan.proxy.role is Role.SIDECAR:
        yield memo.once(_virtual_outbound, reporter, elsewhere)
    if plan.inbound:
        yield memo.once(_inbound, plan.inbound, reporter)
        for inbound in own_listeners(plan.inbound):
            yield memo.once(_own_inbound, inbound, reporter)
    for port in plan.gateway:
        socket = gateway_socket.replace(PORT, str(port.port))
        targets = tuple(target_of(id, backends) for id in raw_backends(port))
        yield from memo.once(
            _gateway_port, port, targets, plan.authorization, reporter, socket, asking
        )


def emit(
    plan: ProxyPlan,
    *,
    memo: Memo | None = None,
    gateway_socket: str = "",
    system_roots: str = SYSTEM_ROOTS,
) -> Resources:
    """All resources of one proxy, by type and name.

    `gateway_socket`: for a gateway, the path of its listener for the border, with `{port}` where
    the port goes (`RUN/p/7/in-{port}.sock`); "" for none. `system_roots`: the PEM file that hosts
    outside are verified against. The workload's own SDS secrets are made by whoever has the CA.
    """
    memo = memo or Memo()
    edge = plan.proxy.role is Role.GATEWAY
    made: Resources = {
        ResourceType.CLUSTER: _clusters(plan, memo, system_roots),
        ResourceType.ENDPOINTS: memo.shared(_endpoint_sets, memo, plan.endpoints),
        ResourceType.LISTENER: _by_name(_listeners(plan, memo, gateway_socket)),
        ResourceType.ROUTES: memo.shared(_tables, memo, plan.tables, edge, plan.manners),
        ResourceType.SECRET: memo.shared(_secrets, memo, plan.secrets, plan.roots),
    }
    return patched(made, plan.patches, memo, gateway=edge) if plan.patches else made
