"""Istio ServiceEntry: a host the mesh knows although Kubernetes does not.

In: -    Out: ServiceEntry.    Source: networking.istio.io ServiceEntry.
Before: api/meta.py            After: check/, world/
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, Labels, NotYet
from lateen.api.meta import ObjectMeta


class ServiceEntryPort(Api, frozen=True, kw_only=True):
    """A port of the host."""

    number: int
    name: str = ""
    protocol: str = ""
    target_port: int | None = None


class WorkloadEntrySpec(Api, frozen=True, kw_only=True):
    """One endpoint: an address (IP or DNS name) and ports by name."""

    address: str = ""
    ports: dict[str, int] = {}
    labels: Labels = {}
    network: NotYet = None
    locality: NotYet = None
    weight: NotYet = None
    service_account: NotYet = None


class EntrySelector(Api, frozen=True, kw_only=True):
    """Pods and WorkloadEntries of the object's namespace that carry these labels."""

    labels: Labels = {}


class ServiceEntrySpec(Api, frozen=True, kw_only=True):
    """Hosts, ports and how to find the endpoints: NONE, STATIC, DNS (others later)."""

    hosts: tuple[str, ...]
    ports: tuple[ServiceEntryPort, ...] = ()
    location: str = "MESH_EXTERNAL"
    resolution: str = "NONE"
    addresses: tuple[str, ...] = ()
    endpoints: tuple[WorkloadEntrySpec, ...] = ()
    workload_selector: EntrySelector | None = None
    export_to: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()


class ServiceEntry(Api, frozen=True, kw_only=True):
    """networking.istio.io ServiceEntry."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "ServiceEntry"
    metadata: ObjectMeta
    spec: ServiceEntrySpec
    status: Informative = None


class WorkloadEntry(Api, frozen=True, kw_only=True):
    """networking.istio.io WorkloadEntry: an endpoint that ServiceEntries can select."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "WorkloadEntry"
    metadata: ObjectMeta
    spec: WorkloadEntrySpec
    status: Informative = None
