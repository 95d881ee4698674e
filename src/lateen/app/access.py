"""Who may speak to the API and the console over loopback TCP: a certificate and two tokens.

In: the state directory.    Out: Access; kept, so that a kubeconfig outlives a restart.
Before: -       After: app/control.py, console/serve.py

The certificate is for loopback and for the names and addresses that pods know the API by. It is the API's own and has nothing to do with the mesh's CA: no workload's certificate
opens the API, and the API's opens no workload.
"""

from __future__ import annotations

import ipaddress
import os
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from lateen.app.settings import write_private
from lateen.base.clock import Clock
from lateen.cluster.addresses import API, HOST
from lateen.cluster.ownapi import API_NAMES

# Strict verifiers (Python 3.13 and newer) want one that signs, if only itself, to say that it may.
_SERVES_AND_SIGNS = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
_NAMES = ("localhost", *API_NAMES)
_ADDRESSES = tuple(map(ipaddress.ip_address, ("127.0.0.1", API, HOST)))


class Access(Struct, frozen=True, kw_only=True):
    """PEM texts of the API's own certificate (which is its own CA) and key, and the tokens."""

    certificate: str
    key: str
    api_token: str
    console_token: str

    def __repr__(self) -> str:
        return "Access()"


def open_access(folder: Path, clock: Clock) -> Access:
    """Read what is in the folder (0700), making what is missing or about to end (all 0600)."""
    folder.mkdir(mode=0o700, exist_ok=True)
    certificate, key = _certificate(folder, clock)
    return Access(
        certificate=certificate,
        key=key,
        api_token=_token(folder / "api.token"),
        console_token=_token(folder / "console.token"),
    )


def _token(path: Path) -> str:
    if not path.exists():
        write_private(path, token_urlsafe(32))
    return path.read_text()


def _certificate(folder: Path, clock: Clock) -> tuple[str, str]:
    path, key_path = folder / "api.crt", folder / "api.key"
    if path.exists() and key_path.exists():
        pem = path.read_text()
        found = x509.load_pem_x509_certificate(pem.encode())
        fresh = found.not_valid_after_utc - clock.now() > RENEW_BEFORE and _names_all(found)
        if fresh and not os.stat(key_path).st_mode & 0o077:
            return pem, key_path.read_text()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = _self_signed(key, clock).public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    write_private(key_path, private)
    write_private(path, pem)
    return pem, private


def _names_all(certificate: x509.Certificate) -> bool:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(_NAMES) <= set(names.get_values_for_type(x509.DNSName)) and set(_ADDRESSES) <= set(
        names.get_values_for_type(x509.IPAddress)
    )


def _self_signed(key: ec.EllipticCurvePrivateKey, clock: Clock) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lateen API on loopback")])
    here = [*map(x509.DNSName, _NAMES), *map(x509.IPAddress, _ADDRESSES)]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(minutes=1))
        .not_valid_after(clock.now() + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .add_extension(usage, critical=False)
        .add_extension(_SERVES_AND_SIGNS, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
