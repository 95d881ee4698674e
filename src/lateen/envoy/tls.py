"""TLS between proxies, to hosts outside, and at gateways; and the secrets they ask for.

In: MeshMtls, OriginateTls, GatewayTls, PEM.    Out: transport sockets, Secrets.
Before: ir/backends.py, ir/plan.py              After: clusters.py, listeners_in.py, gateway.py
"""

from __future__ import annotations

from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue

from lateen.envoy import names
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import DataSource, TransportSocket
from lateen.envoy.pb.envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import (
    RawBuffer,
)
from lateen.envoy.pb.envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
    TlsCertificate,
    TlsParameters,
)
from lateen.envoy.pb.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import (
    SdsSecretConfig,
    Secret,
)
from lateen.envoy.pb.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import (
    CommonTlsContext,
    DownstreamTlsContext,
    UpstreamTlsContext,
)
from lateen.envoy.pb.envoy.type.matcher.v3.string_pb2 import StringMatcher
from lateen.envoy.resources import Resource, version_of
from lateen.envoy.wire import TRUE, ads, packed
from lateen.ir.backends import MeshMtls, OriginateTls
from lateen.ir.plan import ClientCheck, GatewayTls

# What a proxy offers in the handshake tells the other side what is inside. Stock Envoy has no
# filter for Istio's per-request names, and needs none: a cluster speaks either HTTP or TCP.
ALPN_HTTP = "istio-http"
ALPN_TCP = "istio"

_SOCKET = "envoy.transport_sockets.tls"
_MESH_PARAMETERS = TlsParameters(
    tls_minimum_protocol_version=TlsParameters.TLSv1_3,
    tls_maximum_protocol_version=TlsParameters.TLSv1_3,
)
_VERSIONS = {
    "TLSV1_0": TlsParameters.TLSv1_0,
    "TLSV1_1": TlsParameters.TLSv1_1,
    "TLSV1_2": TlsParameters.TLSv1_2,
    "TLSV1_3": TlsParameters.TLSv1_3,
}


def _socket(context: Message) -> TransportSocket:
    return TransportSocket(name=_SOCKET, typed_config=packed(context))


def plaintext() -> TransportSocket:
    """No TLS."""
    return TransportSocket(
        name="envoy.transport_sockets.raw_buffer", typed_config=packed(RawBuffer())
    )


def _mesh_common(identities: tuple[str, ...], alpn: tuple[str, ...]) -> CommonTlsContext:
    sans = [
        SubjectAltNameMatcher(
            san_type=SubjectAltNameMatcher.URI, matcher=StringMatcher(exact=identity)
        )
        for identity in identities
    ]
    return CommonTlsContext(
        tls_params=_MESH_PARAMETERS,
        alpn_protocols=alpn,
        tls_certificate_sds_secret_configs=[
            SdsSecretConfig(name=names.SECRET_OWN, sds_config=ads())
        ],
        combined_validation_context=CommonTlsContext.CombinedCertificateValidationContext(
            default_validation_context=CertificateValidationContext(
                match_typed_subject_alt_names=sans
            ),
            validation_context_sds_secret_config=SdsSecretConfig(
                name=names.SECRET_ROOT, sds_config=ads()
            ),
        ),
    )


def mesh_client(security: MeshMtls, alpn: str) -> TransportSocket:
    """mTLS to one of the identities; `alpn` says what is inside."""
    return _socket(
        UpstreamTlsContext(
            common_tls_context=_mesh_common(security.identities, (alpn,)), sni=security.sni
        )
    )


def mesh_server() -> TransportSocket:
    """mTLS asked of every peer. No ALPN is offered: the HTTP version shows in the first bytes."""
    return _socket(
        DownstreamTlsContext(
            common_tls_context=_mesh_common((), ()), require_client_certificate=TRUE
        )
    )


