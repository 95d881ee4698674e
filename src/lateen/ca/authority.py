"""The mesh's certificate authority: a root, an intermediate that signs, leaves for proxies.

In: a folder, identities.    Out: Leaf; the bundle of roots.
Before: ca/own.py, ca/subject.py      After: ca/secrets.py, ca/rotation.py

It signs with its own intermediate, or with what the user brings (`plugged/`). Whoever changes what it
signs with goes by three steps, so that each side of a connection always trusts the other: `trust`
the new roots beside the old, `sign_with` the new key, and `drop_retired` roots when no leaf of theirs is
left. Where it stands survives a restart; keys of leaves exist in memory only.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec import Struct
from msgspec.structs import replace

from lateen.base.clock import Clock
from lateen.base.errors import EnvironmentFault
from lateen.ca.files import open_folder, read_private, read_public, write_private
from lateen.ca.material import (
    CERTIFICATE,
    CHAIN,
    KEY,
    ROOT,
    Key,
    Material,
    Unfit,
    algorithm_of,
    files_of,
    key_pem,
    pem_of,
    read_material,
)
from lateen.ca.own import (
    builder,
    half_life,
    open_own,
    renewed,
    take_next,
    usage,
)
from lateen.ca.subject import Subject, name_of

LEAF_LIFE = timedelta(hours=24)
SKEW = timedelta(minutes=1)  # a proxy's clock may be behind ours
_PLUGGED, _RETIRED = "plugged", "retired.pem"


class Source(Enum):
    """Whose root and intermediate sign: lateen's own, its next ones, or a user's."""

    OWN = auto()
    NEXT = auto()
    USER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A proxy's certificate: leaf and intermediates in one PEM text, and its key."""

    chain_pem: str
    key_pem: str = field(repr=False)
    issued: datetime
    not_before: datetime
    not_after: datetime
    serial: int


class Terms(Struct, frozen=True, kw_only=True):
    """How a leaf is made. `rsa_bits` is 0 for an elliptic curve key (P-256)."""

    lifetime: timedelta = LEAF_LIFE
    rsa_bits: int = 0


USUAL = Terms()


