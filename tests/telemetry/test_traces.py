"""Spans are read out of OTLP, kept within bounds, and found again, in lateen's form and in Jaeger's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from multidict import MultiDict

from lateen.envoy import names
from lateen.envoy.pb.opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from lateen.telemetry.traces import jaeger
from lateen.telemetry.traces.otlp import BadExport, begun, read_json, read_protobuf, spans_of
from lateen.telemetry.traces.spans import NANOS, PROXY, Span, as_json, summary
from lateen.telemetry.traces.store import Query, SpanStore
from lateen.telemetry.traces.taking import slot_in
from lateen.telemetry.traces.thinning import Thinning

T1, T2 = "11" * 16, "22" * 16
IN_JSON = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": T1,
                            "spanId": "ab" * 8,
                            "parentSpanId": "cd" * 8,
                            "name": "work",
                            "kind": 2,
                            "startTimeUnixNano": "1000",
                            "endTimeUnixNano": "3000",
                            "status": {"code": 2, "message": "no"},
                            "attributes": [
                                {"key": "n", "value": {"intValue": "7"}},
                                {
                                    "key": "l",
                                    "value": {"arrayValue": {"values": [{"boolValue": True}]}},
                                },
                            ],
                            "events": [{"timeUnixNano": "2000", "name": "exception"}],
                            "unknown": 1,
                        },
                        {"traceId": "", "spanId": "ab" * 8, "name": "without an id"},
                    ]
                }
            ],
        }
    ]
}


def span(
    trace: str, id: str, parent: str = "", *, at: float = 0, lasts: float = 1, **more: Any
) -> Span:
    start = int(at * NANOS)
    return Span(
        trace=trace,
        id=id * 8,
        parent=parent * 8,
        start=start,
        end=start + int(lasts * NANOS),
        **more,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SpanStore]:
    made = SpanStore(tmp_path / "t.db", max_age=100, max_bytes=10**7)
    yield made
    made.close()


WEB = {"node_id": "sidecar~198.18.0.5~web-1.v2.shop~shop.svc.cluster.local"}


def attributes(said: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]


def read(export: ExportTraceServiceRequest, **more: Any) -> list[Span]:
    return list(spans_of(export, wanted=lambda _: True, **more))


def test_json_and_protobuf_give_the_same_spans() -> None:
    export = read_json(json.dumps(IN_JSON).encode())
    (made,) = read(export, pod="web-1", namespace="shop")
    assert made == read(read_protobuf(export.SerializeToString()), pod="web-1", namespace="shop")[0]
    assert (made.trace, made.id, made.parent) == (T1, "ab" * 8, "cd" * 8)
    assert (made.service, made.operation, made.kind) == ("web", "work", "server")
    assert (made.start, made.end, made.status, made.message) == (1000, 3000, "error", "no")
    assert made.tags["n"] == 7
    assert made.events[0].name == "exception"
    assert (made.pod, made.namespace, made.source) == ("web-1", "shop", "app")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"resourceSpans": 1}', b'{"traceId": "xyz"}', b"[" * 100_000]
)
def test_what_is_no_otlp_is_refused(body: bytes) -> None:
    with pytest.raises(BadExport):
        read_json(body)
    with pytest.raises(BadExport):
        read_protobuf(b"\xff\xff" + body)


def test_a_proxys_span_tells_its_pod_and_what_was_asked_for() -> None:
    said = WEB | {"http.method": "GET", "http.url": "http://reviews:80/a/b?c=d"}
    tree = json.loads(json.dumps(IN_JSON))
    part = tree["resourceSpans"][0]
    part["scopeSpans"][0]["spans"][0]["attributes"] = attributes(said)
    (made,) = read(read_json(json.dumps(tree).encode()), source=PROXY)
    assert (made.pod, made.namespace, made.operation) == ("web-1.v2", "shop", "GET reviews:80/a/b")


@pytest.mark.parametrize(
    ("more", "counted"), [({names.SAMPLING: names.AS_FITS}, [(("shop", "web-1.v2"), 1)]), ({}, [])]
)
def test_traces_that_a_proxy_begins_are_counted_if_it_may_begin_fewer(
    more: dict[str, str], counted: list[Any]
) -> None:
    tree = json.loads(json.dumps(IN_JSON))
    part = tree["resourceSpans"][0]
    goes_on, _ = part["scopeSpans"][0]["spans"]
    begins = {key: value for key, value in goes_on.items() if key != "parentSpanId"}
    begins["attributes"] = attributes(WEB)
    part["scopeSpans"][0]["spans"] = [goes_on, begins]
    part["resource"]["attributes"] = attributes(more)
    assert list(begun(read_json(json.dumps(tree).encode()))) == counted


def test_the_relay_names_the_slot_and_nobody_else_does() -> None:
    assert slot_in(b"\0lateen-otlp/0a1b/7") == "0a1b"
    assert slot_in("lateen-otlp/0a1b") == ""
    assert slot_in(b"") == slot_in("/tmp/x.sock") == ""


def test_traces_are_found_by_what_one_span_of_them_is(store: SpanStore) -> None:
    store.put(
        [
            span(T1, "a1", at=10, lasts=3, service="gate", operation="GET /"),
            span(
                T1,
                "b1",
                "a1",
                at=11,
                service="web",
                operation="work",
                tags={"code": 503, "ok": False},
                status="error",
            ),
            span(T2, "c1", at=20, lasts=0.1, service="web", operation="work", tags={"code": 200}),
        ]
    )

    def found(**asked: Any) -> list[str]:
        return [spans[0].trace for spans in store.search(Query(**asked))]

    assert found() == [T2, T1]
    assert found(service="web") == [T2, T1]
    assert found(service="gate") == found(error=True) == [T1]
    assert found(service="web", tags={"code": "503"}) == found(tags={"ok": "false"}) == [T1]
    assert found(min_duration=2) == [T1]
    assert found(max_duration=0.5) == [T2]
    assert found(start=15) == [T2]
    assert found(end=15) == [T1]
    assert found(limit=1) == [T2]
    assert found(service="gate", error=True) == []  # all of it must be true of one span
    assert store.services() == ["gate", "web"]
    assert store.operations("web") == [("work", "internal")]
    assert [each.id for each in store.trace(T1)] == ["a1" * 8, "b1" * 8]
    assert store.trace("none") == []
    store.put([span(T1, "a1", at=10, service="gate", operation="again")])
    assert [each.operation for each in store.trace(T1)] == ["again", "work"]
    assert store.calls(0, 100) == {("gate", "web"): 1}


def test_a_trace_in_a_line_begins_with_the_span_nobody_called(store: SpanStore) -> None:
    spans = [
        span(T1, "b1", "a1", at=9.9, lasts=2, service="web"),  # a clock that goes wrong
        span(T1, "a1", at=10, lasts=3, service="gate", operation="GET /"),
        span(T1, "c1", "b1", at=11, service="db", tags={"error": "true"}),
    ]
    assert summary(spans) == {
        "traceId": T1,
        "root": {"service": "gate", "operation": "GET /"},
        "start": 9.9,
        "duration": pytest.approx(3.1),
        "spans": 3,
        "errors": 1,
        "services": ["db", "gate", "web"],
    }
    assert [each["status"] for each in as_json(spans)] == ["unset", "unset", "error"]


def large(numbers: Iterable[int]) -> list[Span]:
    """One span a second, of some 500 bytes."""
    return [
        Span(
            trace=f"{n * 7919 % 2**64:032x}",
            id=f"{n:016x}",
            start=n * NANOS,
            end=n * NANOS,
            tags={"x": "y" * 400},
        )
        for n in numbers
    ]


def on_disk(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.iterdir())


def test_what_is_too_old_is_dropped_and_its_room_given_back(tmp_path: Path) -> None:
    store = SpanStore(tmp_path / "t.db", max_age=100, max_bytes=5 * 10**6)
    spans = large(range(5000))
    store.put(spans)
    full = on_disk(tmp_path)
    assert store.sweep(now=5050) == 4950
    for _ in range(10):
        store.sweep(now=5050)
    assert on_disk(tmp_path) < full / 2
    assert store.search(Query(end=4949)) == []
    assert store.trace(spans[-1].trace)
    store.close()


def test_the_files_stay_below_the_bound_while_spans_come(tmp_path: Path) -> None:
    bound = 8 * 1024 * 1024
    store = SpanStore(tmp_path / "t.db", max_age=10**9, max_bytes=bound)
    most = 0
    for begin in range(0, 30_000, 1500):  # three times what there is room for, without a sweep
        spans = large(range(begin, begin + 1500))
        store.put(spans)
        most = max(most, on_disk(tmp_path))
        assert store.trace(spans[-1].trace)
    assert bound / 2 < most <= bound
    assert not store.trace(large([0])[0].trace)
    store.close()


def test_a_store_that_is_larger_than_it_may_be_now_is_made_smaller(tmp_path: Path) -> None:
    store = SpanStore(tmp_path / "t.db", max_age=10**9, max_bytes=10**8)
    store.put(large(range(16_000)))
    store.close()
    assert on_disk(tmp_path) > 8 * 1024 * 1024
    store = SpanStore(tmp_path / "t.db", max_age=10**9, max_bytes=4 * 1024 * 1024)
    store.sweep(now=16_000)
    assert on_disk(tmp_path) <= 4 * 1024 * 1024
    assert store.trace(large([15_999])[0].trace)
    store.close()


def test_a_broken_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"no database" * 1000)
    store = SpanStore(tmp_path / "t.db", max_age=100, max_bytes=10**7)
    store.put([span(T1, "a1")])
    assert store.trace(T1)
    store.close()


def test_of_a_flood_whole_traces_are_kept() -> None:
    now = [0.0]
    thinning = Thinning(100, lambda: now[0])
    traces = [bytes(12) + (n * 2**32 // 1000).to_bytes(4, "big") for n in range(1000)]
    kept: set[bytes] = set()
    for second in range(4):
        now[0] = second
        kept = {trace for trace in traces for _ in range(2) if thinning.wanted(trace)}
    assert 20 <= len(kept) <= 100
    now[0] = 10
    assert all(thinning.wanted(trace) for trace in traces[:50])
    assert thinning.dropped > 0


def test_jaegers_form_and_way_of_asking() -> None:
    spans = [
        span(
            T1, "a1", at=10, service="gate", operation="GET /", kind="server", source=PROXY, pod="g"
        ),
        span(
            T1,
            "b1",
            "a1",
            at=10.5,
            lasts=0.002,
            service="web",
            tags={"n": 1, "f": 1.5},
            status="error",
        ),
    ]
    made = jaeger.as_jaeger(spans)
    assert made["traceID"] == T1
    gate, web = made["spans"]
    assert (gate["startTime"], gate["duration"], gate["references"]) == (10_000_000, 1_000_000, [])
    assert web["references"] == [{"refType": "CHILD_OF", "traceID": T1, "spanID": "a1" * 8}]
    assert web["duration"] == 2000
    assert {"key": "error", "type": "bool", "value": True} in web["tags"]
    assert {"key": "f", "type": "float64", "value": 1.5} in web["tags"]
    assert made["processes"][gate["processID"]]["serviceName"] == "gate"
    asked = MultiDict(
        service="web",
        tags='{"error":"true","code":"503"}',
        minDuration="1.5ms",
        start="2000000",
        limit="5",
    )
    query = jaeger.query_of(asked)
    assert (query.service, query.error, query.tags, query.limit) == (
        "web",
        True,
        {"code": "503"},
        5,
    )
    assert (query.min_duration, query.start) == (0.0015, 2)
