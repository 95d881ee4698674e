"""Configure the border's way out to mere addresses: bytes go on as they came, both ways to their end.

In: Exit, the networks that are refused.    Out: Listener, Cluster.
Before: ir/border.py, byname.py             After: border.py

The agent's relay says in a header of the PROXY protocol where the app was going. That address
chooses the filter chain, so it is judged once, before anything is dialled, and there is no name in
between that could change. (An RBAC filter would wait for the app's first byte, when TCP proxy has
dialled already and a server that speaks first has been heard.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from lateen.base.origin import BUILT_IN
from lateen.envoy import names
from lateen.envoy.byname import inspectors_at, named_chains
from lateen.envoy.logs import line_log
from lateen.envoy.pb.envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from lateen.envoy.pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import CidrRange
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    FilterChainMatch,
)
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from lateen.envoy.sniffing import proxy_protocol
from lateen.envoy.wire import duration, made_by, packed, pipe_address, u32
from lateen.ir.border import ByNumber, Exit

ONLY_OWNER = 0o600
_BY_NUMBER = "by-number"
_NOWHERE = "nowhere"
Network = tuple[str, int]  # the first address, and the prefix length
_EVERYWHERE: Network = ("0.0.0.0", 0)  # noqa: S104 - a network, nothing to listen at


def no_limits() -> CircuitBreakers:
    """The border is no place to count connections: each proxy does that for its own pod."""
    most = u32(names.NO_LIMIT)
    limits = CircuitBreakers.Thresholds(
        max_connections=most, max_pending_requests=most, max_requests=most, max_retries=most
    )
    return CircuitBreakers(thresholds=[limits])


def by_number_cluster() -> Cluster:
    """Whatever address the relay said."""
    return Cluster(
        name=_BY_NUMBER,
        type=Cluster.ORIGINAL_DST,
        lb_policy=Cluster.CLUSTER_PROVIDED,
        connect_timeout=duration(10),
        circuit_breakers=no_limits(),
        metadata=made_by(BUILT_IN),
    )


def nowhere_cluster() -> Cluster:
    """No place at all: what is sent here is closed at once."""
    return Cluster(
        name=_NOWHERE,
        type=Cluster.STATIC,
        load_assignment=ClusterLoadAssignment(cluster_name=_NOWHERE),
        metadata=made_by(BUILT_IN),
    )


def _named(exit: Exit) -> Mapping[int, frozenset[Network]]:
    """Addresses that a ServiceEntry gives as such, by their ports."""
    found: dict[int, set[Network]] = {}
    for host, port in exit.allowed:
        try:
            found.setdefault(port, set()).add((str(IPv4Address(host)), 32))
        except ValueError:
            continue
    return {port: frozenset(networks) for port, networks in sorted(found.items()) if networks}


def _match(networks: Iterable[Network], port: int) -> FilterChainMatch:
    return FilterChainMatch(
        prefix_ranges=[
            CidrRange(address_prefix=address, prefix_len=u32(length))
            for address, length in sorted(networks)
        ],
        destination_port=u32(port) if port else None,
    )


def _onward(exit: Exit, cluster: str) -> Filter:
    proxy = TcpProxy(stat_prefix=f"{cluster}.{exit.slot}", cluster=cluster, access_log=[line_log()])
    return Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(proxy))


def _chain(exit: Exit, cluster: str, networks: Iterable[Network], port: int = 0) -> FilterChain:
    return FilterChain(
        name=f"{cluster}_{port}" if port else cluster,
        filter_chain_match=_match(networks, port),
        filters=[_onward(exit, cluster)],
    )


def _chains(exit: Exit, refused: frozenset[Network]) -> Iterator[FilterChain]:
    """What leads to the host itself leads nowhere, unless a ServiceEntry names it.

    The narrowest network decides. A port with chains of its own is looked for in no others.
    """
    yield _chain(exit, _NOWHERE, refused)
    yield _chain(exit, _BY_NUMBER, {_EVERYWHERE})
    for port, named in _named(exit).items():
        yield _chain(exit, _NOWHERE, refused - named, port)
        yield _chain(exit, _BY_NUMBER, {_EVERYWHERE, *named}, port)


def _held_chains(
    exit: Exit, registry: Iterable[ByNumber], refused: frozenset[Network]
) -> Iterator[FilterChain]:
    """What the registry names, at its ports; all else leads nowhere, and so does the host itself."""
    yield _chain(exit, _NOWHERE, {_EVERYWHERE})
    for port, known in _by_port(registry, refused).items():
        free = {network for network, hosts in known.items() if not hosts}
        yield _chain(exit, _NOWHERE, {_EVERYWHERE, *refused, *known} - free, port)
        if free:
            yield _chain(exit, _BY_NUMBER, free, port)
        for hosts in sorted({hosts for hosts in known.values() if hosts}):
            match = _match((n for n, some in known.items() if some == hosts), port)
            yield from named_chains(exit.slot, hosts, match, _onward(exit, _BY_NUMBER))


def _by_port(
    registry: Iterable[ByNumber], refused: frozenset[Network]
) -> Mapping[int, Mapping[Network, tuple[str, ...]]]:
    """The networks at each port with the names to be said there, none where nothing has to be said.

    A connection is looked for in the narrowest network alone: what holds for a wider one holds there, too.
    """
    never = [IPv4Network(network) for network in refused if ":" not in network[0]]
    at: dict[int, list[tuple[IPv4Network, tuple[str, ...]]]] = {}
    for each in registry:
        network = IPv4Network(each.network)
        if not any(network.subnet_of(one) for one in never):
            at.setdefault(each.port, []).append((network, each.hosts))
    made: dict[int, dict[Network, tuple[str, ...]]] = {}
    for port, known in sorted(at.items()):
        for network in sorted({network for network, _ in known}):
            there = [hosts for wide, hosts in known if network.subnet_of(wide)]
            names = {host for hosts in there for host in hosts} if all(there) else set[str]()
            key = (str(network.network_address), network.prefixlen)
            made.setdefault(port, {})[key] = tuple(sorted(names))
    return made


def by_number_listener(exit: Exit, refused: Iterable[Network]) -> Listener:
    """One pod's socket for bytes with a header; `refused` are networks by address and length."""
    never = frozenset(refused)
    held = exit.registry is not None
    chains = _held_chains(exit, exit.registry or (), never) if held else _chains(exit, never)
    named = {each.port for each in exit.registry or () if each.hosts}
    return Listener(
        name=f"{_BY_NUMBER}_{exit.slot}",
        address=pipe_address(exit.by_number, ONLY_OWNER),
        listener_filters=[proxy_protocol(), *(inspectors_at(named) if named else ())],
        filter_chains=chains,
        metadata=made_by(BUILT_IN),
    )
