"""Write what a sidecar does with what leaves its app.

In: the plan's Outbound values.     Out: Listeners.
Before: ir/plan.py, http.py         After: emit.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from msgspec import Struct

from lateen.base.origin import BUILT_IN, Origin
from lateen.envoy import names
from lateen.envoy.asked import asked_sni
from lateen.envoy.filters.kind import HttpSite, Side
from lateen.envoy.http import http_manager, says_tcp, tcp_proxy
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import OUTBOUND
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    FilterChainMatch,
    ListenerFilter,
)
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.sniffing import (
    OUTBOUND_WAIT,
    RAW_HTTP,
    http_inspector,
    original_dst,
    tls_inspector,
    waited,
)
from lateen.envoy.watch import Reporter, Watch, watch_of
from lateen.envoy.wire import FALSE, TRUE, made_by, maybe_u32, socket_address, u32
from lateen.ir.backends import Backend, BackendId, MeshMtls, Outside, Tunnel, Wire
from lateen.ir.manners import Manners
from lateen.ir.plan import HttpOut, Outbound, ProxyPlan, SniffOut, SniOut, TcpOut
from lateen.ir.policy import Authorization, Paths
from lateen.ir.routes import Split


class TcpTarget(Struct, frozen=True, kw_only=True):
    """What a listener must know of a backend it sends raw TCP to."""

    id: BackendId
    idle_timeout: float | None = None
    by_source: bool = False
    tunnel: Tunnel | None = None
    http: bool = False  # a cluster of the mesh that tells the far proxy to expect HTTP
    asks: bool = False  # hosts that are looked up by the name asked for


def target_of(id: BackendId, backends: Mapping[BackendId, Backend]) -> TcpTarget:
    """The target of a backend; a backend that is not there leaves the defaults."""
    backend = backends.get(id)
    if backend is None:
        return TcpTarget(id=id)
    return TcpTarget(
        id=id,
        idle_timeout=backend.limits.tcp_idle_timeout,
        by_source=backend.by_source,
        tunnel=backend.tunnel,
        http=isinstance(backend.security, MeshMtls) and backend.wire is not Wire.TCP,
        asks=asks(backend),
    )


def asks(backend: Backend) -> bool:
    """Whether its hosts are looked up by the name asked for."""
    return isinstance(backend.discovery, Outside) and backend.discovery.asked


class Elsewhere(Struct, frozen=True, kw_only=True):
    """Where connections go that nobody claims: nowhere, to the address dialled, or to a proxy."""

    allow_any: bool
    egress_proxy: TcpTarget | None = None


def elsewhere_of(plan: ProxyPlan, backends: Mapping[BackendId, Backend]) -> Elsewhere:
    """Where a plan sends what nobody claims."""
    proxy = plan.egress_proxy
    return Elsewhere(
        allow_any=plan.allow_any, egress_proxy=target_of(proxy, backends) if proxy else None
    )


class ListenerOut(Struct, frozen=True, kw_only=True):
    """All that one outbound listener does; equal values make equal bytes."""

    name: str
    address: str
    port: int
    parts: tuple[Outbound, ...]
    targets: tuple[TcpTarget, ...]
    elsewhere: Elsewhere
    reads: Paths | None = None
    wait: float | None = None
    asks: bool = False

    def target(self, id: BackendId) -> TcpTarget:
        """The target of one of the parts' backends."""
        return next(target for target in self.targets if target.id == id)


def _backends_in(part: Outbound) -> tuple[BackendId, ...]:
    match part:
        case HttpOut():
            return ()
        case TcpOut() | SniffOut():
            return tuple(split.backend for split in part.to)
        case SniOut():
            return tuple(dict.fromkeys(split.backend for _, to in part.by_host for split in to))
    assert_never(part)


