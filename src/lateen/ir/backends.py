"""Where requests can be sent, and what happens on the way there.

In: -    Out: Backend, BackendId, Endpoint, EndpointSet and the unions they are made of.
Before: base/origin.py       After: ir/routes.py, translate/backends.py, envoy/clusters.py

Times are seconds. A limit of None means the default of the emitter: no limit, as Istio's.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from lateen.base.locality import NOWHERE, Locality
from lateen.base.origin import Origin


class BackendId(Struct, frozen=True, kw_only=True, order=True):
    """A host's port, or a subset of it; `host` is its full name (`web.shop.svc.cluster.local`).

    `as_it_is`: for the mesh's mTLS of others, which is passed on unopened.
    """

    host: str
    port: int
    subset: str = ""
    as_it_is: bool = False


class InMesh(Struct, frozen=True):
    """Pods, found through the endpoint sets that are sent apart.

    With Balance.PASSTHROUGH nothing is looked up: the address the client dialled is the endpoint.
    """


class Remote(Struct, frozen=True, kw_only=True, order=True):
    """A name or address outside and a port; `weight`, `priority` and `share` as of an Endpoint."""

    host: str
    port: int
    weight: int = 1
    locality: Locality = NOWHERE
    priority: int = 0
    share: int = 0


class Outside(Struct, frozen=True):
    """Hosts outside, dialled by the border.

    `asked`: they are a wildcard's, and the one asked for is looked up by the proxy and dialled by number.
    """

    destinations: tuple[Remote, ...]
    asked: bool = False


Discovery = InMesh | Outside


class Wire(StrEnum):
    """The protocol spoken to the backend."""

    HTTP1 = "http1"
    HTTP2 = "http2"
    CLIENT = "client"  # as the client spoke to the proxy
    TCP = "tcp"


class Plaintext(Struct, frozen=True):
    """No TLS added."""


class MeshMtls(Struct, frozen=True, kw_only=True):
    """mTLS with the workload's own certificate to one of these SPIFFE identities.

    `auto`: only to endpoints that have a proxy (`Endpoint.mtls`); otherwise to all of them.
    """

    identities: tuple[str, ...]
    sni: str
    auto: bool = True


class OriginateTls(Struct, frozen=True, kw_only=True):
    """TLS as an ordinary client. An empty `sni` sends the request's host.

    `secret` is the client's own certificate and `root` what the server is verified against, both by
    their SDS names; without a root the system's are taken.
    """

    sni: str = ""
    secret: str = ""
    root: str = ""
    sans: tuple[str, ...] = ()
    verify: bool = True
    ciphers: tuple[str, ...] = ()  # none leaves the default, here and below
    curves: tuple[str, ...] = ()


Security = Plaintext | MeshMtls | OriginateTls


class Balance(StrEnum):
    """How an endpoint is chosen."""

    ROUND_ROBIN = "round_robin"
    LEAST_REQUEST = "least_request"
    RANDOM = "random"
    PASSTHROUGH = "passthrough"  # the address the client dialled


class Hashing(Struct, frozen=True, kw_only=True):
    """Endpoints chosen by a hash: on a ring of at least `size` places, or in a Maglev table of `size`."""

    maglev: bool = False
    size: int | None = None


class Warmup(Struct, frozen=True, kw_only=True):
    """A new endpoint's share grows over `window` seconds, from `percent` on."""

    window: float
    percent: float | None = None
    aggression: float | None = None


class Tunnel(Struct, frozen=True, kw_only=True):
    """Raw connections go inside CONNECT, or POST, to `host:port`."""

    target: str
    post: bool = False


class Keepalive(Struct, frozen=True, kw_only=True):
    """TCP keepalive."""

    probes: int | None = None
    idle: float | None = None
    interval: float | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """What a proxy holds itself to towards this backend."""

    connect_timeout: float = 10.0
    max_connections: int | None = None
    max_pending: int | None = None
    max_requests: int | None = None
    max_retries: int | None = None
    retry_percent: float | None = None  # of the requests under way, instead of `max_retries`
    retry_least: int = 3
    retry_over: float | None = None  # seconds over which requests are counted
    ping: tuple[float, float] | None = None  # HTTP/2: interval, and time for an answer
    max_requests_per_connection: int | None = None
    max_concurrent_streams: int | None = None
    idle_timeout: float | None = None
    tcp_idle_timeout: float | None = None
    max_connection_duration: float | None = None
    keepalive: Keepalive | None = None


class Ejection(Struct, frozen=True, kw_only=True):
    """Outlier detection: after so many errors in a row an endpoint is left out for a while."""

    consecutive_5xx: int | None = 5
    consecutive_gateway: int | None = None
    consecutive_local_origin: int | None = None
    split_local_origin: bool = False
    interval: float = 10.0
    base_time: float = 30.0
    max_percent: int = 10
    min_health_percent: int = 0
    error_codes: tuple[int, ...] = ()  # the statuses that count; none for all of 5xx
    origin: Origin


class Backend(Struct, frozen=True, kw_only=True):
    """One destination with all that applies on the way to it, fully resolved.

    `policies` are where its limits, balance, ejection and security were set, each place once.
    """

    id: BackendId
    discovery: Discovery
    wire: Wire
    security: Security
    balance: Balance = Balance.LEAST_REQUEST
    by_place: bool = False  # a place is chosen by its weight before an endpoint is
    hashing: Hashing | None = None
    by_source: bool = False  # of raw connections, the client's address is hashed
    warmup: Warmup | None = None
    tunnel: Tunnel | None = None
    proxy_protocol: int = 0  # the version of the header sent first, 0 for none
    limits: Limits = Limits()
    ejection: Ejection | None = None
    policies: tuple[Origin, ...] = ()
    stat_name: str = ""  # what it is counted as, if not by its own name
    origin: Origin


class Endpoint(Struct, frozen=True, kw_only=True, order=True):
    """One pod's port. `mtls`: a proxy of the mesh stands before it.

    `priority` 0 comes first, the next when too many of it are down. `share`: of its whole place, in
    the units of the other places' (0: a place weighs what its endpoints do).
    """

    address: str
    port: int
    mtls: bool
    namespace: str = ""
    workload: str = ""
    app: str = ""
    version: str = ""
    cluster_identity: str = ""  # the SPIFFE URI
    locality: Locality = NOWHERE
    priority: int = 0
    share: int = 0


class EndpointSet(Struct, frozen=True, kw_only=True):
    """The endpoints of one backend, sorted, without repeats."""

    id: BackendId
    endpoints: tuple[Endpoint, ...]
