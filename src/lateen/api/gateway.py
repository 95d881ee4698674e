"""Istio Gateway: ports and hosts a gateway workload serves.

In: -    Out: Gateway.    Source: networking.istio.io Gateway.
Before: api/meta.py       After: check/, world/
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, Labels, NotYet
from lateen.api.meta import ObjectMeta


class Port(Api, frozen=True, kw_only=True):
    """A port: `protocol` is HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS."""

    number: int
    protocol: str
    name: str = ""
    target_port: NotYet = None


class ServerTLSSettings(Api, frozen=True, kw_only=True):
    """How the gateway speaks TLS; `credential_name` is a Secret beside the gateway workload."""

    https_redirect: bool = False
    mode: str = "PASSTHROUGH"
    credential_name: str = ""
    credential_names: NotYet = None
    server_certificate: NotYet = None
    private_key: NotYet = None
    ca_certificates: NotYet = None
    ca_crl: NotYet = None
    ca_cert_credential_name: NotYet = None
    tls_certificates: NotYet = None
    subject_alt_names: NotYet = None
    verify_certificate_spki: NotYet = None
    verify_certificate_hash: NotYet = None
    min_protocol_version: str = ""
    max_protocol_version: str = ""
    cipher_suites: NotYet = None
    ecdh_curves: NotYet = None
    insecure_skip_verify: NotYet = None


class Server(Api, frozen=True, kw_only=True):
    """A port with the hosts it serves; a host may carry a namespace: `shop/*.example.com`."""

    port: Port
    hosts: tuple[str, ...]
    name: str = ""
    bind: NotYet = None
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
