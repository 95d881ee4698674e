"""Put who a proxy is into its certificate's subject, and read it back.

In: Subject, or the text of %DOWNSTREAM_PEER_SUBJECT%.    Out: x509.Name, or Subject.
Before: -                                                After: ca/authority.py, telemetry

Labels on metrics that come from a verified certificate cannot be forged. The form:

    CN = workload, OU = namespace, O = trust domain, OU = `key:value` for all the rest

No value is longer than 64 characters (X.520); a longer one goes on in the next attribute of the same
kind and key. A namespace has no colon, so the two uses of OU cannot be mixed up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from cryptography import x509

_LIMIT = 64
_OIDS = {"CN": "2.5.4.3", "OU": "2.5.4.11", "O": "2.5.4.10"}
_PLAIN = {"workload": "CN", "namespace": "OU", "trust_domain": "O"}
_FIELDS = {kind: field for field, kind in _PLAIN.items()}
# One attribute of RFC 2253 text: the type, then plain characters and escapes up to a comma.
_ATTRIBUTE = re.compile(r"([A-Za-z][\w.-]*)=((?:\\[0-9A-Fa-f]{2}|\\.|[^\\,+])*)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)


class Subject(Struct, frozen=True, kw_only=True):
    """The pod and workload behind a certificate; "" means not known.

    `service` is the canonical service, `version` the label of that name.
    """

    workload: str = ""
    namespace: str = ""
    trust_domain: str = ""
    pod: str = ""
    app: str = ""
    version: str = ""
    service: str = ""


_REST = tuple(name for name in Subject.__struct_fields__ if name not in _PLAIN)


def name_of(subject: Subject) -> x509.Name:
    """The X.509 name; empty values are left out."""
    from cryptography import x509  # whoever only reads subjects does without it

    return x509.Name(
        [
            x509.NameAttribute(x509.ObjectIdentifier(_OIDS[kind]), text)
            for kind, text in _attributes(subject)
        ]
    )


def _attributes(subject: Subject) -> Iterator[tuple[str, str]]:
    for field, kind in _PLAIN.items():
        for piece in _pieces(getattr(subject, field), _LIMIT):
            yield kind, piece
    for field in _REST:
        for piece in _pieces(getattr(subject, field), _LIMIT - len(field) - 1):
            yield "OU", f"{field}:{piece}"


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def subject_of(text: str) -> Subject | None:
    """Read a subject as Envoy and OpenSSL print it (RFC 2253); None if it is not one of ours."""
    found: dict[str, str] = {}
    for kind, value in reversed(_attributes_in(text)):  # the text begins with the last attribute
        named, colon, rest = value.partition(":")
        if kind == "OU" and colon:
            if named in _REST:
                found[named] = found.get(named, "") + rest
        elif kind in _FIELDS:
            found[_FIELDS[kind]] = found.get(_FIELDS[kind], "") + value
    return Subject(**found) if "workload" in found and "trust_domain" in found else None


def _attributes_in(text: str) -> list[tuple[str, str]]:
    """The attributes in the order of the text; none if any of it cannot be read."""
    found = []
    at = 0
    while match := _ATTRIBUTE.match(text, at):
        found.append((match[1], _unescaped(match[2])))
        at = match.end()
        if at == len(text):
            return found
        if text[at] not in ",+":
            break
        at += 1
    return []


def _unescaped(text: str) -> str:
    def one(match: re.Match[bytes]) -> bytes:
        return bytes.fromhex(match[1].decode()) if match[1] else match[2]

    return _ESCAPE.sub(one, text.encode("utf-8", "replace")).decode("utf-8", "replace")
