"""How proxies are run: `defaultConfig` of the mesh's settings, and the annotation `proxy.istio.io/config`.

In: a pod's annotations.    Out: ProxyDefaults, Identity terms.    Source: istio.io ProxyConfig (mesh/v1alpha1).
Before: api/shape.py        After: api/meshconfig.py, world/workloads.py

Of `proxyMetadata`, the environment of Istio's agent, what is said of certificates holds here, under
the agent's names: SECRET_TTL, WORKLOAD_RSA_KEY_SIZE and ECC_SIGNATURE_ALGORITHM; and what is said of
HTTP: ISTIO_META_HTTP10 (`1`: version 1.0 is answered) and ISTIO_META_IDLE_TIMEOUT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from lateen.api.connectionsettings import ConnectionSettings
from lateen.api.fields import Api, Duration, Informative, NotYet
from lateen.api.proxyheaders import ProxyHeaders, Topology
from lateen.api.telemetry import CustomTag

ANNOTATION = "proxy.istio.io/config"
SECRET_TTL, RSA_KEY_SIZE, ECC = "SECRET_TTL", "WORKLOAD_RSA_KEY_SIZE", "ECC_SIGNATURE_ALGORITHM"
HTTP10, IDLE_TIMEOUT = "ISTIO_META_HTTP10", "ISTIO_META_IDLE_TIMEOUT"
SHORTEST = 2.0  # seconds a certificate may live at least
_KEY_SIZES = ("2048", "3072", "4096")


class ZipkinAddress(Api, frozen=True, kw_only=True):
    """Zipkin's `HOST:PORT`."""

    address: str = ""


class TracingDefaults(Api, frozen=True, kw_only=True):
    """How requests are traced where no Telemetry says it; `sampling` is 0 to 100."""

    zipkin: ZipkinAddress | None = None
    sampling: float | None = None
    custom_tags: dict[str, CustomTag] = {}
    max_path_tag_length: int | None = None
    enable_istio_tags: bool | None = None
    lightstep: NotYet = None
    datadog: NotYet = None
    stackdriver: NotYet = None
    open_census_agent: NotYet = None
    tls_settings: NotYet = None


class ProxyDefaults(Api, frozen=True, kw_only=True):
    """What holds for proxies where nothing closer says otherwise.

    `concurrency` 0 means all of the machine's cores; of `proxy_metadata` what begins with ISTIO_META_ is
    said of the proxy. Apps always start once the proxy is ready, so that need not be asked for.
    """

    proxy_metadata: dict[str, str] = msgspec.field(default_factory=dict)
    config_path: Informative = None
    binary_path: Informative = None
    service_cluster: Informative = None
    tracing_service_name: NotYet = None
    discovery_address: Informative = None
    discovery_refresh_delay: Informative = None
    control_plane_auth_policy: Informative = None
    image: Informative = None
    sds: Informative = None
    mesh_id: Informative = None
    drain_duration: Duration | None = None
    parent_shutdown_duration: NotYet = None
    termination_drain_duration: Duration | None = None
    zipkin_address: str = ""
    statsd_udp_address: NotYet = None
    proxy_admin_port: int = 0
    custom_config_file: NotYet = None
    stat_name_length: NotYet = None
    concurrency: int | None = None
    proxy_bootstrap_template_path: NotYet = None
    interception_mode: str = ""
    tracing: TracingDefaults | None = None
    envoy_access_log_service: NotYet = None
    envoy_metrics_service: NotYet = None
    envoy_metrics_service_address: NotYet = None
    file_flush_interval: NotYet = None
    file_flush_min_size_kb: NotYet = msgspec.field(default=None, name="fileFlushMinSizeKb")
    stats_compression: NotYet = None
    connection_settings: ConnectionSettings | None = None
    runtime_values: dict[str, str] = msgspec.field(default_factory=dict)
    status_port: int = 0
    extra_stat_tags: Informative = None  # further labels need no leave
    gateway_topology: Topology | None = None
    readiness_probe: NotYet = None
    proxy_stats_matcher: Informative = None  # nothing of Envoy's figures is left out
    hold_application_until_proxy_starts: bool | None = None
    ca_certificates_pem: NotYet = None
    private_key_provider: NotYet = None
    proxy_headers: ProxyHeaders | None = None
    availability_zone: NotYet = None


def metadata_faults(metadata: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The name and the fault of each entry that cannot hold."""
    ttl = metadata.get(SECRET_TTL)
    if ttl is not None:
        try:
            if Duration.parse(ttl).seconds < SHORTEST:
                yield SECRET_TTL, f"a certificate lives at least {SHORTEST:.0f}s, not {ttl}"
        except ValueError as fault:
            yield SECRET_TTL, str(fault)
    idle = metadata.get(IDLE_TIMEOUT)
    if idle is not None:
        try:
            Duration.parse(idle)
        except ValueError as fault:
            yield IDLE_TIMEOUT, str(fault)
    size = metadata.get(RSA_KEY_SIZE)
    if size is not None and size not in _KEY_SIZES:
        yield RSA_KEY_SIZE, f"wanted one of {', '.join(_KEY_SIZES)}, not {size}"
    if metadata.get(ECC, "") not in ("", "ECDSA"):
        yield ECC, f"wanted ECDSA, not {metadata[ECC]}"
