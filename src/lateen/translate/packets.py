"""Turn NetworkPolicies into what each pod's packet filter lets pass.

In: World.                      Out: PodFilter by namespace and pod name.
Before: world/build.py          After: stages/planning.py
Source: networking.k8s.io/v1 NetworkPolicySpec.

Policies only ever add: a pod that some policy selects is closed in that policy's directions but for
what one of them allows. The resolver is no pod here; rules find it where they look for it in a
cluster, as a pod of kube-system with the label k8s-app=kube-dns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network

from msgspec import Struct

from lateen.api.fields import Labels
from lateen.api.networkpolicy import EGRESS, INGRESS, IPBlock, NetworkPolicy, PolicyPeer, PolicyPort
from lateen.ir.packets import EVERYWHERE, Allow, Block, PodFilter, PortRange
from lateen.world.model import Owned, Workload, World

_NAME_LABEL = "kubernetes.io/metadata.name"
RESOLVER = "198.18.0.1"

_NamedPorts = tuple[tuple[str, str, int], ...]


class _Pod(Struct, frozen=True, kw_only=True):
    """Somebody at the other end of a connection."""

    namespace: str
    labels: Mapping[str, str]
    address: str
    ports: _NamedPorts


_RESOLVER = _Pod(
    namespace="kube-system",
    labels={"k8s-app": "kube-dns"},
    address=RESOLVER,
    ports=(("UDP", "dns", 53), ("TCP", "dns-tcp", 53)),
)


def filters_of(world: World) -> Mapping[tuple[str, str], PodFilter]:
    """The filters of all pods that some policy selects; the others have none."""
    if not world.network_policies:
        return {}
    living = [w for w in world.workloads.values() if w.address and not w.ended]
    pods = (*(_pod(w) for w in living), _RESOLVER)
    rules = [_Rules(policy, pods, world.namespace_labels) for policy in world.network_policies]
    found: dict[tuple[str, str], PodFilter] = {}
    for workload in living:
        about = [rule for rule in rules if rule.selects(workload)]
        if about:
            found[workload.namespace, workload.name] = PodFilter(
                ingress=_united(r.ingress(workload.named_ports) for r in about),
                egress=_united(r.egress() for r in about),
            )
    return found


def _pod(workload: Workload) -> _Pod:
    return _Pod(
        namespace=workload.namespace,
        labels=workload.labels,
        address=workload.address,
        ports=workload.named_ports,
    )


def _united(several: Iterable[tuple[Allow, ...] | None]) -> tuple[Allow, ...] | None:
    """All that the policies of one direction allow; None when none of them is about it."""
    closed = [allows for allows in several if allows is not None]
    if not closed:
        return None
    return tuple(allow for allows in closed for allow in allows)


class _Rules:
    """One policy, its peers looked up once for all pods it selects."""

    def __init__(
        self,
        policy: Owned[NetworkPolicy],
        pods: Sequence[_Pod],
        namespaces: Mapping[str, Labels],
    ) -> None:
        self._spec = policy.typed.spec
        self._namespace = policy.namespace
        self._name = f"NetworkPolicy {policy.namespace}/{policy.name}"
        self._pods = pods
        self._namespaces = namespaces
        self._ingress: dict[_NamedPorts, tuple[Allow, ...]] = {}
        self._egress: tuple[Allow, ...] | None = None

    def selects(self, workload: Workload) -> bool:
        """Whether the policy is about this pod."""
        same = workload.namespace == self._namespace
        return same and self._spec.pod_selector.matches(workload.labels)

    def ingress(self, ports: _NamedPorts) -> tuple[Allow, ...] | None:
        """What may come to a pod whose containers name these ports; None: anything."""
        if INGRESS not in self._spec.types:
            return None
        if ports not in self._ingress:
            self._ingress[ports] = tuple(self._incoming(ports))
        return self._ingress[ports]

    def egress(self) -> tuple[Allow, ...] | None:
        """What may leave a pod; None: anything."""
        if EGRESS not in self._spec.types:
            return None
        if self._egress is None:
            self._egress = tuple(self._outgoing())
        return self._egress

    def _incoming(self, named: _NamedPorts) -> Iterator[Allow]:
        for index, rule in enumerate(self._spec.ingress):
            ports = _resolved(rule.ports, named)
            if rule.ports and not ports:
                continue  # names that no container of this pod has
            peers, blocks = self._peers(rule.from_)
            if peers or blocks:
                yield Allow(
                    pods=_addresses(peers),
                    blocks=blocks,
                    ports=ports,
                    origin=f"{self._name} ingress[{index}]",
                )

    def _outgoing(self) -> Iterator[Allow]:
        """A port's name is the other pod's to give: those that mean the same by it go together."""
        for index, rule in enumerate(self._spec.egress):
            origin = f"{self._name} egress[{index}]"
            peers, blocks = self._peers(rule.to)
            # A name on a rule for everywhere is looked for in every pod.
            if not rule.to and any(isinstance(port.port, str) for port in rule.ports):
                peers = self._pods
            numbered = _resolved(rule.ports, ())
            if blocks and (numbered or not rule.ports):
                yield Allow(blocks=blocks, ports=numbered, origin=origin)
            together: dict[tuple[PortRange, ...], list[_Pod]] = {}
            for peer in peers:
                together.setdefault(_resolved(rule.ports, peer.ports), []).append(peer)
            for ports, same in together.items():
                if ports or not rule.ports:
                    yield Allow(pods=_addresses(same), ports=ports, origin=origin)

    def _peers(self, peers: Sequence[PolicyPeer]) -> tuple[Sequence[_Pod], tuple[Block, ...]]:
        if not peers:
            return (), (EVERYWHERE,)
        by_labels = [peer for peer in peers if peer.ip_block is None]
        pods = [pod for pod in self._pods if any(self._is(pod, peer) for peer in by_labels)]
        blocks = (block for peer in peers if peer.ip_block and (block := _block(peer.ip_block)))
        return pods, tuple(blocks)

    def _is(self, pod: _Pod, peer: PolicyPeer) -> bool:
        if peer.namespace_selector is None:
            if pod.namespace != self._namespace:
                return False
        elif not peer.namespace_selector.matches(self._labels(pod.namespace)):
            return False
        return peer.pod_selector is None or peer.pod_selector.matches(pod.labels)

    def _labels(self, namespace: str) -> Labels:
        return self._namespaces.get(namespace) or {_NAME_LABEL: namespace}


def _addresses(pods: Iterable[_Pod]) -> tuple[str, ...]:
    return tuple(sorted(pod.address for pod in pods))


def _resolved(ports: Sequence[PolicyPort], named: _NamedPorts) -> tuple[PortRange, ...]:
    """Ports as numbers, names looked up among those given; names nobody has are left out."""
    found: set[PortRange] = set()
    for port in ports:
        match port.port:
            case None:
                found.add(PortRange(protocol=port.protocol))
            case int(first):
                last = first if port.end_port is None else port.end_port
                found.add(PortRange(protocol=port.protocol, first=first, last=last))
            case str(name):
                found |= {
                    PortRange(protocol=protocol, first=number, last=number)
                    for protocol, known, number in named
                    if (protocol, known) == (port.protocol, name)
                }
    return tuple(sorted(found))


def _block(block: IPBlock) -> Block | None:
    """None for IPv6: pods have none."""
    if ":" in block.cidr:
        return None
    networks = (str(IPv4Network(text, strict=False)) for text in block.except_)
    return Block(
        network=str(IPv4Network(block.cidr, strict=False)), excluded=tuple(sorted(networks))
    )
