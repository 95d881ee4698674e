"""The nouns of the world: services, workloads, and who stands behind which service.

In: -    Out: Protocol, Port, Service, Workload, Instance, Owned, World.
Before: api/objects.py        After: world/build.py, translate/

Everything is immutable and sorted, so that equal stores give equal worlds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from msgspec import Struct, field

from lateen.api.destinationrule import DestinationRule
from lateen.api.envoyfilter import EnvoyFilter
from lateen.api.fields import Api, Labels
from lateen.api.gateway import Gateway
from lateen.api.interception import EVERYTHING, Interception
from lateen.api.meshconfig import MeshConfig
from lateen.api.networkpolicy import NetworkPolicy
from lateen.api.objects import Obj
from lateen.api.proxyconfig import ProxyConfig
from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.security import AuthorizationPolicy, PeerAuthentication
from lateen.api.sidecar import Sidecar
from lateen.api.telemetry import Telemetry
from lateen.api.virtualservice import VirtualService
from lateen.base.locality import NOWHERE, Locality
from lateen.base.origin import Origin
from lateen.world.needs import Needs

T_co = TypeVar("T_co", bound=Api, covariant=True)

CLUSTER_DOMAIN = "cluster.local"
ROOT_NAMESPACE = "istio-system"
_HTTP_RULE = re.compile(r"spec\.http\[(\d+)\]")


class Protocol(StrEnum):
    """What a port speaks, as Istio's port protocols; UNKNOWN is recognised at the first bytes."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    GRPC_WEB = "grpc-web"
    HTTPS = "https"
    TLS = "tls"
    TCP = "tcp"
    MONGO = "mongo"
    MYSQL = "mysql"
    REDIS = "redis"
    UNKNOWN = "unknown"

    @property
    def is_http(self) -> bool:
        """Whether requests can be routed: HTTP in the clear, of any version."""
        return self in (Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB)

    @property
    def is_http2(self) -> bool:
        """Whether the app expects HTTP/2 from the first byte."""
        return self in (Protocol.HTTP2, Protocol.GRPC)

    @property
    def is_tls(self) -> bool:
        """Whether the app ends TLS itself, so that only the server name can be seen."""
        return self in (Protocol.HTTPS, Protocol.TLS)


class Port(Struct, frozen=True, kw_only=True):
    """One TCP port of a service; `target` is a port of the pod, by number or container port name."""

    number: int
    name: str
    protocol: Protocol
    target: int | str
    node: int = 0  # the same on the node, for clients outside of the mesh; 0 for none
    origin: Origin


class Shape(StrEnum):
    """How a service's name leads to endpoints."""

    CLUSTER_IP = "ClusterIP"
    HEADLESS = "Headless"
    EXTERNAL_NAME = "ExternalName"
    ENTRY_DNS = "DNS"  # a ServiceEntry, endpoints (or the host) resolved by name
    ENTRY_STATIC = "STATIC"
    ENTRY_NONE = "NONE"  # a ServiceEntry: the address the client dialled
    ENTRY_ASKED = "DYNAMIC_DNS"  # a ServiceEntry: the name asked for, resolved then


_ENTRIES = (Shape.ENTRY_DNS, Shape.ENTRY_STATIC, Shape.ENTRY_NONE, Shape.ENTRY_ASKED)


