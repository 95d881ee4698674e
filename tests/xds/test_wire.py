"""Bytes in, messages out, and back: what we build by hand is what protobuf reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.envoy.pb.envoy.service.discovery.v3 import discovery_pb2 as pb
from lateen.envoy.resources import ResourceType
from lateen.xds.messages import DeltaRequest, DeltaResponse
from lateen.xds.wire import BadRequest, Encoder, decode_request
from tests.xds.talk import CDS, LDS, RDS, SDS, resource


@given(
    type_=st.sampled_from(ResourceType),
    bodies=st.dictionaries(st.text(max_size=10), st.integers(0, 70_000), max_size=4),
    removed=st.lists(st.text(max_size=10), max_size=3),
)
def test_a_response_is_read_as_it_was_meant(
    type_: ResourceType, bodies: dict[str, int], removed: list[str]
) -> None:
    resources = tuple(resource(name, "x" * size) for name, size in bodies.items())
    response = DeltaResponse(type=type_, nonce="CDS-1", resources=resources, removed=tuple(removed))
    encoder = Encoder()
    raw = b"".join(encoder.encode(response))
    read = pb.DeltaDiscoveryResponse.FromString(raw)
    assert (read.type_url, read.nonce) == (type_.value, "CDS-1")
    assert list(read.removed_resources) == removed
    assert [(r.name, r.version, r.resource.type_url, r.resource.value) for r in read.resources] == [
        (r.name, r.version, type_.value, r.body) for r in resources
    ]
    assert b"".join(encoder.encode(response)) == raw


def test_a_large_body_is_not_copied() -> None:
    large = resource("80", "x" * 100_000)
    small = resource("81", "x")
    response = DeltaResponse(type=RDS, nonce="RDS-1", resources=(small, large, small))
    parts = Encoder().encode(response)
    assert len(parts) == 3
    assert parts[1] is large.body


def test_what_is_remembered_is_bounded() -> None:
    encoder = Encoder(limit=10)
    for turn in range(50):
        lot = resource("web", f"{turn}" * 1000)
        encoder.encode(DeltaResponse(type=CDS, nonce="", resources=(lot,)))
        encoder.encode(DeltaResponse(type=SDS, nonce="", resources=(lot,)))
    assert 0 < encoder.remembered <= 10


def test_a_request_is_read() -> None:
    message = pb.DeltaDiscoveryRequest(
        type_url=LDS,
        resource_names_subscribe=["a"],
        resource_names_unsubscribe=["b"],
        initial_resource_versions={"c": "1"},
        response_nonce="LDS-1",
    )
    assert decode_request(message.SerializeToString()) == DeltaRequest(
        type=LDS, subscribe=("a",), unsubscribe=("b",), initial_versions={"c": "1"}, nonce="LDS-1"
    )
    message.error_detail.message = "no"
    refused = decode_request(message.SerializeToString())
    assert refused is not None
    assert refused.error == "no"


def test_what_is_not_served_or_not_a_request_is_told_apart() -> None:
    unknown = pb.DeltaDiscoveryRequest(type_url="type.googleapis.com/other")
    assert decode_request(unknown.SerializeToString()) is None
    with pytest.raises(BadRequest):
        decode_request(b"\xff\xff\xff")
