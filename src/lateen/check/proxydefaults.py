"""Check how proxies are to be run: the mesh's `defaultConfig`, or a pod's annotation.

In: ProxyDefaults.                Out: faults and notes, each with the path of its field.
Before: api/proxydefaults.py      After: check/meshconfig.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.connectionsettings import PROFILES, ConnectionSettings
from lateen.api.proxydefaults import ProxyDefaults, metadata_faults
from lateen.api.proxyheaders import FORWARDS

_STATUS_PORT, _ADMIN_PORT = 15020, 15000  # Istio's


def proxy_notes(config: ProxyDefaults) -> Iterator[str]:
    """What is asked for and cannot be had, as `FIELD: words`."""
    if config.hold_application_until_proxy_starts is False:
        yield "holdApplicationUntilProxyStarts: apps always start once their proxy is ready"
    if config.interception_mode not in ("", "REDIRECT"):
        yield "interceptionMode: connections are redirected, as by REDIRECT"
    if config.status_port not in (0, _STATUS_PORT):
        yield f"statusPort: health and figures are at port {_STATUS_PORT}"
    if config.proxy_admin_port not in (0, _ADMIN_PORT):
        yield "proxyAdminPort: Envoy's admin interface is at no port that an app could reach"


def proxy_faults(config: ProxyDefaults) -> Iterator[str]:
    """What cannot hold, as `FIELD: words`. Source: Istio ValidateMeshConfigProxyConfig."""
    for name, words in metadata_faults(config.proxy_metadata):
        yield f"proxyMetadata.{name}: {words}"
    drain = config.drain_duration
    if drain and drain.seconds != round(drain.seconds):
        yield "drainDuration: drain time only supports durations to seconds precision"
    tracing = config.tracing
    if tracing and tracing.sampling is not None and not 0 <= tracing.sampling <= 100:
        yield "tracing.sampling: must be in range [0.0, 100.0]"
    topology, headers = config.gateway_topology, config.proxy_headers
    if topology:
        if topology.num_trusted_proxies < 0:
            yield "gatewayTopology.numTrustedProxies: cannot be negative"
        yield from _forwards(
            "gatewayTopology.forwardClientCertDetails", topology.forward_client_cert_details
        )
    if headers:
        yield from _forwards("proxyHeaders.forwardedClientCert", headers.forwarded_client_cert)
    if config.connection_settings:
        for words in _connection_faults(config.connection_settings):
            yield f"connectionSettings.{words}"


_SMALLEST_WINDOW = 65535  # bytes; the HTTP/2 standard's


def _connection_faults(said: ConnectionSettings) -> Iterator[str]:
    """Source: Istio validateConnectionSettings."""
    if said.profile not in PROFILES:
        yield f"profile: wanted one of {', '.join(PROFILES[1:])}, not {said.profile}"
    buffer, streams = (
        said.listener_per_connection_buffer_limit_bytes,
        said.http_max_concurrent_streams,
    )
    if buffer is not None and buffer < 0:
        yield "listenerPerConnectionBufferLimitBytes: must be non-negative"
    if streams is not None and streams <= 0:
        yield "httpMaxConcurrentStreams: must be positive"
    for field, window in (
        ("http2InitialStreamWindowSize", said.http2_initial_stream_window_size),
        ("http2InitialConnectionWindowSize", said.http2_initial_connection_window_size),
    ):
        if window is not None and window < _SMALLEST_WINDOW:
            yield f"{field}: must be at least {_SMALLEST_WINDOW}"


def _forwards(field: str, said: str) -> Iterator[str]:
    if said and said not in FORWARDS:
        yield f"{field}: wanted one of {', '.join(FORWARDS)}, not {said}"
