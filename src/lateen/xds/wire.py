"""Between bytes on the wire and the stream's own messages.

In: DeltaDiscoveryRequest bytes, DeltaResponse.    Out: DeltaRequest, DeltaDiscoveryResponse bytes.
Before: xds/messages.py, xds/whole.py              After: xds/dialects.py

A resource is wrapped once, however many proxies get it: responses are put together from the wrapped
bytes by hand, since fields of a protobuf message may simply follow each other.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from google.protobuf.message import DecodeError

from lateen.base.errors import LateenError
from lateen.envoy import names
from lateen.envoy.pb.envoy.service.discovery.v3 import discovery_pb2 as pb
from lateen.envoy.resources import Resource, ResourceType
from lateen.xds.messages import DeltaRequest, DeltaResponse
from lateen.xds.whole import WholeRequest, WholeResponse

_RESOURCES_TAG = bytes([pb.DeltaDiscoveryResponse.RESOURCES_FIELD_NUMBER << 3 | 2])


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
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial_versions=dict(message.initial_resource_versions),
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
    """Makes response bytes and remembers wrapped resources, the latest up to `limit` bytes in all."""

    def __init__(self, limit: int = 32 * 1024 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._wrapped: OrderedDict[tuple[ResourceType, str, str], bytes] = OrderedDict()

    @property
    def remembered(self) -> int:
        """Bytes of wrapped resources kept for the next proxy."""
        return self._size

    def encode(self, response: DeltaResponse) -> bytes:
        """The bytes of a DeltaDiscoveryResponse."""
        head = pb.DeltaDiscoveryResponse(
            type_url=response.type, nonce=response.nonce, removed_resources=response.removed
        )
        parts = [head.SerializeToString()]
        for resource in response.resources:
            body = self._wrap(response.type, resource)
            parts += (_RESOURCES_TAG, _varint(len(body)), body)
        return b"".join(parts)

    def encode_whole(self, response: WholeResponse) -> bytes:
        """The bytes of a DiscoveryResponse; its version is one of names and versions."""
        message = pb.DiscoveryResponse(type_url=response.type, nonce=response.nonce)
        digest = hashlib.blake2b(digest_size=8)
        for resource in response.resources:
            digest.update(f"{resource.name}\0{resource.version}\0".encode())
            message.resources.add(type_url=response.type, value=resource.body)
        message.version_info = digest.hexdigest()
        return message.SerializeToString()

    def _wrap(self, type_: ResourceType, resource: Resource) -> bytes:
        key = (type_, resource.name, resource.version)
        if (known := self._wrapped.get(key)) is not None:
            self._wrapped.move_to_end(key)
            return known
        message = pb.Resource(name=resource.name, version=resource.version)
        message.resource.type_url = type_
        message.resource.value = resource.body
        wrapped = message.SerializeToString()
        if type_ is not ResourceType.SECRET:  # it goes to one proxy, and keys are not to be kept
            self._wrapped[key] = wrapped
            self._size += len(wrapped)
            while self._size > self._limit:
                self._size -= len(self._wrapped.popitem(last=False)[1])
        return wrapped


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
