"""Node: the machine pods run on.

In: -    Out: Node.    Source: core/v1.
Before: api/placing.py       After: cluster/nodes.py, cluster/fitting.py
"""

from __future__ import annotations

import msgspec

from lateen.api.fields import Api, Informative
from lateen.api.meta import Condition, ObjectMeta
from lateen.api.placing import Taint
from lateen.api.quantity import Quantity


class NodeSpec(Api, frozen=True, kw_only=True):
    """Whether pods may come."""

    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    pod_cidr: Informative = msgspec.field(default=None, name="podCIDR")
    pod_cidrs: Informative = msgspec.field(default=None, name="podCIDRs")
    provider_id: Informative = msgspec.field(default=None, name="providerID")
    config_source: Informative = None
    external_id: Informative = msgspec.field(default=None, name="externalID")


class NodeAddress(Api, frozen=True, kw_only=True):
    """Hostname or InternalIP."""

    type: str
    address: str


class NodeStatus(Api, frozen=True, kw_only=True):
    """What the machine has."""

    capacity: dict[str, Quantity] = {}
    allocatable: dict[str, Quantity] = {}
    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: dict[str, str] = {}
    phase: Informative = None
    daemon_endpoints: Informative = None
    images: Informative = None
    volumes_in_use: Informative = None
    volumes_attached: Informative = None
    config: Informative = None
    runtime_handlers: Informative = None
    features: Informative = None


class Node(Api, frozen=True, kw_only=True):
    """core/v1 Node."""

    api_version: str = "v1"
    kind: str = "Node"
    metadata: ObjectMeta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()
