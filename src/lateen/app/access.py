"""Who may speak to the API and the console over loopback TCP: a certificate and two tokens.

In: the state directory.    Out: Access; kept, so that a kubeconfig outlives a restart.
Before: -       After: app/control.py, console/serve.py

The certificate is the API's own and has nothing to do with the mesh's CA: no workload's certificate
opens the API, and the API's opens no workload.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lateen.app.settings import write_private
from lateen.base.clock import Clock

LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
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
        ends = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
        if ends - clock.now() > RENEW_BEFORE and not os.stat(key_path).st_mode & 0o077:
            return pem, key_path.read_text()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = _self_signed(key, clock).public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    write_private(key_path, private)
    write_private(path, pem)
    return pem, private


def _self_signed(key: ec.EllipticCurvePrivateKey, clock: Clock) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lateen API on loopback")])
    here = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
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
        .sign(key, hashes.SHA256())
    )