def ordinary_client(
    security: OriginateTls, *, sni: str, alpn: tuple[str, ...], system_roots: str
) -> TransportSocket:
    """TLS to a host outside, verified against the PEM file of roots unless told not to."""
    parameters = TlsParameters(cipher_suites=security.ciphers, ecdh_curves=security.curves)
    chosen = parameters if security.ciphers or security.curves else None
    common = CommonTlsContext(alpn_protocols=alpn, tls_params=chosen)
    if security.secret:
        common.tls_certificate_sds_secret_configs.add(name=security.secret, sds_config=ads())
    if security.verify:
        sans = [
            SubjectAltNameMatcher(
                san_type=SubjectAltNameMatcher.DNS, matcher=StringMatcher(exact=san)
            )
            for san in security.sans or ((sni,) if sni else ())
        ]
        wanted = CertificateValidationContext(match_typed_subject_alt_names=sans)
        if security.root:
            common.combined_validation_context.default_validation_context.CopyFrom(wanted)
            root = SdsSecretConfig(name=security.root, sds_config=ads())
            common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(root)
        else:
            wanted.trusted_ca.filename = system_roots
            common.validation_context.CopyFrom(wanted)
    return _socket(UpstreamTlsContext(common_tls_context=common, sni=sni))


def gateway_server(server: GatewayTls) -> TransportSocket:
    """TLS ended at a gateway with the certificates of Secrets, or with the workload's own."""
    common = CommonTlsContext(
        alpn_protocols=() if server.to else ("h2", "http/1.1"),
        tls_params=TlsParameters(
            tls_minimum_protocol_version=_VERSIONS.get(server.min_version, TlsParameters.TLSv1_2),
            tls_maximum_protocol_version=_VERSIONS.get(server.max_version, TlsParameters.TLS_AUTO),
            cipher_suites=server.ciphers,
            ecdh_curves=server.curves,
        ),
        tls_certificate_sds_secret_configs=[
            SdsSecretConfig(name=name, sds_config=ads())
            for name in server.secrets or (names.SECRET_OWN,)
        ],
    )
    client = server.client
    if client:
        common.combined_validation_context.CopyFrom(_client_check(client))
    required = BoolValue(value=client.required) if client else None
    return _socket(
        DownstreamTlsContext(common_tls_context=common, require_client_certificate=required)
    )


def _client_check(client: ClientCheck) -> CommonTlsContext.CombinedCertificateValidationContext:
    """A name matches a DNS name or a URI of the certificate; a `*` at its end any ending."""
    kinds = (SubjectAltNameMatcher.URI, SubjectAltNameMatcher.DNS)
    wanted = [
        SubjectAltNameMatcher(san_type=kind, matcher=_name(name))
        for name in client.names
        for kind in kinds
    ]
    return CommonTlsContext.CombinedCertificateValidationContext(
        default_validation_context=CertificateValidationContext(
            match_typed_subject_alt_names=wanted,
            trust_chain_verification=CertificateValidationContext.VERIFY_TRUST_CHAIN
            if client.verified
            else CertificateValidationContext.ACCEPT_UNTRUSTED,
            verify_certificate_spki=client.spki,
            verify_certificate_hash=client.hashes,
        ),
        validation_context_sds_secret_config=SdsSecretConfig(
            name=client.root or names.SECRET_ROOT, sds_config=ads()
        ),
    )


def _name(text: str) -> StringMatcher:
    return StringMatcher(prefix=text[:-1]) if text.endswith("*") else StringMatcher(exact=text)


def _secret(secret: Secret, version: str) -> Resource:
    body = secret.SerializeToString(deterministic=True)
    return Resource(name=secret.name, version=version or version_of(body), body=body)


def emit_secret(
    name: str, cert_pem: bytes, key_pem: bytes, version: str = "", *, staple: bytes = b""
) -> Resource:
    """A certificate chain with its key, for SDS. `version` defaults to the digest of the bytes."""
    certificate = TlsCertificate(
        certificate_chain=DataSource(inline_bytes=cert_pem),
        private_key=DataSource(inline_bytes=key_pem),
        ocsp_staple=DataSource(inline_bytes=staple) if staple else None,
    )
    return _secret(Secret(name=name, tls_certificate=certificate), version)


def emit_root(name: str, pem: bytes, *, revoked: bytes = b"") -> Resource:
    """The roots peers are verified against, for SDS, and what they have revoked."""
    roots = CertificateValidationContext(
        trusted_ca=DataSource(inline_bytes=pem),
        crl=DataSource(inline_bytes=revoked) if revoked else None,
    )
    return _secret(Secret(name=name, validation_context=roots), "")
