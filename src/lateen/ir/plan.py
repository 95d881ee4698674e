"""All that one proxy is to do: what it listens for, where it routes, whom it lets in.

In: -    Out: Proxy, ProxyPlan and the listeners (unions).
Before: ir/routes.py, ir/policy.py       After: translate/plan.py, envoy/emit.py, explain/
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from lateen.base.locality import NOWHERE, Locality
from lateen.base.origin import Origin
from lateen.ir.backends import Backend, BackendId, EndpointSet, Limits, Wire
from lateen.ir.manners import USUAL_MANNERS, Manners
from lateen.ir.patches import Patch
from lateen.ir.policy import EVERYTHING_ALLOWED, Authorization, Paths
from lateen.ir.routes import RouteTable, Split
from lateen.ir.telemetry import USUAL, Telemetry

ANYWHERE = "0.0.0.0"  # noqa: S104 - a listener's address inside a pod, as Istio names it


class Role(StrEnum):
    """Istio's proxy types."""

    SIDECAR = "sidecar"
    GATEWAY = "router"


class Proxy(Struct, frozen=True, kw_only=True):
    """Which proxy: `id` is `ROLE~IP~POD.NS~NS.svc.cluster.local`, as Istio's node ids."""

    id: str
    role: Role
    namespace: str
    pod: str
    address: str
    identity: str  # spiffe://TRUST-DOMAIN/ns/NS/sa/SA
    workload: str = ""
    app: str = ""
    version: str = ""
    locality: Locality = NOWHERE
    metadata: tuple[tuple[str, str], ...] = ()  # proxyMetadata, in force for it


class HttpOut(Struct, frozen=True, kw_only=True):
    """HTTP on a port of every host: listener `0.0.0.0_PORT`, route table by name.

    `own`, here and below: the proxy itself listens at the address; nothing is redirected to it.
    `within`, below: a network (CIDR) that the address dialled must be in; of several parts of one
    listener the narrowest such network decides, then those without.
    """

    port: int
    table: str
    address: str = ANYWHERE
    own: bool = False
    origin: Origin


class TcpOut(Struct, frozen=True, kw_only=True):
    """TCP to one address: listener `ADDRESS_PORT`."""

    address: str
    port: int
    to: tuple[Split, ...]
    within: str = ""
    own: bool = False
    origin: Origin


class SniffOut(Struct, frozen=True, kw_only=True):
    """One address whose port declares no protocol: HTTP is recognised, all else is TCP."""

    address: str
    port: int
    table: str
    to: tuple[Split, ...]
    within: str = ""
    own: bool = False
    origin: Origin


class SniOut(Struct, frozen=True, kw_only=True):
    """TLS left as it is, told apart by SNI.

    At any address (listener `0.0.0.0_PORT`) unknown names go where unknown traffic goes; at a
    service's own address they are refused.
    """

    port: int
    by_host: tuple[tuple[str, tuple[Split, ...]], ...]
    address: str = ANYWHERE
    within: str = ""
    own: bool = False
    origin: Origin


Outbound = HttpOut | TcpOut | SniffOut | SniOut


class Mtls(StrEnum):
    """What the server side asks of its peers."""

    STRICT = "STRICT"
    PERMISSIVE = "PERMISSIVE"
    DISABLE = "DISABLE"


class Speech(StrEnum):
    """What an inbound port speaks."""

    HTTP = "http"
    TCP = "tcp"
    UNKNOWN = "unknown"  # recognised at the first bytes


class AppAt(Struct, frozen=True, kw_only=True):
    """Where an app answers that is not where it was dialled.

    `address` "" is the pod's own; a name that begins with `@` is a Unix socket without a file.
    """

    address: str = ""
    port: int = 0


class InboundPort(Struct, frozen=True, kw_only=True):
    """A port of the pod that a Service, a container or a Sidecar declares: cluster `inbound|PORT||`.

    With a `bind` the proxy itself listens there as well: listener `BIND_PORT`.
    """

    port: int
    speech: Speech
    mtls: Mtls
    wire: Wire = Wire.CLIENT  # spoken to the app, whatever the client spoke to the proxy
    service: str = ""  # the host of a Service that leads here; for labels only
    app: AppAt | None = None
    bind: str = ""
    limits: Limits = Limits()
    stat_name: str = ""  # what it is counted as, if not by its own name
    origin: Origin


