"""The certificate by which kubectl shows that it is the owner's.

In: a folder.    Out: Clients: the CA that verifies clients, the admin's certificate and key.
Before: app/settings.py        After: app/opening.py

The CA's key is thrown away once it has signed: nobody can make another client of it. A certificate
about to end is replaced with its CA when lateen starts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lateen.apiserver.identity import ADMIN
from lateen.app.settings import write_private
from lateen.base.clock import Clock

LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
_NAMES = ("clients-ca.crt", "admin.crt", "admin.key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """PEM texts."""

    authority: str
    certificate: str
    key: str = field(repr=False)


def open_clients(folder: Path, clock: Clock) -> Clients:
    """Read the three files (0600), making them anew if one is missing, open or about to end."""
    paths = [folder / name for name in _NAMES]
    if all(path.exists() and not os.stat(path).st_mode & 0o077 for path in paths):
        authority, certificate, key = (path.read_text() for path in paths)
        ends = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
        if ends - clock.now() > RENEW_BEFORE:
            return Clients(authority=authority, certificate=certificate, key=key)
    made = _made(clock)
    for path, text in zip(paths, (made.authority, made.certificate, made.key), strict=True):
        write_private(path, text)
    return made


def _made(clock: Clock) -> Clients:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lateen API clients")])
    authority = (
        _builder(name, name, authority_key.public_key(), clock)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    group = x509.NameAttribute(NameOID.ORGANIZATION_NAME, ADMIN.groups[0])
    subject = x509.Name([group, x509.NameAttribute(NameOID.COMMON_NAME, ADMIN.name)])
    certificate = (
        _builder(subject, name, key.public_key(), clock)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Clients(
        authority=authority.public_bytes(Encoding.PEM).decode(),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, clock: Clock
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(minutes=1))
        .not_valid_after(clock.now() + LIFE)
    )
