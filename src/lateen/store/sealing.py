"""What rows look like at rest: plain, or encrypted with a named key.

In: bytes of a kind, and what row they are.    Out: the bytes to keep, and back.
Before: api/kinds.py        After: store/sqlite.py, store/encryption.py

A sealed row is `k8s:enc:PROVIDER:v1:KEY:` and then, for aesgcm, nonce (12 bytes), ciphertext and tag, as
Kubernetes keeps them in etcd; for aescbc, vector (16 bytes), ciphertext, and an HMAC that Kubernetes
leaves out. The row's own name is authenticated with it, so that none can be put in another's place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from lateen.base.errors import EnvironmentFault

_PREFIX = b"k8s:enc:"
_NONCE = 12  # bytes
_VECTOR = 16  # bytes
_TAG = 32  # bytes

KeyName = tuple[str, str]
"""The provider, `aesgcm` or `aescbc`, and the key's own name."""


class Codec(Protocol):
    """Seals rows and opens them. `row` names the row, `group` and `kind` what it holds."""

    def seal(self, group: str, kind: str, plain: bytes, row: str) -> bytes:
        """The bytes to keep."""

    def unseal(self, kept: bytes, row: str) -> bytes:
        """The plain bytes; raises EnvironmentFault without the key, or for bytes that were changed."""

    def is_current(self, group: str, kind: str, kept: bytes) -> bool:
        """Whether the row is kept as `seal` would keep it now."""


class _Provider(Protocol):
    def encrypt(self, plain: bytes, row: bytes) -> bytes: ...

    def decrypt(self, body: bytes, row: bytes) -> bytes: ...  # raises InvalidTag, InvalidSignature


class _Gcm:
    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, plain: bytes, row: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, row)

    def decrypt(self, body: bytes, row: bytes) -> bytes:
        return self._cipher.decrypt(body[:_NONCE], body[_NONCE:], row)


class _Cbc:
    """AES-CBC tells nothing of a change, so a MAC under a key of its own is put behind it."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._mac_key = HKDFExpand(hashes.SHA256(), _TAG, b"lateen aescbc mac").derive(key)

    def encrypt(self, plain: bytes, row: bytes) -> bytes:
        vector = os.urandom(_VECTOR)
        padder = padding.PKCS7(algorithms.AES.block_size).padder()
        cipher = self._cipher(vector).encryptor()
        body = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
        return vector + body + self._mac(vector + body, row).finalize()

    def decrypt(self, body: bytes, row: bytes) -> bytes:
        sealed, tag = body[:-_TAG], body[-_TAG:]
        self._mac(sealed, row).verify(tag)
        cipher = self._cipher(sealed[:_VECTOR]).decryptor()
        unpadder = padding.PKCS7(algorithms.AES.block_size).unpadder()
        padded = cipher.update(sealed[_VECTOR:]) + cipher.finalize()
        return unpadder.update(padded) + unpadder.finalize()

    def _cipher(self, vector: bytes) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._key), modes.CBC(vector))

    def _mac(self, sealed: bytes, row: bytes) -> HMAC:
        mac = HMAC(self._mac_key, hashes.SHA256())
        mac.update(len(sealed).to_bytes(8, "big") + sealed + row)
        return mac


_PROVIDERS: Mapping[str, Callable[[bytes], _Provider]] = {"aesgcm": _Gcm, "aescbc": _Cbc}


def _mark(name: KeyName) -> bytes:
    return _PREFIX + name[0].encode() + b":v1:" + name[1].encode() + b":"


class Sealer:
    """Seals what `wanted` says, with the key it names; opens what any of the keys has sealed.

    `keys` are 16, 24 or 32 bytes by provider and name. None of them: everything is kept plain.
    """

    def __init__(
        self,
        keys: Mapping[KeyName, bytes] | None = None,
        wanted: Callable[[str, str], KeyName | None] = lambda group, kind: None,
    ) -> None:
        self._ciphers = {
            _mark(name): _PROVIDERS[name[0]](key) for name, key in (keys or {}).items()
        }
        self._wanted = wanted

    def seal(self, group: str, kind: str, plain: bytes, row: str) -> bytes:
        """The bytes to keep."""
        name = self._wanted(group, kind)
        if name is None:
            return plain
        mark = _mark(name)
        return mark + self._ciphers[mark].encrypt(plain, row.encode())

    def unseal(self, kept: bytes, row: str) -> bytes:
        """The plain bytes; raises EnvironmentFault."""
        if not kept.startswith(_PREFIX):
            return kept
        provider, version, name, body = (kept.removeprefix(_PREFIX).split(b":", 3) + [b""] * 3)[:4]
        cipher = self._ciphers.get(_PREFIX + b":".join((provider, version, name, b"")))
        if cipher is None:
            raise EnvironmentFault(
                f"{row} is encrypted with the key {name.decode('utf-8', 'replace')!r}, which is not "
                "among the keys given: put it back into encryption.yaml"
            )
        try:
            return cipher.decrypt(body, row.encode())
        except (InvalidTag, InvalidSignature):
            raise EnvironmentFault(
                f"{row} cannot be decrypted: it was changed, or its key is another of the same name"
            ) from None

    def is_current(self, group: str, kind: str, kept: bytes) -> bool:
        """Whether the row is kept as `seal` would keep it now."""
        name = self._wanted(group, kind)
        if name is None:
            return not kept.startswith(_PREFIX)
        return kept.startswith(_mark(name))
