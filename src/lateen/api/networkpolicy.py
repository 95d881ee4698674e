"""NetworkPolicy: which packets may reach pods, and which may leave them.

In: -    Out: NetworkPolicy.    Source: networking.k8s.io/v1.
Before: api/meta.py       After: check/networkpolicy.py, translate/packets.py
"""

from __future__ import annotations

import msgspec

from lateen.api.fields import Api, IntOrString
from lateen.api.meta import LabelSelector, ObjectMeta

INGRESS, EGRESS = "Ingress", "Egress"


class PolicyPort(Api, frozen=True, kw_only=True):
    """A port by number or by the name a container gives it; with `endPort` a range of numbers."""

    protocol: str = "TCP"
    port: IntOrString | None = None
    end_port: int | None = None


class IPBlock(Api, frozen=True, kw_only=True):
    """A network, less some networks in it."""

    cidr: str = ""
    except_: tuple[str, ...] = msgspec.field(default=(), name="except")


class PolicyPeer(Api, frozen=True, kw_only=True):
    """Pods by their labels and their namespaces' labels, or addresses."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class IngressRule(Api, frozen=True, kw_only=True):
    """Who may come in, and to which ports; nothing said means everyone, and every port."""

    from_: tuple[PolicyPeer, ...] = msgspec.field(default=(), name="from")
    ports: tuple[PolicyPort, ...] = ()


class EgressRule(Api, frozen=True, kw_only=True):
    """Where a pod may go, and to which ports; nothing said means everywhere, and every port."""

    to: tuple[PolicyPeer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()


class NetworkPolicySpec(Api, frozen=True, kw_only=True):
    """The pods it is about (an empty selector: all of the namespace), and what they may do."""

    pod_selector: LabelSelector = LabelSelector()
    ingress: tuple[IngressRule, ...] = ()
    egress: tuple[EgressRule, ...] = ()
    policy_types: tuple[str, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """`policyTypes`, or what they are when nobody wrote them."""
        return self.policy_types or ((INGRESS, EGRESS) if self.egress else (INGRESS,))


class NetworkPolicy(Api, frozen=True, kw_only=True):
    """networking.k8s.io/v1 NetworkPolicy."""

    api_version: str = "networking.k8s.io/v1"
    kind: str = "NetworkPolicy"
    metadata: ObjectMeta
    spec: NetworkPolicySpec = NetworkPolicySpec()
