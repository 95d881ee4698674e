"""What Envoy's tap says of a request is read, named and chosen from; secrets are not shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lateen.telemetry.taps.seen import Place, Reader, Seen, Wanted, seen_in

WEB, GATE = Place(namespace="shop", name="web-1"), Place(namespace="istio-system", name="gate-1")
CERTIFICATE = "By=spiffe://a;Hash=1;URI=spiffe://cluster.local/ns/shop/sa/x,By=b;URI=spiffe://cluster.local/ns/istio-system/sa/gate"


def trace(status: str = "503", **more: str) -> dict[str, Any]:
    asked = {
        ":method": "GET",
        ":path": "/api/a?b=c",
        ":authority": "web",
        "x-request-id": "r",
        **more,
    }
    return {
        "http_buffered_trace": {
            "request": {
                "headers": [{"key": k, "value": v} for k, v in asked.items()],
                "headers_received_time": "2026-01-01T00:00:00.100Z",
            },
            "response": {
                "headers": [
                    {"key": ":status", "value": status},
                    {"key": "set-cookie", "value": "s"},
                ],
                "headers_received_time": "2026-01-01T00:00:00.350Z",
            },
            "downstream_connection": {
                "remote_address": {"socket_address": {"address": "198.18.0.9"}}
            },
        }
    }


def read(said: dict[str, Any]) -> Seen:
    made = seen_in(said, WEB, {"198.18.0.9": GATE})
    assert made is not None
    return made


def test_a_request_is_told_with_both_sides() -> None:
    made = read(trace(authorization="Bearer x", **{"x-forwarded-client-cert": CERTIFICATE}))
    assert (made.source, made.to, made.status, made.milliseconds) == (GATE, WEB, 503, 250.0)
    assert made.principal == "spiffe://cluster.local/ns/istio-system/sa/gate"
    said = made.as_json(headers=True)
    assert said["request"]["authorization"] == said["response"]["set-cookie"] == "(not shown)"
    assert "request" not in made.as_json(headers=False)
    stranger = seen_in(trace(), WEB, {})
    assert stranger is not None
    assert stranger.source == Place(name="198.18.0.9")
    assert seen_in({}, WEB, {}) is None


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        (Wanted(), True),
        (Wanted(source="gate", status="5xx", path="/api/*", method="get"), True),
        (Wanted(source="istio-system/gate-1", path="/api", authority="web"), True),
        (Wanted(source="shop/gate"), False),
        (Wanted(status="404"), False),
        (Wanted(status="4xx"), False),
        (Wanted(path="*/b"), False),
        (Wanted(method="POST"), False),
        (Wanted(authority="other"), False),
    ],
)
def test_requests_are_chosen(wanted: Wanted, held: bool) -> None:
    assert wanted.has(read(trace())) is held


def test_a_stream_is_taken_apart_wherever_it_is_cut() -> None:
    text = "\n\n".join(json.dumps({"n": n, "t": "{}"}, indent=1) for n in range(5))
    for size in (1, 7, 50):
        reader = Reader()
        found = [
            made["n"]
            for at in range(0, len(text), size)
            for made in reader.feed(text[at : at + size])
        ]
        assert found == [0, 1, 2, 3, 4]
