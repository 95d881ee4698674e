"""The small change of Envoy's API: durations, wrapped numbers, packed extensions, metadata.

In: plain values.    Out: protobuf messages.
Before: pb/          After: every emitter here
"""

from __future__ import annotations

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from lateen.base.origin import Origin
from lateen.envoy import names
from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import Address, Pipe, SocketAddress
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import Metadata
from lateen.envoy.pb.envoy.config.core.v3.config_source_pb2 import (
    V3,
    AggregatedConfigSource,
    ConfigSource,
)

TRUE = BoolValue(value=True)
FALSE = BoolValue(value=False)
ZERO = Duration()


def packed(message: Message) -> Any:
    """The message as an Any, in bytes that are equal for equal messages."""
    body = message.SerializeToString(deterministic=True)
    return Any(type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}", value=body)


def duration(seconds: float) -> Duration:
    """A duration, to the microsecond."""
    micros = round(seconds * 1_000_000)
    return Duration(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def maybe_duration(seconds: float | None) -> Duration | None:
    """A duration, or None to leave Envoy's default."""
    return None if seconds is None else duration(seconds)


def u32(number: int) -> UInt32Value:
    """A wrapped number."""
    return UInt32Value(value=number)


def maybe_u32(number: int | None) -> UInt32Value | None:
    """A wrapped number, or None to leave Envoy's default."""
    return None if number is None else u32(number)


def socket_address(address: str, port: int) -> Address:
    """A TCP address."""
    return Address(socket_address=SocketAddress(address=address, port_value=port))


def pipe_address(path: str, mode: int = 0) -> Address:
    """A Unix socket; `mode` are its permissions where Envoy makes it."""
    return Address(pipe=Pipe(path=path, mode=mode))


def ads() -> ConfigSource:
    """Fetched over the one ADS stream.

    The wait for a first answer is bounded: one unanswered name without a limit would hold back
    every later CDS acknowledgement of the proxy.
    """
    return ConfigSource(
        ads=AggregatedConfigSource(), resource_api_version=V3, initial_fetch_timeout=duration(5)
    )


def struct(values: dict[str, str]) -> Struct:
    """A Struct of strings."""
    return Struct(fields={key: Value(string_value=text) for key, text in values.items()})


def origin_text(origin: Origin) -> str:
    """Object and field, without file and line.

    A rule that only moved within its file must not make a new version; the line is found through
    the store.
    """
    return origin.text


def made_by(origin: Origin, **more: str) -> Metadata:
    """Metadata that says which object and field made a piece of configuration."""
    said = struct({names.ORIGIN: origin_text(origin), **more})
    return Metadata(filter_metadata={names.LATEEN: said})