class Authority:
    """Signs leaves. Use `open`."""

    def __init__(
        self,
        folder: Path,
        trust_domain: str,
        clock: Clock,
        *,
        material: Material,
        plugged: bool,
        retired: tuple[x509.Certificate, ...],
    ) -> None:
        self.trust_domain = trust_domain
        self.material = material
        self.plugged = plugged
        self.retired = retired
        self.added: tuple[x509.Certificate, ...] = ()
        self._folder = folder
        self._clock = clock

    @classmethod
    def open(cls, folder: Path, *, trust_domain: str, clock: Clock) -> Authority:
        """Load the authority in the folder, or make one.

        Raises EnvironmentFault when a file is damaged, readable by others, out of date, or when an
        intermediate is needed and the root key is not there.
        """
        open_folder(folder)
        now = clock.now()
        try:
            found = _read_plugged(folder / _PLUGGED, now)
            material = found or open_own(folder, trust_domain, now)
            text = read_public(folder / _RETIRED)
            retired = x509.load_pem_x509_certificates(text) if text else []
        except (ValueError, TypeError) as error:
            raise EnvironmentFault(
                f"a certificate or key in {folder} is damaged: {error}"
            ) from error
        return cls(
            folder,
            trust_domain,
            clock,
            material=material,
            plugged=found is not None,
            retired=tuple(retired),
        )

    @property
    def bundle_pem(self) -> str:
        """All roots a proxy should trust now; the same text for the same roots."""
        roots = {*self.material.roots, *self.added, *self.retired}
        return pem_of(*sorted(roots, key=lambda root: root.fingerprint(SHA256())))

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._folder

    def trust(self, roots: tuple[x509.Certificate, ...]) -> None:
        """Have these trusted as well, as leaves under them are to come."""
        self.added = roots

    def sign_with(self, material: Material, source: Source) -> None:
        """From now on sign with this; the roots until now stay trusted.

        A user's is kept in the folder; the authority's own is there, maybe as the next one.
        """
        old = (*self.material.roots, *self.retired)
        self.retired = tuple(r for r in dict.fromkeys(old) if r not in material.roots)
        if self.retired:
            write_private(self._folder / _RETIRED, pem_of(*self.retired).encode())
        if source is Source.USER:
            _write_plugged(self._folder / _PLUGGED, material)
        else:
            if source is Source.NEXT:
                take_next(self._folder)
            shutil.rmtree(self._folder / _PLUGGED, ignore_errors=True)
        self.material, self.plugged, self.added = material, source is Source.USER, ()

    def drop_retired(self) -> None:
        """No leaf under them is left."""
        self.retired = ()
        (self._folder / _RETIRED).unlink(missing_ok=True)

    def derived_key(self, purpose: str) -> bytes:
        """32 secret bytes that only this intermediate's key gives, different for each purpose."""
        raw = self.material.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(raw)

    def issue(self, identity: str, *, subject: Subject, terms: Terms = USUAL) -> Leaf:
        """A certificate and a new key for a SPIFFE identity (`spiffe://DOMAIN/ns/NS/sa/SA`).

        It never outlives the certificate that signs it. The subject's trust domain is the authority's
        own.
        """
        now = self._clock.now()
        self._renew_signer(now)
        issuer = self.material.certificate
        key = _leaf_key(terms)
        not_before = now.replace(microsecond=0) - SKEW
        not_after = min(now.replace(microsecond=0) + terms.lifetime, issuer.not_valid_after_utc)
        certificate = (
            builder(
                name_of(replace(subject, trust_domain=self.trust_domain)),
                key.public_key(),
                issuer,
                not_before,
                not_after,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(ca=False), critical=True)
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
            .sign(self.material.key, algorithm_of(self.material.key))
        )
        return Leaf(
            chain_pem=pem_of(certificate) + self.material.chain_pem,
            key_pem=key_pem(key).decode(),
            issued=now,
            not_before=not_before,
            not_after=not_after,
            serial=certificate.serial_number,
        )

    def _renew_signer(self, now: datetime) -> None:
        """Make the next intermediate of its own at half life; a plugged one is the user's to renew."""
        certificate = self.material.certificate
        if not self.plugged and now >= half_life(certificate):
            self.material = renewed(self._folder, self.material, self.trust_domain, now)
        if now >= self.material.certificate.not_valid_after_utc:
            raise EnvironmentFault(
                "the certificate that signs for the mesh has expired, and there is no root key to "
                f"sign another in {self._folder}"
            )


def renew_at(leaf: Leaf, chance: Callable[[], float] = random.random) -> datetime:
    """When to replace a leaf: between 45 % and 50 % of its life, so that not all come at once.

    `chance` gives a number from 0 up to 1.
    """
    life = leaf.not_after - leaf.issued
    return leaf.issued + life * (0.45 + 0.05 * chance())


def _leaf_key(terms: Terms) -> Key:
    if terms.rsa_bits:
        return rsa.generate_private_key(public_exponent=65537, key_size=terms.rsa_bits)
    return ec.generate_private_key(ec.SECP256R1())


def _read_plugged(folder: Path, now: datetime) -> Material | None:
    """What the user brought last; None where it cannot serve any more, which its Secret is told of."""
    content = {
        CERTIFICATE: read_public(folder / CERTIFICATE) or b"",
        KEY: read_private(folder / KEY) or b"",
        CHAIN: read_public(folder / CHAIN) or b"",
        ROOT: read_public(folder / ROOT) or b"",
    }
    try:
        return read_material(content, now) if any(content.values()) else None
    except Unfit:
        return None


def _write_plugged(folder: Path, material: Material) -> None:
    open_folder(folder)
    for name, content in files_of(material).items():
        write_private(folder / name, content)
