"""What proxies say of themselves and of callers in headers, and what stands in front of gateways.

In: -    Out: ProxyHeaders, Topology.    Source: istio.io ProxyConfig (mesh/v1alpha1).
Before: api/fields.py                    After: api/proxydefaults.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative

FORWARDS = (
    "UNDEFINED",
    "SANITIZE",
    "FORWARD_ONLY",
    "APPEND_FORWARD",
    "SANITIZE_SET",
    "ALWAYS_FORWARD_ONLY",
)


class Disabled(Api, frozen=True, kw_only=True):
    """A header that is there unless this says otherwise."""

    disabled: bool | None = None


class Enabled(Api, frozen=True, kw_only=True):
    """A header that is there if this says so."""

    enabled: bool | None = None


class ServerHeader(Api, frozen=True, kw_only=True):
    """The header `server` of answers: the proxy's by this name, or the app's own."""

    disabled: bool | None = None
    value: str = ""


class CertDetails(Api, frozen=True, kw_only=True):
    """What of a caller's certificate an app is told: subject, DNS names and URI unless they are off."""

    subject: bool | None = None
    cert: bool | None = None
    chain: bool | None = None
    dns: bool | None = None
    uri: bool | None = None


class ProxyHeaders(Api, frozen=True, kw_only=True):
    """Headers that proxies add, by kind; `forwarded_client_cert` is one of `FORWARDS`.

    Proxies here exchange no metadata in headers, so there is nothing to leave out.
    """

    forwarded_client_cert: str = ""
    set_current_client_cert_details: CertDetails | None = None
    request_id: Disabled | None = None
    server: ServerHeader | None = None
    attempt_count: Disabled | None = None
    envoy_debug_headers: Disabled | None = None
    metadata_exchange_headers: Informative = None
    preserve_http1_header_case: bool | None = None
    x_forwarded_host: Enabled | None = None
    x_forwarded_port: Enabled | None = None


class ProxyProtocolConfiguration(Api, frozen=True, kw_only=True):
    """Connections to a gateway begin with a PROXY protocol header: it has no fields."""


class Topology(Api, frozen=True, kw_only=True):
    """What stands in front of a gateway: so many trusted proxies, which say who calls."""

    num_trusted_proxies: int = 0
    forward_client_cert_details: str = ""
    proxy_protocol: ProxyProtocolConfiguration | None = None
