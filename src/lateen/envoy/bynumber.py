"""Configure the border's way out to mere addresses: bytes go on as they came, both ways to their end.

In: Exit, the networks that are refused.    Out: Listener, Cluster.
Before: ir/border.py                        After: border.py

The agent's relay says in a header of the PROXY protocol where the app was going. That address is
judged once, before anything is dialled, and there is no name in between that could change.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from google.protobuf.wrappers_pb2 import UInt32Value

from lateen.base.origin import BUILT_IN
from lateen.envoy import names
from lateen.envoy.access import line_log
from lateen.envoy.pb.envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from lateen.envoy.pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import CidrRange
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.pb.envoy.config.rbac.v3 import rbac_pb2
from lateen.envoy.pb.envoy.extensions.filters.network.rbac.v3.rbac_pb2 import RBAC
from lateen.envoy.pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from lateen.envoy.sniffing import proxy_protocol
from lateen.envoy.wire import duration, made_by, packed, pipe_address, u32
from lateen.ir.border import Exit

ONLY_OWNER = 0o600
_BY_NUMBER = "by-number"
_Permission = rbac_pb2.Permission


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


def _any(rules: Iterable[_Permission]) -> _Permission:
    return _Permission(or_rules=_Permission.Set(rules=rules))


def _to(network: tuple[str, UInt32Value]) -> _Permission:
    return _Permission(destination_ip=CidrRange(address_prefix=network[0], prefix_len=network[1]))


def _named(exit: Exit) -> Iterable[_Permission]:
    """Addresses that a ServiceEntry gives as such, with their ports."""
    for host, port in exit.allowed:
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError:
            continue
        both = (_to((str(address), u32(32))), _Permission(destination_port=port))
        yield _Permission(and_rules=_Permission.Set(rules=both))


def _gate(exit: Exit, refused: Sequence[tuple[str, UInt32Value]]) -> Filter:
    """What leads to the host itself is refused, unless a ServiceEntry names it."""
    rules = [_any(map(_to, refused))]
    if named := list(_named(exit)):
        rules.append(_Permission(not_rule=_any(named)))
    deny = _Permission(and_rules=_Permission.Set(rules=rules))
    policy = rbac_pb2.Policy(permissions=[deny], principals=[rbac_pb2.Principal(any=True)])
    gate = rbac_pb2.RBAC(action=rbac_pb2.RBAC.DENY, policies={"the-host-itself": policy})
    config = RBAC(rules=gate, stat_prefix=f"{_BY_NUMBER}.{exit.slot}.")
    return Filter(name="envoy.filters.network.rbac", typed_config=packed(config))


def by_number_listener(exit: Exit, refused: Sequence[tuple[str, UInt32Value]]) -> Listener:
    """One pod's socket for bytes with a header; `refused` are networks by address and length."""
    proxy = TcpProxy(
        stat_prefix=f"{_BY_NUMBER}.{exit.slot}", cluster=_BY_NUMBER, access_log=[line_log()]
    )
    onward = Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(proxy))
    return Listener(
        name=f"{_BY_NUMBER}_{exit.slot}",
        address=pipe_address(exit.by_number, ONLY_OWNER),
        listener_filters=[proxy_protocol()],
        filter_chains=[FilterChain(filters=[_gate(exit, refused), onward])],
        metadata=made_by(BUILT_IN),
    )