def outbound_listeners(
    plan: ProxyPlan,
    backends: Mapping[BackendId, Backend],
    elsewhere: Elsewhere,
    *,
    asking: bool = False,
) -> tuple[ListenerOut, ...]:
    """The plan's outbound values by listener: HTTP and TLS by SNI share a port's wildcard one.

    `asking`: some of the backends are looked up by the name asked for.
    """
    places: dict[tuple[str, int], list[Outbound]] = {}
    for part in plan.outbound:
        places.setdefault((part.address, part.port), []).append(part)
    return tuple(
        ListenerOut(
            name=names.address_listener(address, port),
            address=address,
            port=port,
            parts=tuple(parts),
            targets=tuple(
                target_of(id, backends)
                for id in dict.fromkeys(id for part in parts for id in _backends_in(part))
            ),
            elsewhere=elsewhere,
            reads=plan.reads,
            wait=plan.wait,
            asks=asking,
        )
        for (address, port), parts in places.items()
    )


def _chain(
    name: str, origin: Origin, *filters: Filter, match: FilterChainMatch | None = None
) -> FilterChain:
    return FilterChain(
        name=name, filter_chain_match=match, filters=filters, metadata=made_by(origin)
    )


def _elsewhere(watch: Watch, elsewhere: Elsewhere) -> list[Filter]:
    proxy = elsewhere.egress_proxy
    if proxy and elsewhere.allow_any:
        name = names.outbound_cluster(proxy.id)
        first_say = [says_tcp()] if proxy.http else []
        return [*first_say, tcp_proxy(stat=name, cluster=name, watch=watch)]
    cluster = names.PASSTHROUGH if elsewhere.allow_any else names.BLACK_HOLE
    return [tcp_proxy(stat=cluster, cluster=cluster, watch=watch)]


def _to_splits(to: tuple[Split, ...], target: TcpTarget, watch: Watch, judged: bool) -> Filter:
    first = names.outbound_cluster(target.id)
    shares = tuple((names.outbound_cluster(split.backend), split.weight) for split in to)
    cluster = first if len(shares) == 1 else shares
    return tcp_proxy(
        stat=first,
        cluster=cluster,
        watch=watch,
        idle_timeout=target.idle_timeout,
        by_source=target.by_source,
        tunnel=target.tunnel,
        judged=judged,
    )


def raw_filters(
    target: Callable[[BackendId], TcpTarget],
    to: tuple[Split, ...],
    watch: Watch,
    *,
    judged: bool = False,
) -> list[Filter]:
    """Raw connections to backends by share; where one may speak HTTP, told to be none."""
    targets = [target(split.backend) for split in to]
    first_say = [says_tcp()] if any(target.http for target in targets) else []
    first_say += [asked_sni(each.id.port) for each in targets if each.asks][:1]
    return [*first_say, _to_splits(to, targets[0], watch, judged)]


def _http(listener: ListenerOut, table: str, watch: Watch, manners: Manners) -> Filter:
    stat = f"outbound_{listener.address}_{listener.port}"
    site = HttpSite(
        side=Side.OUTBOUND,
        authorization=Authorization(reads=listener.reads),
        manners=manners,
        asks=listener.asks,
    )
    return http_manager(site, stat=stat, table=table, watch=watch)


def _sni_chains(listener: ListenerOut, part: SniOut, watch: Watch) -> Iterable[FilterChain]:
    hosts: dict[tuple[Split, ...], list[str]] = {}
    for host, to in part.by_host:
        hosts.setdefault(to, []).append(host)
    for to, servers in hosts.items():
        named = FilterChainMatch(transport_protocol="tls", server_names=servers)
        match = _within(part.within, named)
        proxy = raw_filters(listener.target, to, watch)
        name = names.outbound_cluster(to[0].backend)
        yield _chain(f"{name} {servers[0]}", to[0].origin, *proxy, match=match)


def _within(network: str, match: FilterChainMatch | None = None) -> FilterChainMatch:
    """What a chain takes, of the addresses of a network alone; "" for all."""
    made = FilterChainMatch()
    if match:
        made.CopyFrom(match)
    if network:
        address, _, length = network.partition("/")
        made.prefix_ranges.add(address_prefix=address, prefix_len=u32(int(length)))
    return made


