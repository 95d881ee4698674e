"""The mesh's certificate authority: a root, an intermediate that signs, leaves for proxies.

In: a folder, identities.    Out: Leaf; the bundle of roots.
Before: ca/files.py, ca/subject.py    After: ca/secrets.py

The folder holds `root-cert.pem`, `root-key.pem`, `ca-cert.pem` and `ca-key.pem`. The root key is
needed only to make an intermediate and may be taken away. To change roots add the next one to
`root-cert.pem`: all in it are handed out, so that old and new leaves are trusted side by side. Then
put the next root's key into `root-key.pem` and delete `ca-cert.pem`: the next start signs with it.
Keys of leaves exist in memory only.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lateen.base.clock import Clock
from lateen.base.errors import EnvironmentFault
from lateen.ca.files import open_folder, read_private, read_public, write_private
from lateen.ca.subject import Subject, name_of

ROOT_LIFE = timedelta(days=3650)
INTERMEDIATE_LIFE = timedelta(days=365)
LEAF_LIFE = timedelta(hours=24)
SKEW = timedelta(minutes=1)  # a proxy's clock may be behind ours

_Key = ec.EllipticCurvePrivateKey
_SHA256 = hashes.SHA256()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A proxy's certificate: leaf and intermediate in one PEM text, and its key."""

    chain_pem: str
    key_pem: str = field(repr=False)
    not_before: datetime
    not_after: datetime
    serial: int


@dataclass(frozen=True, slots=True)
class _Signer:
    certificate: x509.Certificate
    key: _Key


class Authority:
    """Signs leaves. Use `open`."""

    def __init__(
        self,
        folder: Path,
        trust_domain: str,
        clock: Clock,
        roots: tuple[x509.Certificate, ...],
        signer: _Signer,
    ) -> None:
        self.trust_domain = trust_domain
        self._folder = folder
        self._clock = clock
        self._roots = roots
        self._signer = signer

    @classmethod
    def open(cls, folder: Path, *, trust_domain: str, clock: Clock) -> Authority:
        """Load the authority in the folder, or make one.

        Raises EnvironmentFault when a file is damaged, readable by others, out of date, or when an
        intermediate is needed and the root key is not there.
        """
        open_folder(folder)
        now = clock.now()
        try:
            text = read_public(folder / "root-cert.pem")
            roots = (
                tuple(x509.load_pem_x509_certificates(text))
                if text is not None
                else (_make_root(folder, trust_domain, now),)
            )
            signer = _load_signer(folder, roots)
        except (ValueError, TypeError) as error:
            raise EnvironmentFault(
                f"a certificate or key in {folder} is damaged: {error}"
            ) from error
        if signer is None or now >= _half_life(signer.certificate):
            signer = _make_signer(folder, roots, trust_domain, now) or signer
        if signer is None or now >= signer.certificate.not_valid_after_utc:
            raise EnvironmentFault(
                f"{folder} has no valid intermediate certificate, and no root key to sign one: put "
                "root-key.pem back, or delete the folder to start with a new root"
            )
        return cls(folder, trust_domain, clock, roots, signer)

    @property
    def bundle_pem(self) -> str:
        """All roots a proxy should trust, in the order of the file."""
        return "".join(_pem(root) for root in self._roots)

    def derived_key(self, purpose: str) -> bytes:
        """32 secret bytes that only this intermediate's key gives, different for each purpose."""
        raw = self._signer.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return HKDF(algorithm=_SHA256, length=32, salt=None, info=purpose.encode()).derive(raw)

    def issue(self, identity: str, *, subject: Subject, lifetime: timedelta = LEAF_LIFE) -> Leaf:
        """A certificate and a new key for a SPIFFE identity (`spiffe://DOMAIN/ns/NS/sa/SA`).

        It never outlives the intermediate. The subject's trust domain is the authority's own.
        """
        now = self._clock.now()
        self._renew_signer(now)
        issuer = self._signer.certificate
        key = ec.generate_private_key(ec.SECP256R1())
        not_before = now.replace(microsecond=0) - SKEW
        not_after = min(now.replace(microsecond=0) + lifetime, issuer.not_valid_after_utc)
        certificate = (
            _builder(
                name_of(replace(subject, trust_domain=self.trust_domain)),
                key.public_key(),
                issuer,
                not_before,
                not_after,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]),
                critical=True,
            )
            .sign(self._signer.key, _SHA256)
        )
        return Leaf(
            chain_pem=_pem(certificate) + _pem(issuer),
            key_pem=_key_pem(key).decode(),
            not_before=not_before,
            not_after=not_after,
            serial=certificate.serial_number,
        )

    def _renew_signer(self, now: datetime) -> None:
        if now < _half_life(self._signer.certificate):
            return
        made = _make_signer(self._folder, self._roots, self.trust_domain, now)
        if made is not None:
            self._signer = made
        elif now >= self._signer.certificate.not_valid_after_utc:
            raise EnvironmentFault(
                f"the intermediate certificate in {self._folder} has expired, and there is no root "
                "key to sign another"
            )


