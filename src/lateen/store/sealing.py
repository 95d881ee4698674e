"""What rows look like at rest: plain, or encrypted with a named key.

In: bytes of a kind, and what row they are.    Out: the bytes to keep, and back.
Before: api/kinds.py        After: store/sqlite.py, store/encryption.py

A sealed row is `k8s:enc:aesgcm:v1:KEY:` and then nonce (12 bytes), ciphertext and tag, as Kubernetes
keeps them in etcd. The row's own name is authenticated with it, so that none can be put in another's place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lateen.base.errors import EnvironmentFault

_PREFIX = b"k8s:enc:"
_AESGCM = _PREFIX + b"aesgcm:v1:"
_NONCE = 12  # bytes


class Codec(Protocol):
    """Seals rows and opens them. `row` names the row, `group` and `kind` what it holds."""

    def seal(self, group: str, kind: str, plain: bytes, row: str) -> bytes:
        """The bytes to keep."""

    def unseal(self, kept: bytes, row: str) -> bytes:
        """The plain bytes; raises EnvironmentFault without the key, or for bytes that were changed."""

    def is_current(self, group: str, kind: str, kept: bytes) -> bool:
        """Whether the row is kept as `seal` would keep it now."""


class Sealer:
    """Seals what `wanted` says, with the first of the keys; opens what any of them has sealed.

    `keys` are 16, 24 or 32 bytes by name. None of them: everything is kept plain.
    """

    def __init__(
        self,
        keys: Mapping[str, bytes] | None = None,
        wanted: Callable[[str, str], str | None] = lambda group, kind: None,
    ) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in (keys or {}).items()}
        self._wanted = wanted

    def seal(self, group: str, kind: str, plain: bytes, row: str) -> bytes:
        """The bytes to keep."""
        name = self._wanted(group, kind)
        if name is None:
            return plain
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[name].encrypt(nonce, plain, row.encode())
        return _AESGCM + name.encode() + b":" + nonce + sealed

    def unseal(self, kept: bytes, row: str) -> bytes:
        """The plain bytes; raises EnvironmentFault."""
        if not kept.startswith(_PREFIX):
            return kept
        name, _, body = kept.removeprefix(_AESGCM).partition(b":")
        cipher = self._ciphers.get(name.decode("utf-8", "replace"))
        if cipher is None or not kept.startswith(_AESGCM):
            raise EnvironmentFault(
                f"{row} is encrypted with the key {name.decode('utf-8', 'replace')!r}, which is not "
                "among the keys given: put it back into encryption.yaml"
            )
        try:
            return cipher.decrypt(body[:_NONCE], body[_NONCE:], row.encode())
        except InvalidTag:
            raise EnvironmentFault(
                f"{row} cannot be decrypted: it was changed, or its key is another of the same name"
            ) from None

    def is_current(self, group: str, kind: str, kept: bytes) -> bool:
        """Whether the row is kept as `seal` would keep it now."""
        name = self._wanted(group, kind)
        if name is None:
            return not kept.startswith(_PREFIX)
        return kept.startswith(_AESGCM + name.encode() + b":")
