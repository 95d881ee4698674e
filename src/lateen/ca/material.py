"""What an authority signs with and what its leaves are verified against; a user's own from PEM.

In: PEM texts.          Out: Material, faults in words.
Before: -               After: ca/authority.py, ca/rotation.py
Source: Istio's Secret `cacerts` and its file names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

CERTIFICATE, KEY, CHAIN, ROOT = "ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"
_OTHER_NAMES = {CERTIFICATE: "tls.crt", KEY: "tls.key", ROOT: "ca.crt"}  # of type kubernetes.io/tls


class Unfit(ValueError):
    """Why certificates cannot serve as an authority; names the key of the Secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A certificate that signs, its key, and the way up.

    `chain`: from the signing certificate up to just below the root, which is what a peer that has
    only the roots must be shown. It is empty when the root itself signs. `roots`: all to be trusted.
    """

    certificate: x509.Certificate
    key: Key = field(repr=False)
    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]

    def same_as(self, other: Material) -> bool:
        """Whether both sign with the same key under the same roots."""
        return (self.certificate, self.chain, set(self.roots)) == (
            other.certificate,
            other.chain,
            set(other.roots),
        )

    @property
    def chain_pem(self) -> str:
        """What follows a leaf in what it is shown with."""
        return pem_of(*self.chain)


def read_material(content: Mapping[str, bytes], now: datetime) -> Material:
    """An authority from Istio's file names, as in the Secret `cacerts`; raises Unfit.

    `cert-chain.pem` may be left out, and may hold the root as well. The names of a TLS Secret
    (`tls.crt`, `tls.key`, `ca.crt`) serve, too.
    """
    certificates = _certificates(content, CERTIFICATE)
    certificate = certificates[0]
    key = _key(content)
    if key.public_key() != certificate.public_key():
        raise Unfit(f"{KEY} is not the key of {CERTIFICATE}")
    if not may_sign(certificate):
        raise Unfit(f"{CERTIFICATE} is not of an authority (basicConstraints CA, keyCertSign)")
    roots = _certificates(content, ROOT)
    between = (*certificates[1:], *_certificates(content, CHAIN, needed=False))
    material = Material(
        certificate=certificate,
        key=key,
        chain=_way_up(certificate, between, roots),
        roots=tuple(dict.fromkeys(roots)),
    )
    for each in (certificate, *material.chain, *_anchors(material)):
        if not each.not_valid_before_utc <= now < each.not_valid_after_utc:
            raise Unfit(
                f"{each.subject.rfc4514_string()} is valid from {each.not_valid_before_utc:%Y-%m-%d}"
                f" to {each.not_valid_after_utc:%Y-%m-%d}, not now"
            )
    return material


def files_of(material: Material) -> dict[str, bytes]:
    """The same under Istio's file names."""
    return {
        CERTIFICATE: pem_of(material.certificate).encode(),
        KEY: key_pem(material.key),
        CHAIN: material.chain_pem.encode(),
        ROOT: pem_of(*material.roots).encode(),
    }


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether it is marked as an authority's."""
    extensions = certificate.extensions
    limits = [e.value.ca for e in extensions if isinstance(e.value, x509.BasicConstraints)]
    uses = [e.value.key_cert_sign for e in extensions if isinstance(e.value, x509.KeyUsage)]
    return any(limits) and all(uses)


def signed_by(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether that issuer has signed the certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def algorithm_of(key: Key) -> hashes.SHA256 | hashes.SHA384:
    """The digest a key signs: as strong as the key's curve."""
    strong = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256
    return hashes.SHA384() if strong else hashes.SHA256()


def load_key(pem: bytes) -> Key:
    """An elliptic curve or RSA key; raises ValueError or TypeError."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError("it is neither an elliptic curve key nor an RSA key")
    return key


def key_pem(key: Key) -> bytes:
    """PKCS#8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def pem_of(*certificates: x509.Certificate) -> str:
    """PEM texts, one after the other."""
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def _content(content: Mapping[str, bytes], name: str) -> bytes:
    return content.get(name) or content.get(_OTHER_NAMES.get(name, ""), b"")


def _certificates(
    content: Mapping[str, bytes], name: str, *, needed: bool = True
) -> tuple[x509.Certificate, ...]:
    text = _content(content, name)
    if not text.strip():
        if needed:
            raise Unfit(f"{name} is missing")
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(text))
    except ValueError as error:
        raise Unfit(f"{name} is no PEM certificate: {error}") from error


def _key(content: Mapping[str, bytes]) -> Key:
    text = _content(content, KEY)
    if not text.strip():
        raise Unfit(f"{KEY} is missing")
    try:
        return load_key(text)
    except (ValueError, TypeError) as error:
        raise Unfit(f"{KEY} is no private key: {error}") from error


def _way_up(
    certificate: x509.Certificate,
    between: tuple[x509.Certificate, ...],
    roots: tuple[x509.Certificate, ...],
) -> tuple[x509.Certificate, ...]:
    """The certificates from this one up to below a root; raises Unfit where no way leads up."""
    chain: list[x509.Certificate] = []
    here = certificate
    while here not in roots:
        chain.append(here)
        if any(signed_by(root, here) for root in roots):
            return tuple(chain)
        above = next((c for c in between if c not in chain and signed_by(c, here)), None)
        if above is None:
            raise Unfit(
                f"{here.subject.rfc4514_string()} is signed by no certificate of {ROOT} or {CHAIN}"
            )
        here = above
    return tuple(chain)


def _anchors(material: Material) -> tuple[x509.Certificate, ...]:
    """The roots that the chain leads to."""
    last = material.chain[-1] if material.chain else material.certificate
    return tuple(r for r in material.roots if r == last or signed_by(r, last))
