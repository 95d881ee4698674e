"""Istio's settings for the whole mesh: key `mesh` of ConfigMap `istio` in the root namespace.

In: the key's text.    Out: MeshConfig, faults.    Source: istio.io MeshConfig.
Before: api/shape.py, api/tree.py                  After: check/meshconfig.py, world/build.py
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

import msgspec

from lateen.api.config import ConfigMap
from lateen.api.destinationrule import (
    ConnectionPoolSettings,
    LocalityLoadBalancerSetting,
    OutlierDetection,
    TcpKeepalive,
)
from lateen.api.extensionproviders import ExtensionProvider
from lateen.api.fields import Api, Duration, Informative, NotYet, dec_hook
from lateen.api.meta import LabelSelector
from lateen.api.objects import Obj
from lateen.api.proxydefaults import ANNOTATION, ProxyDefaults
from lateen.api.shape import Fault, FaultKind, shape
from lateen.api.tree import read_documents
from lateen.api.virtualservice import HTTPRetry

T = TypeVar("T", bound=Api)
NAMESPACE, NAME, KEY = "istio-system", "istio", "mesh"


class OutboundTrafficPolicy(Api, frozen=True, kw_only=True):
    """What becomes of traffic to unknown hosts: ALLOW_ANY or REGISTRY_ONLY.

    ALLOW_ANY_DYNAMIC_DNS, where proxies look names up anew, is as ALLOW_ANY here: to the address dialled.
    """

    mode: str = "ALLOW_ANY"
    tls: NotYet = None


class ProxyPathNormalization(Api, frozen=True, kw_only=True):
    """How paths are read before anything goes by them: see `NORMALIZATIONS`."""

    normalization: str = "DEFAULT"


STAT_WORDS = (
    "%SERVICE%",
    "%SERVICE_NAME%",
    "%SERVICE_FQDN%",
    "%SERVICE_PORT%",
    "%TARGET_PORT%",
    "%SERVICE_PORT_NAME%",
    "%SUBSET_NAME%",
)
NORMALIZATIONS = ("DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")


class DefaultTrafficPolicy(Api, frozen=True, kw_only=True):
    """What holds for a host where no DestinationRule says it, each of the two as a whole."""

    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None


class InboundTrafficPolicy(Api, frozen=True, kw_only=True):
    """Where apps are asked: at the address dialled (PASSTHROUGH) or on the loopback (LOCALHOST)."""

    mode: str = "PASSTHROUGH"


class DefaultProviders(Api, frozen=True, kw_only=True):
    """Which providers hold where a Telemetry names none."""

    tracing: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    access_logging: tuple[str, ...] = ()


ENCODINGS = ("TEXT", "JSON")


class TLSConfig(Api, frozen=True, kw_only=True):
    """TLS that is not the mesh's own: at gateways and towards hosts outside, where nothing closer says."""

    min_protocol_version: str = "TLS_AUTO"
    cipher_suites: tuple[str, ...] = ()
    ecdh_curves: tuple[str, ...] = ()


class MeshTLSConfig(Api, frozen=True, kw_only=True):
    """TLS among the mesh's proxies.

    What is asked for at least, of versions, is less than what they agree on: TLS 1.3, which has no
    cipher suites to choose from. Curves are not to be chosen in Istio either.
    """

    min_protocol_version: Informative = None
    cipher_suites: NotYet = None
    ecdh_curves: tuple[str, ...] = ()


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
    ca: NotYet = None
    certificates: NotYet = None
    ca_certificates: NotYet = None
    config_sources: NotYet = None
    disable_envoy_listener_log: bool | None = None
    connect_timeout: Duration | None = None
    default_destination_rule_export_to: tuple[str, ...] = ()
    default_providers: DefaultProviders | None = None
    default_service_export_to: tuple[str, ...] = ()
    default_virtual_service_export_to: tuple[str, ...] = ()
    default_traffic_policy: DefaultTrafficPolicy | None = None
    discovery_selectors: tuple[LabelSelector, ...] = ()
    dns_refresh_rate: Duration | None = None
    enable_auto_mtls: bool | None = None
    enable_envoy_access_log_service: NotYet = None
    enable_prometheus_merge: bool | None = None
    enable_tracing: bool | None = None
    h2_upgrade_policy: str = ""
    inbound_traffic_policy: InboundTrafficPolicy | None = None
    ingress_class: str = ""
    ingress_controller_mode: str = ""
    ingress_selector: str = ""
    ingress_service: str = ""
    locality_lb_setting: LocalityLoadBalancerSetting | None = None
    mesh_m_tls: MeshTLSConfig | None = msgspec.field(default=None, name="meshMTLS")
    inbound_cluster_stat_name: str = ""
    outbound_cluster_stat_name: str = ""
    protocol_detection_timeout: Duration | None = None
    proxy_http_port: NotYet = None
    proxy_inbound_listen_port: int = 0
    proxy_listen_port: int = 0
    hbone_idle_timeout: Informative = None  # of meshes without sidecars
    service_scope_configs: Informative = None  # of several clusters
    service_settings: Informative = None  # of several clusters
    service_entry_visibility: NotYet = None
    zone_aware_lb_setting: NotYet = None
    tcp_keepalive: TcpKeepalive | None = None
    tls_defaults: TLSConfig | None = None
    trust_domain: str = ""
    trust_domain_aliases: tuple[str, ...] = ()
    verify_certificate_at_client: bool | None = None


NOTHING_SAID = MeshConfig()


def mesh_config_in(objects: Iterable[Obj]) -> MeshConfig:
    """The settings in the ConfigMap among these that has them; what does not fit was told before."""
    for obj in objects:
        named = (obj.key.namespace, obj.key.name) == (NAMESPACE, NAME)
        if named and isinstance(obj.typed, ConfigMap):
            return read_mesh_config(obj.typed.data.get(KEY, ""))[0]
    return NOTHING_SAID


def read_mesh_config(text: str) -> tuple[MeshConfig, tuple[Fault, ...]]:
    """Read the key's text. What does not fit is left out and told; the rest holds."""
    return _read(text, KEY, MeshConfig)


@lru_cache(maxsize=256)
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
