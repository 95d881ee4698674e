"""Read which kinds are encrypted at rest, and with which keys.

In: a Kubernetes EncryptionConfiguration in a file of ours (0600), made with a new key if there is none.
Out: Sealer.
Before: store/sealing.py        After: app/

Keys change as in Kubernetes: put the new one first, start lateen (every row is sealed anew), then take
the old one out. `identity` first means: plain from now on.

Source: apiserver.config.k8s.io/v1 EncryptionConfiguration, "Encrypting Confidential Data at Rest".
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from lateen.api.kinds import kind_of
from lateen.base.errors import EnvironmentFault
from lateen.store.sealing import KeyName, Sealer

_HEAD = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
_LENGTHS = (16, 24, 32)  # bytes of an AES key


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    secret: str


class _Keys(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[_Key]


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    aesgcm: _Keys | None = None
    aescbc: _Keys | None = None
    identity: dict[str, Any] | None = None


class _Resources(msgspec.Struct, forbid_unknown_fields=True):
    resources: list[str]
    providers: list[_Provider]


class _Configuration(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    resources: list[_Resources]
    api_version: str
    kind: str


def open_encryption(path: Path) -> Sealer:
    """The configuration at the path; raises EnvironmentFault if it is open to others or wrong."""
    if not path.exists():
        _write_new(path)
    if path.stat().st_mode & 0o077:
        raise EnvironmentFault(f"{path} can be read by others; make it 0600")
    try:
        tree = yaml.safe_load(path.read_text())
        found = msgspec.convert(tree, _Configuration)
    except (yaml.YAMLError, msgspec.ValidationError) as fault:
        words = str(fault).splitlines()[0]
        raise EnvironmentFault(
            f"{path}: {words}: wanted an EncryptionConfiguration with the providers aesgcm, aescbc and"
            " identity"
        ) from None
    return _sealer(path, found)


def _write_new(path: Path) -> None:
    secret = base64.b64encode(os.urandom(32)).decode()
    providers = [{"aesgcm": {"keys": [{"name": "key1", "secret": secret}]}}, {"identity": {}}]
    tree = {**_HEAD, "resources": [{"resources": ["secrets"], "providers": providers}]}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        yaml.safe_dump(tree, file, sort_keys=False)


def _sealer(path: Path, found: _Configuration) -> Sealer:
    keys: dict[KeyName, bytes] = {}
    for provider in (each for part in found.resources for each in part.providers):
        for name, key in _keys(provider):
            secret = _bytes(path, key)
            if keys.setdefault(name, secret) != secret:
                raise EnvironmentFault(f"{path}: two keys are named {key.name!r}")
    first = [(part.resources, _first_key(part)) for part in found.resources]

    def wanted(group: str, kind: str) -> KeyName | None:
        names = (name for resources, name in first if _means(resources, group, kind))
        return next(names, None)

    return Sealer(keys, wanted)


def _keys(provider: _Provider) -> Iterator[tuple[KeyName, _Key]]:
    for word, given in (("aesgcm", provider.aesgcm), ("aescbc", provider.aescbc)):
        for key in given.keys if given else ():
            yield (word, key.name), key


def _first_key(part: _Resources) -> KeyName | None:
    first = part.providers[0] if part.providers else _Provider()
    return next((name for name, _ in _keys(first)), None)


def _bytes(path: Path, key: _Key) -> bytes:
    try:
        secret = base64.b64decode(key.secret, validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) not in _LENGTHS or not key.name or ":" in key.name:
        raise EnvironmentFault(
            f"{path}: the key {key.name!r} needs a name without a colon and a secret of 16, 24 or 32 "
            "bytes in base64"
        )
    return secret


def _means(resources: list[str], group: str, kind: str) -> bool:
    known = kind_of(group, kind)
    plural = known.plural if known else ""
    names = {f"{plural}.{group}" if group else plural, f"*.{group}", "*.*"}
    return bool(names & set(resources))
