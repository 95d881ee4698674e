"""The two ways of speaking ADS, behind one face: bytes in, requests out; responses in, bytes out.

In: bytes, DeltaResponse.                       Out: DeltaRequest, bytes.
Before: xds/wire.py, xds/whole.py               After: xds/server.py
"""

from __future__ import annotations

from typing import Protocol

from lateen.xds.messages import DeltaRequest, DeltaResponse
from lateen.xds.whole import Whole
from lateen.xds.wire import Encoder, decode_request, decode_whole_request


class Dialect(Protocol):
    """How one stream is spoken."""

    def read(self, raw: bytes) -> DeltaRequest | None:
        """A request; None for a type that is not served. Raises BadRequest."""

    def write(self, response: DeltaResponse) -> tuple[bytes, ...] | DeltaRequest:
        """The bytes to send, in parts; or, where this way has no words for it, the answer it is taken to have."""


class Delta:
    """As Envoy speaks it here."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def read(self, raw: bytes) -> DeltaRequest | None:
        """See Dialect."""
        return decode_request(raw)

    def write(self, response: DeltaResponse) -> tuple[bytes, ...]:
        """See Dialect."""
        return self._encoder.encode(response)


class StateOfTheWorld:
    """As the gRPC library speaks it."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._whole = Whole()

    def read(self, raw: bytes) -> DeltaRequest | None:
        """See Dialect."""
        request = decode_whole_request(raw)
        return None if request is None else self._whole.asked(request)

    def write(self, response: DeltaResponse) -> tuple[bytes, ...] | DeltaRequest:
        """See Dialect."""
        said = self._whole.said(response)
        return said if isinstance(said, DeltaRequest) else self._encoder.encode_whole(said)
