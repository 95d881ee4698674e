"""A certificate authority of the moment, for tests that need real TLS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

_NOW = datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - timedelta(hours=1))
        .not_valid_after(_NOW + timedelta(hours=1))
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


class Authority:
    """Signs certificates for SPIFFE identities and host names."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = _builder("root", "root", self._key.public_key())
        limits = x509.BasicConstraints(ca=True, path_length=None)
        certificate = own.add_extension(limits, critical=True).sign(self._key, hashes.SHA256())
        self.root = _pem(certificate, self._key).certificate

    def sign(self, subject: str, *names: x509.GeneralName) -> Pair:
        """A certificate with these subject alternative names."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, "root", key.public_key())
        sans = x509.SubjectAlternativeName(names)
        return _pem(
            builder.add_extension(sans, critical=False).sign(self._key, hashes.SHA256()), key
        )

    def identity(self, uri: str) -> Pair:
        """A workload's certificate."""
        return self.sign("workload", x509.UniformResourceIdentifier(uri))

    def revoke(self, pair: Pair) -> bytes:
        """A list, in PEM form, that takes this certificate back."""
        taken = (
            x509.RevokedCertificateBuilder()
            .serial_number(x509.load_pem_x509_certificate(pair.certificate).serial_number)
            .revocation_date(_NOW)
            .build()
        )
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name("root"))
            .last_update(_NOW - timedelta(hours=1))
            .next_update(_NOW + timedelta(hours=1))
            .add_revoked_certificate(taken)
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    def staple(self, pair: Pair) -> bytes:
        """An OCSP answer, in DER form: this certificate is good."""
        root = x509.load_pem_x509_certificate(self.root)
        made = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=x509.load_pem_x509_certificate(pair.certificate),
                issuer=root,
                algorithm=hashes.SHA256(),
                cert_status=ocsp.OCSPCertStatus.GOOD,
                this_update=_NOW - timedelta(hours=1),
                next_update=_NOW + timedelta(hours=1),
                revocation_time=None,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, root)
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.DER)
