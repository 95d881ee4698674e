"""Istio Gateway: ports and hosts a gateway workload serves.

In: -    Out: Gateway.    Source: networking.istio.io Gateway.
Before: api/meta.py       After: check/, world/
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, Labels
from lateen.api.meta import ObjectMeta

# Source: Istio pkg/security, the suites it lets through to Envoy.
CIPHERS = frozenset(
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    ]
)


class Port(Api, frozen=True, kw_only=True):
    """A port: `protocol` is HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS."""

    number: int
    protocol: str
    name: str = ""
    target_port: Informative = None


class TLSCertificate(Api, frozen=True, kw_only=True):
    """A certificate and its key, by path."""

    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""


class ServerTLSSettings(Api, frozen=True, kw_only=True):
    """How the gateway speaks TLS; `credential_name` is a Secret beside the gateway workload.

    `insecure_skip_verify`: clients' certificates are taken whoever signed them.
    """

    https_redirect: bool = False
    mode: str = "PASSTHROUGH"
    credential_name: str = ""
    credential_names: tuple[str, ...] = ()
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    ca_cert_credential_name: str = ""
    tls_certificates: tuple[TLSCertificate, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    verify_certificate_spki: tuple[str, ...] = ()
    verify_certificate_hash: tuple[str, ...] = ()
    min_protocol_version: str = ""
    max_protocol_version: str = ""
    cipher_suites: tuple[str, ...] = ()
    ecdh_curves: tuple[str, ...] = ()
    insecure_skip_verify: bool | None = None


class Server(Api, frozen=True, kw_only=True):
    """A port with the hosts it serves; a host may carry a namespace: `shop/*.example.com`.

    `bind` is an address of the pod to listen at instead of all of them.
    """

    port: Port
    hosts: tuple[str, ...]
    name: str = ""
    bind: str = ""
    tls: ServerTLSSettings | None = None
    default_endpoint: Informative = None


class GatewaySpec(Api, frozen=True, kw_only=True):
    """Servers, and the labels of the workload that runs them."""

    servers: tuple[Server, ...]
    selector: Labels = {}


class Gateway(Api, frozen=True, kw_only=True):
    """networking.istio.io Gateway."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "Gateway"
    metadata: ObjectMeta
    spec: GatewaySpec
    status: Informative = None