class EntryEndpoint(Struct, frozen=True, kw_only=True):
    """One endpoint of a ServiceEntry: an address or DNS name, and ports by name."""

    address: str
    ports: tuple[tuple[str, int], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    weight: int = 1
    locality: Locality = NOWHERE
    identity: str = ""  # the SPIFFE URI that a proxy before it shows


def exported(export_to: tuple[str, ...], owner: str, namespace: str) -> bool:
    """Whether an object of the namespace `owner` is there for another: `*`, `.`, or its name."""
    if not export_to:
        return True
    return any(
        each in ("*", namespace) or (each == "." and owner == namespace) for each in export_to
    )


class Service(Struct, frozen=True, kw_only=True):
    """A host of the mesh: a Kubernetes Service or one host of a ServiceEntry.

    `addresses` are where clients find it: the cluster IP, or the entry's own or auto-allocated
    addresses (IP addresses only; `ranges` are those an entry gives as CIDR). `alias` is an
    ExternalName's target; `sans` the names an entry's servers may show in their certificates;
    `outside`: its ports are the host's, too (LoadBalancer); `affinity_seconds`: for how long a
    client stays with one endpoint, 0 for not at all; `local`: in the mesh, only pods of the caller's own
    node answer.
    """

    host: str
    name: str
    namespace: str
    shape: Shape
    ports: tuple[Port, ...]
    addresses: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    alias: str = ""
    endpoints: tuple[EntryEndpoint, ...] = ()
    sans: tuple[str, ...] = ()
    export_to: tuple[str, ...] = ()
    outside: bool = False
    affinity_seconds: int = 0
    local: bool = False
    created: str = ""
    distribution: str = ""  # Kubernetes' trafficDistribution
    origin: Origin

    @property
    def for_host(self) -> bool:
        """Whether clients of the host may come to it."""
        return self.outside or any(port.node for port in self.ports)

    @property
    def is_entry(self) -> bool:
        """Whether a ServiceEntry made it."""
        return self.shape in _ENTRIES

    @property
    def age(self) -> tuple[bool, str, str, str]:
        """The order of precedence: Kubernetes before entries, then old before new, then name."""
        return (self.is_entry, self.created, self.namespace, self.name)

    def port(self, number: int) -> Port | None:
        """The port of that number."""
        return next((p for p in self.ports if p.number == number), None)


class Injection(StrEnum):
    """What kind of proxy a pod has."""

    NONE = "none"
    SIDECAR = "sidecar"
    GATEWAY = "gateway"


class Mount(Struct, frozen=True, kw_only=True):
    """A folder of a proxy with a Secret's files; `files` are their keys where they are named otherwise."""

    path: str
    secret: str
    files: tuple[tuple[str, str], ...] = ()


class Workload(Struct, frozen=True, kw_only=True):
    """A pod, as traffic sees it."""

    name: str
    namespace: str
    uid: str
    address: str
    labels: Mapping[str, str]
    service_account: str
    identity: str  # spiffe://TRUST-DOMAIN/ns/NS/sa/SA
    workload: str
    app: str
    version: str
    injection: Injection
    ended: bool
    ports: tuple[tuple[str, int], ...]  # TCP container ports: (name, number)
    named_ports: tuple[tuple[str, str, int], ...] = ()  # protocol, name, number
    hostname: str = ""
    subdomain: str = ""
    locality: Locality = NOWHERE  # of its node, or what its label istio-locality says
    proxy_metadata: tuple[tuple[str, str], ...] = ()
    node: str = ""
    mounts: tuple[Mount, ...] = ()
    proxy_settings: str = ""  # what its annotation says of how its proxy starts
    interception: Interception = EVERYTHING  # what of its TCP its proxy takes
    origin: Origin

    def target(self, port: int | str) -> int | None:
        """The number of a port given by number or by container port name."""
        if isinstance(port, int):
            return port
        return next((number for name, number in self.ports if name == port), None)


class Instance(Struct, frozen=True, kw_only=True):
    """One address behind a Kubernetes Service, with its ports by service port name."""

    address: str
    ports: tuple[tuple[str, int], ...]
    ready: bool
    hostname: str = ""
    workload: Workload | None = None

    def port(self, name: str) -> int | None:
        """The port that serves the service port of that name."""
        return next((number for known, number in self.ports if known == name), None)


class Owned(Struct, Generic[T_co], frozen=True, kw_only=True):
    """An object of a known kind, with what is asked of every one.

    One that was made of objects of other kinds says so: `origins` has where each of its HTTP rules
    comes from, or the object as a whole.
    """

    typed: T_co
    obj: Obj
    origins: tuple[Origin, ...] = ()

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.obj.key.namespace

    @property
    def name(self) -> str:
        """The object's name."""
        return self.obj.key.name

    @property
    def age(self) -> tuple[str, str, str]:
        """Istio's order of precedence: old before new, then by namespace and name."""
        return (self.obj.meta.creation_timestamp or "", self.namespace, self.name)

    def origin(self, path: str = "") -> Origin:
        """The origin of one of its fields."""
        if not self.origins:
            return self.obj.origin(path)
        rule = _HTTP_RULE.match(path)
        return self.origins[int(rule[1]) if rule else 0]


class SecretData(Struct, frozen=True, kw_only=True):
    """A Secret's bytes by key; its repr shows no content."""

    content: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"SecretData({', '.join(sorted(self.content))})"


class World(Struct, frozen=True, kw_only=True):
    """One frozen view of everything that decides about traffic, indexed.

    `services` has, for each host, all that claim it, in order of precedence. Rules are in order of
    age, as Istio processes them.
    """

    trust_domain: str
    services: Mapping[str, tuple[Service, ...]]
    services_in: Mapping[str, tuple[Service, ...]]  # Kubernetes Services by namespace
    instances: Mapping[tuple[str, str], tuple[Instance, ...]]  # by namespace and Service name
    workloads: Mapping[tuple[str, str], Workload]  # by namespace and pod name
    virtual_services: tuple[Owned[VirtualService], ...]
    destination_rules: tuple[Owned[DestinationRule], ...]
    entry_instances: Mapping[tuple[str, str], tuple[Instance, ...]]  # by namespace and entry name
    gateways: tuple[Owned[Gateway], ...]
    sidecars: tuple[Owned[Sidecar], ...]
    proxy_configs: tuple[Owned[ProxyConfig], ...]
    envoy_filters: tuple[Owned[EnvoyFilter], ...]
    mesh: MeshConfig
    peer_authentications: tuple[Owned[PeerAuthentication], ...]
    authorization_policies: tuple[Owned[AuthorizationPolicy], ...]
    request_authentications: tuple[Owned[RequestAuthentication], ...]
    secrets: Mapping[tuple[str, str], SecretData]
    ingress_secrets: frozenset[tuple[str, str]] = frozenset()  # that Ingresses name
    network_policies: tuple[Owned[NetworkPolicy], ...] = ()
    namespace_labels: Mapping[str, Labels] = field(default_factory=dict)
    telemetries: tuple[Owned[Telemetry], ...] = ()
    needs: Needs = field(default_factory=dict)

    def service(self, host: str, namespace: str) -> Service | None:
        """Who answers to a full host name, seen from a namespace: its own service first."""
        known = self.services.get(host, ())
        claims = [s for s in known if exported(s.export_to, s.namespace, namespace)]
        own = next((s for s in claims if s.namespace == namespace), None)
        return own or next(iter(claims), None)

    def instances_of(self, service: Service) -> tuple[Instance, ...]:
        """The pods behind a Service, or behind a ServiceEntry that selects some, ready or not."""
        if service.is_entry:
            return self.entry_instances.get((service.namespace, service.name), ())
        return self.instances.get((service.namespace, service.name), ())
