"""Bind a proxy to its node id by a token only it and the control plane know.

In: a key file, a node id.    Out: tokens, and the node id a token proves.
Before: -                     After: xds/server.py, stages/ (the bootstrap)

Nothing is remembered: a control plane started again with the same key accepts the tokens of before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from lateen.base.errors import EnvironmentFault

_BYTES = 32
_PREFIX = "v1"


class TokenKey:
    """The key that makes and checks tokens."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _BYTES:
            raise EnvironmentFault(f"a token key has {_BYTES} bytes, this one {len(key)}")
        self._key = key

    @classmethod
    def open(cls, path: Path) -> TokenKey:
        """Read the key file (mode 0600), or make it.

        Raises EnvironmentFault if others than its owner may read it or its length is wrong.
        """
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return cls._make(path)
        with os.fdopen(fd, "rb") as file:
            if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
                raise EnvironmentFault(f"{path} can be read by others; delete it to get a new one")
            return cls(file.read(_BYTES + 1))

    @classmethod
    def _make(cls, path: Path) -> TokenKey:
        key = secrets.token_bytes(_BYTES)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(key)
            os.fsync(fd)
        part.replace(path)
        return cls(key)

    def mint(self, node_id: str) -> str:
        """The token of a node; the same each time. Safe in an HTTP header."""
        name = base64.urlsafe_b64encode(node_id.encode()).decode().rstrip("=")
        return f"{_PREFIX}.{name}.{self._mark(name)}"

    def node_of(self, token: str) -> str | None:
        """The node id the token was made for, or None if this key did not make it."""
        prefix, _, rest = token.partition(".")
        name, _, mark = rest.partition(".")
        if prefix != _PREFIX or not hmac.compare_digest(
            mark.encode("utf-8", "replace"), self._mark(name).encode()
        ):
            return None
        try:
            return base64.b64decode(name + "=" * (-len(name) % 4), b"-_", validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None

    def _mark(self, name: str) -> str:
        message = f"{_PREFIX}.{name}".encode("utf-8", "replace")
        digest = hmac.new(self._key, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