def renew_at(leaf: Leaf, chance: Callable[[], float] = random.random) -> datetime:
    """When to replace a leaf: between 45 % and 50 % of its life, so that not all come at once.

    `chance` gives a number from 0 up to 1.
    """
    life = leaf.not_after - leaf.not_before
    return leaf.not_before + life * (0.45 + 0.05 * chance())


def _half_life(certificate: x509.Certificate) -> datetime:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) / 2


def _load_signer(folder: Path, roots: tuple[x509.Certificate, ...]) -> _Signer | None:
    """The intermediate, unless it is missing or none of the roots has signed it."""
    certificate_pem = read_public(folder / "ca-cert.pem")
    key = _load_key(folder / "ca-key.pem")
    if certificate_pem is None or key is None:
        return None
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    if certificate.public_key() != key.public_key():
        return None
    return _Signer(certificate, key) if any(_signed(r, certificate) for r in roots) else None


def _signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _load_key(path: Path) -> _Key | None:
    pem = read_private(path)
    if pem is None:
        return None
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is not an elliptic curve key")
    return key


def _make_root(folder: Path, trust_domain: str, now: datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    start = now.replace(microsecond=0) - SKEW
    builder = _builder(
        _authority_name(trust_domain, "root"), key.public_key(), None, start, start + ROOT_LIFE
    )
    certificate = _as_authority(builder, path_length=1).sign(key, _SHA256)
    # The certificate comes last: without it the folder counts as empty.
    write_private(folder / "root-key.pem", _key_pem(key))
    write_private(folder / "root-cert.pem", _pem(certificate).encode())
    return certificate


def _make_signer(
    folder: Path, roots: tuple[x509.Certificate, ...], trust_domain: str, now: datetime
) -> _Signer | None:
    """A new intermediate, or None without the key of one of the roots."""
    try:
        root_key = _load_key(folder / "root-key.pem")
    except (ValueError, TypeError) as error:
        raise EnvironmentFault(f"{folder}/root-key.pem is damaged: {error}") from error
    if root_key is None:
        return None
    root = next((r for r in roots if r.public_key() == root_key.public_key()), None)
    if root is None:
        raise EnvironmentFault(f"{folder}/root-key.pem is not the key of a root in root-cert.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    start = now.replace(microsecond=0) - SKEW
    end = min(start + INTERMEDIATE_LIFE, root.not_valid_after_utc)
    builder = _builder(
        _authority_name(trust_domain, "intermediate"), key.public_key(), root, start, end
    )
    certificate = _as_authority(builder, path_length=0).sign(root_key, _SHA256)
    write_private(folder / "ca-key.pem", _key_pem(key))
    write_private(folder / "ca-cert.pem", _pem(certificate).encode())
    return _Signer(certificate, key)


def _authority_name(trust_domain: str, what: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, f"lateen {what}"),
        ]
    )


def _builder(
    name: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    """What every certificate has; without an issuer it is its own."""
    own = x509.SubjectKeyIdentifier.from_public_key(public)
    if issuer is None:
        issuers_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    else:
        its = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        issuers_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(its)
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


def _as_authority(builder: x509.CertificateBuilder, *, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(_usage(ca=True), critical=True)


def _usage(*, ca: bool) -> x509.KeyUsage:
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


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
