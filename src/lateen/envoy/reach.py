"""Hold a pod's way out by name to what its NetworkPolicies let it reach.

In: Allow.                      Out: an HTTP filter for the border's clusters.
Before: ir/packets.py           After: border.py

What goes by number has passed the packet filter of the pod. What its proxy asks for by name comes over a
Unix socket, and its address is known only here, when a host was chosen: that is what is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import CidrRange
from lateen.envoy.pb.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from lateen.envoy.pb.envoy.config.rbac.v3 import rbac_pb2
from lateen.envoy.pb.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as manager_pb,
)
from lateen.envoy.pb.envoy.extensions.rbac.matchers.upstream_ip_port.v3 import (
    upstream_ip_port_matcher_pb2,
)
from lateen.envoy.pb.envoy.type.v3.range_pb2 import Int64Range
from lateen.envoy.wire import packed, u32
from lateen.ir.packets import Allow, Block, PortRange

_ANY_PORT = PortRange(protocol="TCP")


def upstream_rbac(name: str, rules: rbac_pb2.RBAC) -> manager_pb.HttpFilter:
    """Rules about the address that was chosen to dial."""
    return manager_pb.HttpFilter(name=name, typed_config=packed(RBAC(rules=rules)))


def leads_to(network: str, ports: PortRange = _ANY_PORT) -> rbac_pb2.Permission:
    """Whether the chosen address is in a network, and its port in a range."""
    prefix, _, length = network.partition("/")
    whole = ports == _ANY_PORT
    matcher = upstream_ip_port_matcher_pb2.UpstreamIpPortMatcher(
        upstream_ip=CidrRange(address_prefix=prefix, prefix_len=u32(int(length))),
        upstream_port_range=None if whole else Int64Range(start=ports.first, end=ports.last + 1),
    )
    extension = TypedExtensionConfig(
        name="envoy.rbac.matchers.upstream_ip_port", typed_config=packed(matcher)
    )
    return rbac_pb2.Permission(matcher=extension)


def reach_filter(reach: Iterable[Allow]) -> manager_pb.HttpFilter:
    """Refuse every address outside of these blocks and ports; pods are never reached this way."""
    permissions = list(_permissions(reach))
    policies = {}
    if permissions:
        anyone = [rbac_pb2.Principal(any=True)]
        policies = {"network-policies": rbac_pb2.Policy(permissions=permissions, principals=anyone)}
    rules = rbac_pb2.RBAC(action=rbac_pb2.RBAC.ALLOW, policies=policies)
    return upstream_rbac("lateen.network_policies", rules)


def _permissions(reach: Iterable[Allow]) -> Iterator[rbac_pb2.Permission]:
    for allow in reach:
        tcp = [ports for ports in allow.ports if ports.protocol == "TCP"]
        for block in allow.blocks:
            for ports in tcp if allow.ports else [_ANY_PORT]:
                yield _block(block, ports)


def _block(block: Block, ports: PortRange) -> rbac_pb2.Permission:
    within = leads_to(block.network, ports)
    if not block.excluded:
        return within
    without = [rbac_pb2.Permission(not_rule=leads_to(network)) for network in block.excluded]
    return rbac_pb2.Permission(and_rules=rbac_pb2.Permission.Set(rules=[within, *without]))
