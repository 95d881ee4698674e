"""Read what clients of Kubernetes' own kinds send as protobuf; nothing is ever answered in it.

In: a body that begins with `k8s\\0`.    Out: its JSON tree.
Before: apiserver/kubernetes_wire.json (tools/kubernetes_wire.py)        After: apiserver/writing.py

Go's typed clients (kubectl create, from 1.32 on) write protobuf without asking whether it is taken, and read
JSON as well. Source: Kubernetes API concepts, "Kubernetes Protobuf encoding"; the tags of k8s.io/api.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from lateen.apiserver.faults import ApiFault

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
DEEPEST = 100  # messages within each other

Field = tuple[str, str, str, bool]  # JSON name ("": part of its parent), type, shape, zero is kept
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LENGTHS = {_FIXED64: 8, _FIXED32: 4}
_HOMES = {"": "core", "rbac.authorization.k8s.io": "rbac"}


def tree_from(body: bytes) -> dict[str, Any]:
    """The object in the body; raises ApiFault 400, or 415 for a kind that has no such form here."""
    if not body.startswith(MAGIC):
        raise ApiFault(400, "the body of the request is not in Kubernetes' protobuf encoding")
    try:
        envelope = _last(body[len(MAGIC) :])
        kind_of_body = _last(_bytes(envelope.get(1, b"")))
        version = _bytes(kind_of_body.get(1, b"")).decode()
        kind = _bytes(kind_of_body.get(2, b"")).decode()
        message = _message_name(version, kind)
        tree = _message(message, _bytes(envelope.get(2, b"")), 0)
    except (ValueError, IndexError, msgspec.MsgspecError, RecursionError) as fault:
        raise ApiFault(400, f"the body of the request is not protobuf: {fault}") from None
    return {"apiVersion": version, "kind": kind} | tree


def _message_name(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    home = _HOMES.get(group) or group.partition(".")[0]
    for name in (f"{home}/{version}.{kind}", f"meta/v1.{kind}"):
        if name in _messages():
            return name
    raise ApiFault(
        415, f"{api_version} {kind} is not taken as protobuf here: send application/json"
    )


@cache
def _messages() -> Mapping[str, Mapping[int, Field]]:
    text = (files("lateen.apiserver") / "kubernetes_wire.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, dict[int, Field]])


def _message(name: str, data: bytes, depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        raise ValueError(f"messages are nested deeper than {DEEPEST} levels")
    fields = _messages().get(name, {})
    tree: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in fields:
            continue
        json_name, type_, shape, kept = fields[number]
        match shape:
            case "many":
                tree.setdefault(json_name, []).append(_value(type_, value, depth))
            case "map":
                entry = _last(_bytes(value))
                key = _bytes(entry.get(1, b"")).decode()
                tree.setdefault(json_name, {})[key] = _value(type_, entry.get(2, b""), depth)
            case _:
                one = _value(type_, value, depth)
                if not json_name:
                    tree |= one
                elif one is not None and (kept or one not in ("", 0, False)):
                    tree[json_name] = one
    return tree


def _value(type_: str, value: int | bytes, depth: int) -> Any:
    match type_:
        case "string":
            return _bytes(value).decode()
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "bool":
            return bool(value)
        case "int":
            number = _int(value)
            return number - 2**64 if number >= 2**63 else number
        case "Quantity":
            return _bytes(_last(_bytes(value)).get(1, b"")).decode() or "0"
        case "IntOrString":
            return _int_or_string(_last(_bytes(value)))
        case "Time" | "MicroTime":
            return _time(_last(_bytes(value)), micro=type_ == "MicroTime")
        case "Duration":
            return f"{_int(_last(_bytes(value)).get(1, 0)) / 1e9:g}s"
        case "FieldsV1" | "RawExtension":
            raw = _bytes(_last(_bytes(value)).get(1, b""))
            return msgspec.json.decode(raw) if raw else None
        case "ExtraValue":
            return [_bytes(item).decode() for number, item in _fields(_bytes(value)) if number == 1]
        case message:
            return _message(message, _bytes(value), depth + 1)


def _int_or_string(fields: Mapping[int, int | bytes]) -> int | str:
    if fields.get(1):
        return _bytes(fields.get(3, b"")).decode()
    return int(_value("int", fields.get(2, 0), 0))


def _time(fields: Mapping[int, int | bytes], *, micro: bool) -> str | None:
    """RFC 3339; None for no time."""
    seconds = _value("int", fields.get(1, 0), 0)
    if not seconds or not -(2**35) < seconds < 2**37:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    nanos = int(_value("int", fields.get(2, 0), 0)) % 10**9
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanos // 1000:06d}Z" if micro else f"{text}Z"


def _last(data: bytes) -> dict[int, int | bytes]:
    """The fields of a message none of which is repeated."""
    return dict(_fields(data))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in _LENGTHS:
            size = _LENGTHS[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("it ends in the midst of a field")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number of more than ten bytes")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text or a message is wanted")
    return value


def _int(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("text or a message where a number is wanted")
    return value & (2**64 - 1)