def _leaves_some(listener: ListenerOut) -> bool:
    """Whether connections to any address can come that none of the parts takes."""
    sni = any(isinstance(part, SniOut) for part in listener.parts)
    narrow = all(not isinstance(part, HttpOut) and part.within for part in listener.parts)
    return listener.address == names.ANY_ADDRESS and (sni or narrow)


def emit_outbound(listener: ListenerOut, reporter: Reporter) -> Listener:
    """`0.0.0.0_PORT` or `ADDRESS_PORT`; it gets its connections from virtualOutbound, or its own.

    Of the reporter only what labels and HTTP need is read, so that the pods of a workload share the bytes.
    """
    watch = watch_of(reporter, inbound=False)
    first = listener.parts[0]
    made = Listener(
        name=listener.name,
        address=socket_address(listener.address, listener.port),
        bind_to_port=TRUE if first.own else FALSE,
        traffic_direction=OUTBOUND,
        metadata=made_by(first.origin),
        listener_filters_timeout=waited(listener.wait, OUTBOUND_WAIT),
        continue_on_listener_filters_timeout=True,
        per_connection_buffer_limit_bytes=maybe_u32(reporter.manners.patience.buffer),
    )
    with_sni = any(isinstance(part, SniOut) and not part.within for part in listener.parts)
    inspectors: dict[str, ListenerFilter] = {}
    for part in listener.parts:
        match part:
            case HttpOut():
                only_raw = FilterChainMatch(transport_protocol="raw_buffer") if with_sni else None
                http = _http(listener, part.table, watch, reporter.manners)
                made.filter_chains.append(_chain("http", part.origin, http, match=only_raw))
            case TcpOut():
                to = raw_filters(listener.target, part.to, watch)
                match = _within(part.within) if part.within else None
                made.filter_chains.append(_chain("tcp", part.origin, *to, match=match))
            case SniffOut():
                inspectors |= {"tls": tls_inspector(), "http": http_inspector()}
                http = _http(listener, part.table, watch, reporter.manners)
                match = _within(part.within, RAW_HTTP)
                made.filter_chains.append(_chain("http", part.origin, http, match=match))
                to = raw_filters(listener.target, part.to, watch)
                if part.within:
                    match = _within(part.within)
                    made.filter_chains.append(_chain("tcp", part.origin, *to, match=match))
                else:
                    made.default_filter_chain.CopyFrom(_chain("tcp", part.origin, *to))
            case SniOut():
                inspectors |= {"tls": tls_inspector()}
                made.filter_chains.extend(_sni_chains(listener, part, watch))
            case _:
                assert_never(part)
    if _leaves_some(listener) and not made.HasField("default_filter_chain"):
        unknown = _chain("unknown", BUILT_IN, *_elsewhere(watch, listener.elsewhere))
        made.default_filter_chain.CopyFrom(unknown)
    made.listener_filters.extend(inspectors.values())
    return made


def emit_virtual_outbound(reporter: Reporter, elsewhere: Elsewhere) -> Listener:
    """Everything the app dials arrives here and is handed to the listener of its address.

    What no listener claims goes elsewhere. Dialling 15001 itself would
    loop and leads nowhere.
    """
    watch = watch_of(reporter, inbound=False)
    itself = FilterChainMatch(destination_port=u32(names.OUTBOUND_PORT))
    nowhere = tcp_proxy(stat=names.BLACK_HOLE, cluster=names.BLACK_HOLE, watch=watch)
    return Listener(
        name=names.VIRTUAL_OUTBOUND,
        address=socket_address(names.ANY_ADDRESS, names.OUTBOUND_PORT),
        use_original_dst=TRUE,
        traffic_direction=OUTBOUND,
        metadata=made_by(BUILT_IN),
        listener_filters=[original_dst()],
        filter_chains=[
            _chain("virtualOutbound-blackhole", BUILT_IN, nowhere, match=itself),
            _chain("virtualOutbound-catchall-tcp", BUILT_IN, *_elsewhere(watch, elsewhere)),
        ],
    )
