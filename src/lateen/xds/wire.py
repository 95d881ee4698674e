"""Between bytes on the wire and the stream's own messages.

In: DeltaDiscoveryRequest bytes, DeltaResponse.    Out: DeltaRequest, DeltaDiscoveryResponse bytes.
Before: xds/messages.py, xds/whole.py              After: xds/dialects.py

Responses are put together by hand, since fields of a protobuf message may simply follow each other: what
stands before a resource's body is made once, and a large body is not copied for each proxy.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from sys import intern

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from lateen.base.errors import LateenError
from lateen.envoy import names
from lateen.envoy.pb.envoy.service.discovery.v3 import discovery_pb2 as pb
from lateen.envoy.resources import Resource, ResourceType
from lateen.xds.messages import DeltaRequest, DeltaResponse
from lateen.xds.whole import WholeRequest, WholeResponse

_LARGE = 16 * 1024  # bytes of a body that is worth a part of its own
_REMEMBERED = 65_536  # heads, of some hundred bytes each


class BadRequest(LateenError):
    """A proxy sent what is no request."""


def decode_request(raw: bytes) -> DeltaRequest | None:
    """Read a request; None for a type of resource lateen does not serve. Raises BadRequest."""
    try:
        message = pb.DeltaDiscoveryRequest.FromString(raw)
    except DecodeError as error:
        raise BadRequest(str(error)) from error
    try:
        type_ = ResourceType(message.type_url)
    except ValueError:
        return None
    return DeltaRequest(
        type=type_,
        # All proxies ask for the same names: each is to be in memory once.
        subscribe=tuple(map(intern, message.resource_names_subscribe)),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial_versions={
            intern(name): intern(version)
            for name, version in message.initial_resource_versions.items()
        },
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )


def decode_whole_request(raw: bytes) -> WholeRequest | None:
    """Read a request of the state-of-the-world protocol; as `decode_request` else."""
    try:
        message = pb.DiscoveryRequest.FromString(raw)
    except DecodeError as error:
        raise BadRequest(str(error)) from error
    try:
        type_ = ResourceType(message.type_url)
    except ValueError:
        return None
    return WholeRequest(
        type=type_,
        names=tuple(message.resource_names),
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
        token=message.node.metadata.fields[names.TOKEN].string_value,
    )


class Encoder:
    """Makes responses, in parts that follow each other, and remembers the latest resources' heads."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._heads: OrderedDict[tuple[ResourceType, str, str, int], bytes] = OrderedDict()

    @property
    def remembered(self) -> int:
        """How many heads are kept for the next proxy."""
        return len(self._heads)

    def encode(self, response: DeltaResponse) -> tuple[bytes, ...]:
        """The bytes of a DeltaDiscoveryResponse; large bodies are parts of their own."""
        small = [_TYPES[response.type], _text(_NONCE, response.nonce)]
        small += (_text(_REMOVED, name) for name in response.removed)
        parts: list[bytes] = []
        for resource in response.resources:
            small.append(self._head(response.type, resource))
            if len(resource.body) < _LARGE:
                small.append(resource.body)
            else:
                parts += (b"".join(small), resource.body)
                small = []
        if small:
            parts.append(b"".join(small))
        return tuple(parts)

    def encode_whole(self, response: WholeResponse) -> tuple[bytes]:
        """The bytes of a DiscoveryResponse; its version is one of names and versions."""
        message = pb.DiscoveryResponse(type_url=response.type, nonce=response.nonce)
        digest = hashlib.blake2b(digest_size=8)
        for resource in response.resources:
            digest.update(f"{resource.name}\0{resource.version}\0".encode())
            message.resources.add(type_url=response.type, value=resource.body)
        message.version_info = digest.hexdigest()
        return (message.SerializeToString(),)

    def _head(self, type_: ResourceType, resource: Resource) -> bytes:
        """What stands before the resource's body, which comes last of all its fields."""
        length = len(resource.body)
        key = (type_, resource.name, resource.version, length)
        if (known := self._heads.get(key)) is not None:
            return known
        any_head = _text(Any.TYPE_URL_FIELD_NUMBER, type_) + _opened(Any.VALUE_FIELD_NUMBER, length)
        fields = (
            _text(pb.Resource.NAME_FIELD_NUMBER, resource.name)
            + _text(pb.Resource.VERSION_FIELD_NUMBER, resource.version)
            + _opened(pb.Resource.RESOURCE_FIELD_NUMBER, len(any_head) + length)
            + any_head
        )
        number = pb.DeltaDiscoveryResponse.RESOURCES_FIELD_NUMBER
        head = self._heads[key] = _opened(number, len(fields) + length) + fields
        if len(self._heads) > self._limit:
            self._heads.popitem(last=False)
        return head


def _text(number: int, text: str) -> bytes:
    """A field of text."""
    raw = text.encode()
    return _opened(number, len(raw)) + raw


def _opened(number: int, length: int) -> bytes:
    """The beginning of a field that has a length: what it holds is to follow."""
    out = bytearray((number << 3 | 2,))
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out)


_NONCE = pb.DeltaDiscoveryResponse.NONCE_FIELD_NUMBER
_REMOVED = pb.DeltaDiscoveryResponse.REMOVED_RESOURCES_FIELD_NUMBER
_TYPES = {
    type_: _text(pb.DeltaDiscoveryResponse.TYPE_URL_FIELD_NUMBER, type_) for type_ in ResourceType
}
