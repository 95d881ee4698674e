"""How a proxy speaks HTTP, by what the mesh's settings and its own say.

In: ProxyDefaults in force for it, its role.    Out: Manners.
Before: translate/proxyconfigs.py               After: translate/plan.py

As in Istio a gateway goes by `gatewayTopology` in what it does with clients' certificates, and a
sidecar by `proxyHeaders`.
"""

from __future__ import annotations

from functools import lru_cache

from lateen.api.proxydefaults import ProxyDefaults
from lateen.api.proxyheaders import CertDetails, Disabled, Enabled, ProxyHeaders, Topology
from lateen.ir.manners import (
    AT_THE_EDGE,
    USUAL_MANNERS,
    USUALLY_TOLD,
    CertPart,
    ClientCert,
    Manners,
)
from lateen.ir.plan import Role

_EVERY_PART_BUT_CHAIN = (*USUALLY_TOLD, CertPart.CERT)  # Istio's, at gateways


def manners_of(settings: ProxyDefaults, role: Role) -> Manners:
    """The manners of a proxy of this role."""
    usual = AT_THE_EDGE if role is Role.GATEWAY else USUAL_MANNERS
    headers, topology = settings.proxy_headers, settings.gateway_topology
    if headers is None and (topology is None or role is Role.SIDECAR):
        return usual
    headers = headers or ProxyHeaders()
    edge = (topology or Topology()) if role is Role.GATEWAY else Topology()
    said = edge.forward_client_cert_details
    if role is Role.SIDECAR:
        said = headers.forwarded_client_cert
    server = headers.server
    named = (server and server.value) or usual.server
    made = Manners(
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
    )
    return _the_same(made)


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
