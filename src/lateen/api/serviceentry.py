"""Istio ServiceEntry: a host the mesh knows although Kubernetes does not.

In: -    Out: ServiceEntry.    Source: networking.istio.io ServiceEntry.
Before: api/meta.py            After: check/, world/
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, Labels
from lateen.api.meta import ObjectMeta


class ServiceEntryPort(Api, frozen=True, kw_only=True):
    """A port of the host."""

    number: int
    name: str = ""
    protocol: str = ""
    target_port: int | None = None


class WorkloadEntrySpec(Api, frozen=True, kw_only=True):
    """One endpoint: an address (IP or DNS name) and ports by name; a weight of 0 is one of 1.

    `network` says something to gateways between networks, and there is one network here.
    """

    address: str = ""
    ports: dict[str, int] = {}
    labels: Labels = {}
    network: Informative = None
    locality: str = ""
    weight: int = 0
    service_account: str = ""


class EntrySelector(Api, frozen=True, kw_only=True):
    """Pods and WorkloadEntries of the object's namespace that carry these labels."""

    labels: Labels = {}


class ServiceEntrySpec(Api, frozen=True, kw_only=True):
    """Hosts, ports and how to find the endpoints: NONE, STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS."""

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
