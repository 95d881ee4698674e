"""Istio Sidecar: what the proxies of a namespace, or of some of its pods, are told of the mesh.

In: -    Out: Sidecar.    Source: networking.istio.io Sidecar.
Before: api/meta.py       After: check/sidecar.py, translate/scope.py, translate/inbound.py
"""

from __future__ import annotations

from lateen.api.destinationrule import ConnectionPoolSettings
from lateen.api.fields import Api, Informative, Labels
from lateen.api.meta import ObjectMeta
from lateen.api.virtualservice import Destination

UNIX = "unix://"  # how an address begins that is a Unix socket; one with an `@` has no file


class SidecarPort(Api, frozen=True, kw_only=True):
    """A port: `protocol` is HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS; number 0 goes with a socket."""

    number: int
    protocol: str
    name: str = ""
    target_port: Informative = None


class IstioIngressListener(Api, frozen=True, kw_only=True):
    """A port of the pods, and what of the app answers there.

    `default_endpoint`: `127.0.0.1:PORT`, `0.0.0.0:PORT` (the pod's own address) or a Unix socket;
    without it, the port that was asked for. `capture_mode` NONE: the proxy itself listens at `bind`.
    `tls` has no effect in Istio either, unless its pilot is started with ENABLE_TLS_ON_SIDECAR_INGRESS.
    """

    port: SidecarPort
    bind: str = ""
    capture_mode: str = "DEFAULT"
    default_endpoint: str = ""
    tls: Informative = None
    connection_pool: ConnectionPoolSettings | None = None


class IstioEgressListener(Api, frozen=True, kw_only=True):
    """Hosts that can be called, as `NAMESPACE/HOST`; `*`, `.` (its own) and `~` (none) for a namespace.

    With a `port` they are called there alone; with `capture_mode` NONE the proxy listens at `bind`
    (127.0.0.1 unless given) and nothing is redirected to it.
    """

    hosts: tuple[str, ...] = ()
    port: SidecarPort | None = None
    bind: str = ""
    capture_mode: str = "DEFAULT"


class OutboundTrafficPolicy(Api, frozen=True, kw_only=True):
    """What becomes of traffic to unknown hosts: ALLOW_ANY (by way of `egress_proxy`) or REGISTRY_ONLY."""

    mode: str = "REGISTRY_ONLY"
    egress_proxy: Destination | None = None


class WorkloadLabels(Api, frozen=True, kw_only=True):
    """Pods of the object's namespace that carry these labels."""

    labels: Labels = {}


class SidecarSpec(Api, frozen=True, kw_only=True):
    """For the pods selected, else for the namespace; in the root namespace, for all that have none."""

    workload_selector: WorkloadLabels | None = None
    ingress: tuple[IstioIngressListener, ...] = ()
    egress: tuple[IstioEgressListener, ...] = ()
    outbound_traffic_policy: OutboundTrafficPolicy | None = None
    inbound_connection_pool: ConnectionPoolSettings | None = None


class Sidecar(Api, frozen=True, kw_only=True):
    """networking.istio.io Sidecar."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "Sidecar"
    metadata: ObjectMeta
    spec: SidecarSpec = SidecarSpec()
    status: Informative = None
