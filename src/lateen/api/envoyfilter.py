"""Istio EnvoyFilter: changes to what Envoy is sent, in Envoy's own words.

In: -    Out: EnvoyFilter.    Source: networking.istio.io EnvoyFilter.
Before: api/meta.py           After: check/envoyfilter.py, translate/envoyfilters.py
"""

from __future__ import annotations

from typing import Any

import msgspec

from lateen.api.fields import Api, Informative, Labels
from lateen.api.meta import ObjectMeta
from lateen.api.security import PolicyTargetReference


class SubFilterMatch(Api, frozen=True, kw_only=True):
    """An HTTP filter by name."""

    name: str = ""


class FilterMatch(Api, frozen=True, kw_only=True):
    """A network filter by name, and an HTTP filter in it."""

    name: str = ""
    sub_filter: SubFilterMatch | None = None


class FilterChainMatch(Api, frozen=True, kw_only=True):
    """A filter chain; `application_protocols` are separated by commas."""

    name: str = ""
    sni: str = ""
    transport_protocol: str = ""
    application_protocols: str = ""
    destination_port: int = 0
    filter: FilterMatch | None = None


class ListenerMatch(Api, frozen=True, kw_only=True):
    """A listener, and what of it."""

    name: str = ""
    port_number: int = 0
    filter_chain: FilterChainMatch | None = None
    listener_filter: str = ""
    port_name: Informative = None


class RouteMatch(Api, frozen=True, kw_only=True):
    """A route; `action`: ANY, ROUTE, REDIRECT, DIRECT_RESPONSE."""

    name: str = ""
    action: str = "ANY"


class VirtualHostMatch(Api, frozen=True, kw_only=True):
    """A virtual host by name, or by one of its domains."""

    name: str = ""
    domain_name: str = ""
    route: RouteMatch | None = None


class RouteConfigurationMatch(Api, frozen=True, kw_only=True):
    """A route table; `port_name` and `gateway` (NAMESPACE/NAME) are of gateways' HTTPS servers."""

    name: str = ""
    port_number: int = 0
    port_name: str = ""
    gateway: str = ""
    vhost: VirtualHostMatch | None = None


class ClusterMatch(Api, frozen=True, kw_only=True):
    """A cluster by name, or by what its name says."""

    name: str = ""
    service: str = ""
    subset: str = ""
    port_number: int = 0


class ProxyMatch(Api, frozen=True, kw_only=True):
    """A proxy by its metadata; `proxy_version` is a regex for Istio's own versions."""

    proxy_version: str = ""
    metadata: dict[str, str] = {}


class ConfigObjectMatch(Api, frozen=True, kw_only=True):
    """Where: a context, and one of the kinds of objects."""

    context: str = "ANY"
    proxy: ProxyMatch | None = None
    listener: ListenerMatch | None = None
    route_configuration: RouteConfigurationMatch | None = None
    cluster: ClusterMatch | None = None


class Patch(Api, frozen=True, kw_only=True):
    """What to do, and a value in the form of Envoy's own API."""

    operation: str = ""
    value: dict[str, Any] | None = None
    filter_class: Informative = None


class ConfigPatch(Api, frozen=True, kw_only=True):
    """One change."""

    apply_to: str = ""
    match: ConfigObjectMatch | None = None
    patch: Patch | None = None


class FilterWorkloads(Api, frozen=True, kw_only=True):
    """Pods of the object's namespace that carry these labels."""

    labels: Labels = {}


class EnvoyFilterSpec(Api, frozen=True, kw_only=True):
    """Changes for the pods selected, else for the namespace; in the root namespace, for all.

    Of several the one with the lower `priority` goes first.
    """

    workload_selector: FilterWorkloads | None = None
    config_patches: tuple[ConfigPatch, ...] = ()
    priority: int = 0
    target_refs: tuple[PolicyTargetReference, ...] = ()


class EnvoyFilter(Api, frozen=True, kw_only=True):
    """networking.istio.io EnvoyFilter."""

    api_version: str = "networking.istio.io/v1alpha3"
    kind: str = "EnvoyFilter"
    metadata: ObjectMeta
    spec: EnvoyFilterSpec = msgspec.field(default_factory=EnvoyFilterSpec)
    status: Informative = None
