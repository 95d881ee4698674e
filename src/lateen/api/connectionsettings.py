"""How proxies treat the connections they take: `connectionSettings` of Istio's ProxyConfig.

In: -    Out: ConnectionSettings.    Source: istio.io ProxyConfig.ConnectionSettings (mesh/v1alpha1).
Before: api/fields.py                After: api/proxydefaults.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Duration, Informative, NotYet

PROFILES = ("", "SIDECAR", "EDGE")


class ConnectionSettings(Api, frozen=True, kw_only=True):
    """Time limits (0 for none) and HTTP/2 limits of what clients open; sizes in bytes.

    With `profile` EDGE a gateway has Envoy's advice for the edge where nothing else is said. How paths
    are read is `pathNormalization`'s alone: policies must read them as apps do.
    """

    profile: str = ""
    listener_per_connection_buffer_limit_bytes: int | None = None
    cluster_per_connection_buffer_limit_bytes: NotYet = None
    http_idle_timeout: Duration | None = None
    http_max_connection_duration: Duration | None = None
    http_drain_timeout: Duration | None = None
    http_request_timeout: Duration | None = None
    http_request_headers_timeout: Duration | None = None
    http_stream_idle_timeout: Duration | None = None
    http_max_stream_duration: Duration | None = None
    http_max_concurrent_streams: int | None = None
    http2_initial_stream_window_size: int | None = None
    http2_initial_connection_window_size: int | None = None
    http_headers_with_underscores_action: NotYet = None
    http_merge_slashes: NotYet = None
    http_path_with_escaped_slashes_action: NotYet = None
    listener_connection_limit: Informative = None  # of no effect in Istio either
    global_downstream_connection_limit: NotYet = None
