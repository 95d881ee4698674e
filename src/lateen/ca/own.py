"""lateen's own root and intermediate, made when there is none and kept in a folder.

In: a folder, time.     Out: Material.
Before: ca/files.py     After: ca/authority.py, ca/rotation.py

The folder holds `root-cert.pem`, `root-key.pem`, `ca-cert.pem` and `ca-key.pem`. The root key is
needed only to make an intermediate and may be taken away.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from lateen.base.errors import EnvironmentFault
from lateen.ca.files import open_folder, read_private, read_public, write_private
from lateen.ca.material import (
    Material,
    algorithm_of,
    key_pem,
    load_key,
    pem_of,
    signed_by,
)

ROOT_LIFE = timedelta(days=3650)
INTERMEDIATE_LIFE = timedelta(days=365)
_BEFORE = timedelta(days=1)  # a machine's clock may be set back
_NEXT = "next"


def open_own(folder: Path, trust_domain: str, now: datetime) -> Material:
    """Load what the folder has, or make it.

    Raises EnvironmentFault when there is no valid intermediate and no key to make one with,
    ValueError or TypeError when a file is damaged.
    """
    open_folder(folder)
    text = read_public(folder / "root-cert.pem")
    roots = (
        tuple(x509.load_pem_x509_certificates(text))
        if text is not None
        else (_make_root(folder, trust_domain, now),)
    )
    found = _load(folder, roots)
    if found is None or now >= half_life(found.certificate):
        found = _make_intermediate(folder, roots, trust_domain, now) or found
    if found is None or now >= found.certificate.not_valid_after_utc:
        raise EnvironmentFault(
            f"{folder} has no valid intermediate certificate, and no root key to sign one: put "
            "root-key.pem back, or delete the folder to start with a new root"
        )
    return found


def renewed(folder: Path, material: Material, trust_domain: str, now: datetime) -> Material:
    """With a new intermediate under the same root; the same again where the root key is away."""
    return _make_intermediate(folder, material.roots, trust_domain, now) or material


def make_next(folder: Path, trust_domain: str, now: datetime) -> Material:
    """A root and an intermediate that are to replace the folder's; kept until `take_next`."""
    return open_own(folder / _NEXT, trust_domain, now)


def has_next(folder: Path) -> bool:
    """Whether such were made, maybe in an earlier life."""
    return (folder / _NEXT / "root-cert.pem").exists()


def discard_next(folder: Path) -> None:
    """They are not wanted any more."""
    shutil.rmtree(folder / _NEXT, ignore_errors=True)


def take_next(folder: Path) -> None:
    """Let the next ones be the folder's own; what a crash leaves half done still loads."""
    for name in ("root-key.pem", "root-cert.pem", "ca-key.pem", "ca-cert.pem"):
        if (folder / _NEXT / name).exists():
            (folder / _NEXT / name).replace(folder / name)
    discard_next(folder)


def half_life(certificate: x509.Certificate) -> datetime:
    """The middle of its validity."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) / 2


def _load(folder: Path, roots: tuple[x509.Certificate, ...]) -> Material | None:
    """The intermediate, unless it is missing or none of the roots has signed it."""
    certificate_pem = read_public(folder / "ca-cert.pem")
    key_text = read_private(folder / "ca-key.pem")
    if certificate_pem is None or key_text is None:
        return None
    certificate, key = x509.load_pem_x509_certificate(certificate_pem), load_key(key_text)
    if certificate.public_key() != key.public_key():
        return None
    if not any(signed_by(root, certificate) for root in roots):
        return None
    return Material(certificate=certificate, key=key, chain=(certificate,), roots=roots)


def _make_root(folder: Path, trust_domain: str, now: datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    now = now.replace(microsecond=0)
    unsigned = builder(
        _authority_name(trust_domain, "root"),
        key.public_key(),
        None,
        now - _BEFORE,
        now + ROOT_LIFE,
    )
    certificate = _as_authority(unsigned, path_length=1).sign(key, algorithm_of(key))
    # The certificate comes last: without it the folder counts as empty.
    write_private(folder / "root-key.pem", key_pem(key))
    write_private(folder / "root-cert.pem", pem_of(certificate).encode())
    return certificate


def _make_intermediate(
    folder: Path, roots: tuple[x509.Certificate, ...], trust_domain: str, now: datetime
) -> Material | None:
    """A new intermediate, or None without the key of one of the roots."""
    try:
        text = read_private(folder / "root-key.pem")
        root_key = load_key(text) if text is not None else None
    except (ValueError, TypeError) as error:
        raise EnvironmentFault(f"{folder}/root-key.pem is damaged: {error}") from error
    if root_key is None:
        return None
    root = next((r for r in roots if r.public_key() == root_key.public_key()), None)
    if root is None:
        raise EnvironmentFault(f"{folder}/root-key.pem is not the key of a root in root-cert.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    start = max(now.replace(microsecond=0) - _BEFORE, root.not_valid_before_utc)
    end = min(now.replace(microsecond=0) + INTERMEDIATE_LIFE, root.not_valid_after_utc)
    unsigned = builder(
        _authority_name(trust_domain, "intermediate"), key.public_key(), root, start, end
    )
    certificate = _as_authority(unsigned, path_length=0).sign(root_key, algorithm_of(root_key))
    write_private(folder / "ca-key.pem", key_pem(key))
    write_private(folder / "ca-cert.pem", pem_of(certificate).encode())
    return Material(certificate=certificate, key=key, chain=(certificate,), roots=roots)


def _authority_name(trust_domain: str, what: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, f"lateen {what}"),
        ]
    )


def builder(
    name: x509.Name,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    issuer: x509.Certificate | None,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    """What every certificate has; without an issuer it is its own."""
    own = x509.SubjectKeyIdentifier.from_public_key(public)
    if issuer is None:
        issuers_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    else:
        found = (
            e.value for e in issuer.extensions if isinstance(e.value, x509.SubjectKeyIdentifier)
        )
        its = next(found, None)
        issuers_id = (
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(its)
            if its
            else x509.AuthorityKeyIdentifier.from_issuer_public_key(_public_key(issuer))
        )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(own, critical=False)
        .add_extension(issuers_id, critical=False)
    )


def _public_key(issuer: x509.Certificate) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    key = issuer.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise TypeError("neither an elliptic curve key nor an RSA key")
    return key


def _as_authority(
    unsigned: x509.CertificateBuilder, *, path_length: int
) -> x509.CertificateBuilder:
    return unsigned.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(usage(ca=True), critical=True)


def usage(*, ca: bool) -> x509.KeyUsage:
    """What the key may be used for."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
