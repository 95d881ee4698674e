"""Istio's settings for the whole mesh: key `mesh` of ConfigMap `istio` in the root namespace.

In: the key's text.    Out: MeshConfig, faults.    Source: istio.io MeshConfig.
Before: api/shape.py, api/tree.py                  After: check/meshconfig.py, world/build.py
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from lateen.api.destinationrule import LocalityLoadBalancerSetting, TcpKeepalive
from lateen.api.extensionproviders import ExtensionProvider
from lateen.api.fields import Api, Duration, Informative, NotYet, dec_hook
from lateen.api.meta import LabelSelector
from lateen.api.proxydefaults import ANNOTATION, ProxyDefaults
from lateen.api.shape import Fault, FaultKind, shape
from lateen.api.tree import read_documents
from lateen.api.virtualservice import HTTPRetry

T = TypeVar("T", bound=Api)
NAMESPACE, NAME, KEY = "istio-system", "istio", "mesh"


class OutboundTrafficPolicy(Api, frozen=True, kw_only=True):
    """What becomes of traffic to unknown hosts: ALLOW_ANY or REGISTRY_ONLY."""

    mode: str = "ALLOW_ANY"


class ProxyPathNormalization(Api, frozen=True, kw_only=True):
    """How paths are read before anything goes by them: see `NORMALIZATIONS`."""

    normalization: str = "DEFAULT"


NORMALIZATIONS = ("DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")


class InboundTrafficPolicy(Api, frozen=True, kw_only=True):
    """Where apps are asked: at the address dialled (PASSTHROUGH) or on the loopback (LOCALHOST)."""

    mode: str = "PASSTHROUGH"


class DefaultProviders(Api, frozen=True, kw_only=True):
    """Which providers hold where a Telemetry names none."""

    tracing: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    access_logging: tuple[str, ...] = ()


ENCODINGS = ("TEXT", "JSON")


class MeshConfig(Api, frozen=True, kw_only=True):
    """What holds where nothing closer says otherwise."""

    outbound_traffic_policy: OutboundTrafficPolicy | None = None
    default_http_retry_policy: HTTPRetry | None = None
    default_config: ProxyDefaults | None = None
    extension_providers: tuple[ExtensionProvider, ...] = ()
    path_normalization: ProxyPathNormalization | None = None
    root_namespace: Informative = None
    access_log_encoding: str = "TEXT"
    access_log_file: str | None = None  # "" for none at all
    access_log_format: str = ""
    connect_timeout: Duration | None = None
    default_destination_rule_export_to: tuple[str, ...] = ()
    default_providers: DefaultProviders | None = None
    default_service_export_to: tuple[str, ...] = ()
    default_virtual_service_export_to: tuple[str, ...] = ()
    discovery_selectors: tuple[LabelSelector, ...] = ()
    dns_refresh_rate: NotYet = None
    enable_auto_mtls: bool | None = None
    enable_envoy_access_log_service: NotYet = None
    enable_prometheus_merge: NotYet = None
    enable_tracing: bool | None = None
    h2_upgrade_policy: str = ""
    inbound_traffic_policy: InboundTrafficPolicy | None = None
    ingress_class: NotYet = None
    ingress_controller_mode: NotYet = None
    ingress_selector: NotYet = None
    ingress_service: NotYet = None
    locality_lb_setting: LocalityLoadBalancerSetting | None = None
    # What is asked for at least, of versions, is less than what the mesh's proxies agree on: TLS 1.3.
    mesh_m_tls: Informative = msgspec.field(default=None, name="meshMTLS")
    outbound_cluster_stat_name: NotYet = None
    protocol_detection_timeout: NotYet = None
    proxy_http_port: NotYet = None
    proxy_listen_port: NotYet = None
    service_settings: Informative = None  # of several clusters
    tcp_keepalive: TcpKeepalive | None = None
    tls_defaults: NotYet = None
    trust_domain: str = ""
    trust_domain_aliases: tuple[str, ...] = ()
    verify_certificate_at_client: NotYet = None


def read_mesh_config(text: str) -> tuple[MeshConfig, tuple[Fault, ...]]:
    """Read the key's text. What does not fit is left out and told; the rest holds."""
    return _read(text, KEY, MeshConfig)


def read_proxy_annotation(text: str) -> tuple[ProxyDefaults, tuple[Fault, ...]]:
    """Read the annotation `proxy.istio.io/config` of a pod, likewise."""
    return _read(text, ANNOTATION, ProxyDefaults)


def _read(text: str, name: str, kind: type[T]) -> tuple[T, tuple[Fault, ...]]:
    documents, problems = read_documents(text, name)
    if problems or len(documents) > 1:
        words = problems[0].message if problems else "wanted one document"
        return kind(), (Fault(path="", kind=FaultKind.WRONG, message=words),)
    raw = documents[0].value if documents else {}
    if not isinstance(raw, dict):
        return kind(), (Fault(path="", kind=FaultKind.WRONG, message="wanted a mapping"),)
    shaped = shape(kind, raw)
    return msgspec.convert(shaped.raw, kind, dec_hook=dec_hook), shaped.faults