class Inbound(Struct, frozen=True, kw_only=True):
    """Everything that comes in to a sidecar; ports not listed get `otherwise`.

    `mtls_from` is what says so of mTLS: of single ports, and (0) of all others; none by default.
    `wait`: how long a silent connection is waited for where a port declares no protocol, in seconds
    (0: until it speaks); None for the emitter's own.
    """

    ports: tuple[InboundPort, ...]
    otherwise: Mtls
    authorization: Authorization = EVERYTHING_ALLOWED
    mtls_from: tuple[tuple[int, Origin], ...] = ()
    wait: float | None = None


class TlsSecret(Struct, frozen=True, kw_only=True):
    """A server certificate of a gateway: PEM, taken from a Secret of type kubernetes.io/tls.

    `staple` is an OCSP answer in DER form, to be shown with it.
    """

    name: str  # `kubernetes://NAME`, as Istio's SDS
    certificate: bytes
    key: bytes
    staple: bytes = b""

    def __repr__(self) -> str:
        return f"TlsSecret({self.name})"


class RootSecret(Struct, frozen=True, kw_only=True):
    """The certificates that a gateway's clients are verified against, as PEM.

    `revoked`: lists (CRLs) of certificates that are taken back, PEM, one of each authority.
    """

    name: str  # `kubernetes://NAME-cacert`, as Istio's SDS
    pem: bytes
    revoked: bytes = b""


class ClientCheck(Struct, frozen=True, kw_only=True):
    """What a gateway asks of its clients' certificates; `root` is a RootSecret's name.

    With `root` empty they are the mesh's own. A client without one is refused if `required`; whoever
    signed it will do unless it is `verified`.
    """

    root: str = ""
    required: bool = True
    verified: bool = True
    names: tuple[str, ...] = ()
    spki: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()


class GatewayTls(Struct, frozen=True, kw_only=True):
    """TLS ended at the gateway for these server names (`*.example.com`, `*`).

    `secrets` are the certificates to show, none for the workload's own. Inside is HTTP, routed by
    `table`, or, with `to`, raw connections for these backends.
    """

    hosts: tuple[str, ...]
    secrets: tuple[str, ...]
    min_version: str = ""  # TLSV1_2 ...; "" leaves the default
    max_version: str = ""
    ciphers: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    client: ClientCheck | None = None
    table: str = ""
    to: tuple[Split, ...] = ()
    origin: Origin


class GatewayPass(Struct, frozen=True, kw_only=True):
    """TLS left as it is, sent on by server name."""

    hosts: tuple[str, ...]
    to: tuple[Split, ...]
    origin: Origin


class GatewayTcp(Struct, frozen=True, kw_only=True):
    """A port of a gateway that takes raw connections."""

    to: tuple[Split, ...]
    origin: Origin


class GatewayHttp(Struct, frozen=True, kw_only=True):
    """A plain HTTP port of a gateway."""

    table: str
    origin: Origin


class GatewayPort(Struct, frozen=True, kw_only=True):
    """A port of a gateway workload: listener `0.0.0.0_PORT`, or `BIND_PORT`.

    Either `http`, or `tcp`, or servers told apart by name: `tls` ended here, or `passed` on.
    `outward`: the border may lead clients of the host here.
    """

    port: int
    bind: str = ANYWHERE
    outward: bool = True
    http: GatewayHttp | None = None
    tcp: GatewayTcp | None = None
    tls: tuple[GatewayTls, ...] = ()
    passed: tuple[GatewayPass, ...] = ()


class ProxyPlan(Struct, frozen=True, kw_only=True):
    """The whole of one proxy's configuration, in the words of traffic.

    A sidecar has `outbound` and `inbound`; a gateway has `gateway` (and `authorization` on it).
    `reads`: how paths of outbound requests are read, None for merged. `wait`: as of Inbound.
    `allow_any`: traffic to unknown hosts leaves by the border, or by way of `egress_proxy`;
    otherwise it is refused.
    """

    proxy: Proxy
    outbound: tuple[Outbound, ...] = ()
    inbound: Inbound | None = None
    gateway: tuple[GatewayPort, ...] = ()
    authorization: Authorization = EVERYTHING_ALLOWED
    tables: tuple[RouteTable, ...] = ()
    backends: tuple[Backend, ...] = ()
    endpoints: tuple[EndpointSet, ...] = ()
    secrets: tuple[TlsSecret, ...] = ()
    roots: tuple[RootSecret, ...] = ()
    patches: tuple[Patch, ...] = ()  # in Envoy's own words, applied to what is made of the rest
    allow_any: bool = True
    egress_proxy: BackendId | None = None
    trust_domain: str = "cluster.local"
    reads: Paths | None = None
    manners: Manners = USUAL_MANNERS
    telemetry: Telemetry = USUAL
    wait: float | None = None
