"""Configure the border's way out to mere addresses: bytes go on as they came, both ways to their end.

In: Exit, the networks that are refused.    Out: Listener, Cluster.
Before: ir/border.py                        After: border.py

The agent's relay says in a header of the PROXY protocol where the app was going. That address
chooses the filter chain, so it is judged once, before anything is dialled, and there is no name in
between that could change. (An RBAC filter would wait for the app's first byte, when TCP proxy has
dialled already and a server that speaks first has been heard.)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from lateen.base.origin import BUILT_IN
from lateen.envoy import names
from lateen.envoy.access import line_log
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
from lateen.ir.border import Exit

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
            found.setdefault(port, set()).add((str(ipaddress.IPv4Address(host)), 32))
        except ValueError:
            continue
    return {port: frozenset(networks) for port, networks in sorted(found.items()) if networks}


def _chain(exit: Exit, cluster: str, networks: Iterable[Network], port: int = 0) -> FilterChain:
    match = FilterChainMatch(
        prefix_ranges=[
            CidrRange(address_prefix=address, prefix_len=u32(length))
            for address, length in sorted(networks)
        ],
        destination_port=u32(port) if port else None,
    )
    proxy = TcpProxy(stat_prefix=f"{cluster}.{exit.slot}", cluster=cluster, access_log=[line_log()])
    onward = Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(proxy))
    name = f"{cluster}_{port}" if port else cluster
    return FilterChain(name=name, filter_chain_match=match, filters=[onward])


def _chains(exit: Exit, refused: frozenset[Network]) -> Iterator[FilterChain]:
    """What leads to the host itself leads nowhere, unless a ServiceEntry names it.

    The narrowest network decides. A port with chains of its own is looked for in no others.
    """
    yield _chain(exit, _NOWHERE, refused)
    yield _chain(exit, _BY_NUMBER, {_EVERYWHERE})
    for port, named in _named(exit).items():
        yield _chain(exit, _NOWHERE, refused - named, port)
        yield _chain(exit, _BY_NUMBER, {_EVERYWHERE, *named}, port)


def by_number_listener(exit: Exit, refused: Iterable[Network]) -> Listener:
    """One pod's socket for bytes with a header; `refused` are networks by address and length."""
    return Listener(
        name=f"{_BY_NUMBER}_{exit.slot}",
        address=pipe_address(exit.by_number, ONLY_OWNER),
        listener_filters=[proxy_protocol()],
        filter_chains=_chains(exit, frozenset(refused)),
        metadata=made_by(BUILT_IN),
    )
