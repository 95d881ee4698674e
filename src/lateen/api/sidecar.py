"""Istio Sidecar: what the proxies of a namespace, or of some of its pods, are told of the mesh.

In: -    Out: Sidecar.    Source: networking.istio.io Sidecar.
Before: api/meta.py       After: check/sidecar.py, translate/scope.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, Labels, NotYet
from lateen.api.meta import ObjectMeta


class IstioEgressListener(Api, frozen=True, kw_only=True):
    """Hosts that can be called, as `NAMESPACE/HOST`; `*`, `.` (its own) and `~` (none) for a namespace."""

    hosts: tuple[str, ...] = ()
    port: NotYet = None
    bind: NotYet = None
    capture_mode: NotYet = None


class OutboundTrafficPolicy(Api, frozen=True, kw_only=True):
    """What becomes of traffic to unknown hosts: ALLOW_ANY or REGISTRY_ONLY."""

    mode: str = "REGISTRY_ONLY"
    egress_proxy: NotYet = None


class WorkloadLabels(Api, frozen=True, kw_only=True):
    """Pods of the object's namespace that carry these labels."""

    labels: Labels = {}


class SidecarSpec(Api, frozen=True, kw_only=True):
    """For the pods selected, else for the namespace; in the root namespace, for all that have none."""

    workload_selector: WorkloadLabels | None = None
    egress: tuple[IstioEgressListener, ...] = ()
    outbound_traffic_policy: OutboundTrafficPolicy | None = None
    ingress: NotYet = None
    inbound_connection_pool: NotYet = None


class Sidecar(Api, frozen=True, kw_only=True):
    """networking.istio.io Sidecar."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "Sidecar"
    metadata: ObjectMeta
    spec: SidecarSpec = SidecarSpec()
    status: Informative = None
