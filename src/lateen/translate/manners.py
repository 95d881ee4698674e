"""How a proxy speaks HTTP, by what the mesh's settings and its own say.

In: ProxyDefaults in force for it, its role.    Out: Manners.
Before: translate/proxyconfigs.py               After: translate/plan.py

As in Istio a gateway goes by `gatewayTopology` in what it does with clients' certificates, and a
sidecar by `proxyHeaders`.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from lateen.api.connectionsettings import ConnectionSettings
from lateen.api.fields import Duration
from lateen.api.proxydefaults import HTTP10, IDLE_TIMEOUT, ProxyDefaults
from lateen.api.proxyheaders import CertDetails, Disabled, Enabled, ProxyHeaders, Topology
from lateen.ir.manners import (
    AT_THE_EDGE,
    USUAL_MANNERS,
    USUAL_PATIENCE,
    USUALLY_TOLD,
    CertPart,
    ClientCert,
    Manners,
    Patience,
)
from lateen.ir.plan import Role

_READ = ("proxy_headers", "gateway_topology", "connection_settings", "proxy_metadata")
AT_AN_EDGE = Patience(  # Istio's profile EDGE, after Envoy's advice
    idle=3600.0,
    request=300.0,
    request_headers=60.0,
    stream_idle=300.0,
    streams=100,
    stream_window=64 * 1024,
    connection_window=1024 * 1024,
    buffer=32 * 1024,
)
_EVERY_PART_BUT_CHAIN = (*USUALLY_TOLD, CertPart.CERT)  # Istio's, at gateways


def manners_of(settings: ProxyDefaults, role: Role) -> Manners:
    """The manners of a proxy of this role."""
    if not any(getattr(settings, field) for field in _READ):
        return AT_THE_EDGE if role is Role.GATEWAY else USUAL_MANNERS
    return _the_same(_manners(settings, role))


def _manners(settings: ProxyDefaults, role: Role) -> Manners:
    usual = AT_THE_EDGE if role is Role.GATEWAY else USUAL_MANNERS
    headers = settings.proxy_headers or ProxyHeaders()
    edge = (settings.gateway_topology or Topology()) if role is Role.GATEWAY else Topology()
    said = edge.forward_client_cert_details
    if role is Role.SIDECAR:
        said = headers.forwarded_client_cert
    server = headers.server
    named = (server and server.value) or usual.server
    return Manners(
        trusted_proxies=edge.num_trusted_proxies,
        proxy_protocol=edge.proxy_protocol is not None,
        certificate=_certificate(said, usual.certificate),
        cert_parts=_EVERY_PART_BUT_CHAIN
        if role is Role.GATEWAY
        else _parts(headers.set_current_client_cert_details or CertDetails()),
        server="" if server and server.disabled else named,
        request_id=not _off(headers.request_id),
        attempt_count=not _off(headers.attempt_count),
        debug_headers=not _off(headers.envoy_debug_headers),
        forwarded_host=_on(headers.x_forwarded_host),
        forwarded_port=_on(headers.x_forwarded_port),
        keeps_case=bool(headers.preserve_http1_header_case),
        http10=settings.proxy_metadata.get(HTTP10) in ("1", "true"),
        patience=_patience(settings, role),
    )


def _patience(settings: ProxyDefaults, role: Role) -> Patience:
    said = settings.connection_settings or ConnectionSettings()
    edge = AT_AN_EDGE if said.profile == "EDGE" and role is Role.GATEWAY else USUAL_PATIENCE
    idle = _seconds(said.http_idle_timeout)
    if idle is None and (text := settings.proxy_metadata.get(IDLE_TIMEOUT)):
        with suppress(ValueError):
            idle = Duration.parse(text).seconds
    wished: dict[str, Any] = {
        "idle": idle,
        "connection": _seconds(said.http_max_connection_duration),
        "drain": _seconds(said.http_drain_timeout),
        "request": _seconds(said.http_request_timeout),
        "request_headers": _seconds(said.http_request_headers_timeout),
        "stream_idle": _seconds(said.http_stream_idle_timeout),
        "stream": _seconds(said.http_max_stream_duration),
        "streams": said.http_max_concurrent_streams,
        "stream_window": said.http2_initial_stream_window_size,
        "connection_window": said.http2_initial_connection_window_size,
        "buffer": said.listener_per_connection_buffer_limit_bytes,
    }
    return replace(edge, **{field: value for field, value in wished.items() if value is not None})


def _seconds(duration: Duration | None) -> float | None:
    return None if duration is None else duration.seconds


@lru_cache(maxsize=64)
def _the_same(manners: Manners) -> Manners:
    """Equal manners as one object, by which later stages tell what they have done already."""
    return manners


def _certificate(said: str, otherwise: ClientCert) -> ClientCert:
    return ClientCert(said) if said in set(ClientCert) else otherwise


def _parts(details: CertDetails) -> tuple[CertPart, ...]:
    said = {part: getattr(details, part.value) for part in CertPart}
    return tuple(
        part for part, wish in said.items() if (part in USUALLY_TOLD if wish is None else wish)
    )


def _off(header: Disabled | None) -> bool:
    return bool(header and header.disabled)


def _on(header: Enabled | None) -> bool:
    return bool(header and header.enabled)
