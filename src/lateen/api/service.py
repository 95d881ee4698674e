"""Service and EndpointSlice: a stable name and address for pods.

In: -    Out: Service, EndpointSlice.    Source: core/v1, discovery.k8s.io/v1.
Before: api/meta.py        After: cluster/, world/
"""

from __future__ import annotations

import msgspec

from lateen.api.fields import Api, Informative, IntOrString, Labels, NotYet
from lateen.api.meta import ObjectMeta


class ServicePort(Api, frozen=True, kw_only=True):
    """A port of a Service; the protocol comes from `appProtocol` or the name's prefix (`http-web`)."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: IntOrString | None = None
    app_protocol: str | None = None
    node_port: int = 0


class ClientIPConfig(Api, frozen=True, kw_only=True):
    """For how many seconds without a connection a client still belongs to its endpoint."""

    timeout_seconds: int = 10800


class SessionAffinityConfig(Api, frozen=True, kw_only=True):
    """How clients stay with an endpoint."""

    client_ip: ClientIPConfig = msgspec.field(default=ClientIPConfig(), name="clientIP")


class ServiceSpec(Api, frozen=True, kw_only=True):
    """Which pods, which ports, which address (`clusterIP: None` for a headless Service)."""

    ports: tuple[ServicePort, ...] = ()
    selector: Labels = {}
    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")
    external_name: str = ""
    publish_not_ready_addresses: bool = False
    session_affinity: str = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    external_ips: NotYet = msgspec.field(default=None, name="externalIPs")
    load_balancer_ip: NotYet = msgspec.field(default=None, name="loadBalancerIP")
    load_balancer_source_ranges: NotYet = None
    load_balancer_class: NotYet = None
    external_traffic_policy: str = ""
    internal_traffic_policy: str = "Cluster"
    health_check_node_port: NotYet = None
    ip_families: Informative = None
    ip_family_policy: Informative = None
    allocate_load_balancer_node_ports: bool = True
    traffic_distribution: str = ""

    @property
    def affinity_seconds(self) -> int:
        """For how long a client stays with an endpoint; 0 when it does not."""
        if self.session_affinity != "ClientIP":
            return 0
        return (self.session_affinity_config or SessionAffinityConfig()).client_ip.timeout_seconds

    @property
    def takes_node_ports(self) -> bool:
        """Whether each of its ports has a port of the node as well."""
        if self.type == "LoadBalancer":
            return self.allocate_load_balancer_node_ports
        return self.type == "NodePort"


class Service(Api, frozen=True, kw_only=True):
    """core/v1 Service."""

    api_version: str = "v1"
    kind: str = "Service"
    metadata: ObjectMeta
    spec: ServiceSpec
    status: Informative = None


class EndpointConditions(Api, frozen=True, kw_only=True):
    """Whether an endpoint takes traffic."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Api, frozen=True, kw_only=True):
    """The pod behind an endpoint."""

    kind: str = "Pod"
    namespace: str = ""
    name: str = ""
    uid: str = ""


class Endpoint(Api, frozen=True, kw_only=True):
    """One address of a Service."""

    addresses: tuple[str, ...]
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    target_ref: TargetRef | None = None
    zone: str | None = None
    hints: Informative = None


class EndpointPort(Api, frozen=True, kw_only=True):
    """A port all endpoints of the slice listen on."""

    port: int | None = None
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None


class EndpointSlice(Api, frozen=True, kw_only=True):
    """discovery.k8s.io/v1 EndpointSlice; its Service is label `kubernetes.io/service-name`."""

    api_version: str = "discovery.k8s.io/v1"
    kind: str = "EndpointSlice"
    metadata: ObjectMeta
    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class EndpointAddress(Api, frozen=True, kw_only=True):
    """One address in Endpoints."""

    ip: str
    hostname: str = ""
    node_name: str | None = None
    target_ref: TargetRef | None = None


class EndpointSubset(Api, frozen=True, kw_only=True):
    """Addresses that all listen on the same ports."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(Api, frozen=True, kw_only=True):
    """v1 Endpoints: the addresses of the Service of the same name, written by hand."""

    api_version: str = "v1"
    kind: str = "Endpoints"
    metadata: ObjectMeta
    subsets: tuple[EndpointSubset, ...] = ()
