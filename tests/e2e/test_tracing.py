"""A request over three services is one trace, with apps that use OpenTelemetry's SDK and with such that only hand on
headers; a collector that no one here wrote gets the same spans; logs are found by the trace."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lateen.apiserver.client import Client
from tests.e2e.collector import Collected, built, collector
from tests.e2e.harness import LATEEN, Mesh, eventually

FOLDER = Path(__file__).parent / "tracing"
EDGE = "istio-ingressgateway.istio-system"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected | None]:
    """The real Collector; None where there is no Go to build it."""
    if not (binary := built()):
        yield None
        return
    with collector(binary, folder := tmp_path_factory.mktemp("otelcol"), folder) as made:
        yield made


@pytest.fixture(scope="module")
def traced(collected: Collected | None) -> Iterator[Mesh]:
    made = Mesh(FOLDER)
    if collected:
        made.env["LATEEN_OTLP_EXPORT"] = collected.endpoint
    try:
        made.up()
        yield made
    finally:
        made.end()


def ask(traced: Mesh, path: str) -> Any:
    """The observer's answer."""
    return Client(traced.run / "observe.sock").get(path)


def wait_for(find: Callable[[], Any]) -> Any:
    """What is found in the end."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [find()]
        return bool(found[0])

    assert eventually(look)
    return found[0]


def trace_of(traced: Mesh, path: str, spans: int) -> list[dict[str, Any]]:
    """The spans of the trace of the one request for a path, once that many are there."""

    def look() -> list[dict[str, Any]]:
        listed = ask(traced, "/traces/search?limit=100")["traces"]
        ids = [t["traceId"] for t in listed if t["root"]["operation"].endswith(path)]
        found: list[dict[str, Any]] = ask(traced, f"/traces/{ids[0]}")["spans"] if ids else []
        return found if len(found) >= spans else []

    made: list[dict[str, Any]] = wait_for(look)
    return made


def chain(spans: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """From the root down, where each span has one child: service, kind, by whom it is told."""
    children: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        children.setdefault(span["parentId"], []).append(span)
    assert all(len(each) == 1 for each in children.values()), children
    made, at = [], ""
    while at in children:
        (span,) = children[at]
        made.append((span["service"].removesuffix(".shop"), span["kind"], span["source"]))
        at = span["spanId"]
    assert len(made) == len(spans)
    return made


def test_one_request_is_one_trace_of_the_right_form(traced: Mesh) -> None:
    assert traced.get("/hi").text == "front > middle > back > end"
    spans = trace_of(traced, "/hi", 10)
    assert chain(spans) == [
        (EDGE, "client", "proxy"),
        ("front", "server", "proxy"),
        ("front", "server", "app"),
        ("front", "client", "app"),
        ("front", "client", "proxy"),
        ("middle", "server", "proxy"),
        ("middle", "client", "proxy"),
        ("back", "server", "proxy"),
        ("back", "server", "app"),
        ("back", "client", "app"),
    ]
    for span in spans:
        assert span["pod"].startswith(span["service"].partition(".")[0]), span
    assert {span["tags"].get("istio.namespace") for span in spans} == {None, "shop", "istio-system"}


def test_an_app_that_hands_on_b3_headers_keeps_the_trace_whole(traced: Mesh) -> None:
    assert traced.get("/old/x").text == "old > back > end"
    assert chain(trace_of(traced, "/old/x", 6)) == [
        (EDGE, "client", "proxy"),
        ("old", "server", "proxy"),
        ("old", "client", "proxy"),
        ("back", "server", "proxy"),
        ("back", "server", "app"),
        ("back", "client", "app"),
    ]


def test_traces_are_found_by_what_went_wrong_and_how_long_it_took(traced: Mesh) -> None:
    assert traced.get("/bad/one").status == 503
    assert traced.get("/slow/one").status == 200
    bad, slow = trace_of(traced, "/bad/one", 10), trace_of(traced, "/slow/one", 10)

    def roots(query: str) -> set[str]:
        found = ask(traced, f"/traces/search?{query}")["traces"]
        return {each["root"]["operation"].partition("/")[2] for each in found}

    assert roots("error=true") == {"bad/one"}
    assert roots("service=middle.shop&tag=http.status_code%3D503") == {"bad/one"}
    assert "slow/one" in roots("service=back.shop&min=250")
    assert "bad/one" not in roots("service=back.shop&min=250")
    assert len({span["spanId"] for span in (*bad, *slow)}) == 20


def test_logs_are_found_by_trace_and_level(traced: Mesh) -> None:
    spans = trace_of(traced, "/bad/one", 10)
    listed = ask(traced, "/traces/search?error=true&limit=1")["traces"][0]
    lines = wait_for(
        lambda: [
            line
            for line in ask(traced, f"/logs/search?trace={listed['traceId']}&limit=100")["lines"]
            if line["container"] == "istio-proxy"
        ]
    )
    assert spans
    found = ask(traced, f"/logs/search?trace={listed['traceId']}&limit=100")["lines"]
    apps = [line for line in found if line["container"] == "app"]
    assert {(line["pod"].partition("-")[0], line["level"]) for line in apps} == {
        ("front", "warn"),
        ("back", "warn"),
    }
    assert {line["level"] for line in lines} == {"error"}
    # Of the middle one, Telemetry has written down only what failed.
    middle = [
        line
        for line in ask(traced, "/logs/search?text=middle&container=istio-proxy&limit=100")["lines"]
        if line["pod"].startswith("middle")
    ]
    assert all(" 503 " in line["text"] for line in middle)


def test_jaegers_questions_are_answered(traced: Mesh) -> None:
    trace_of(traced, "/hi", 10)
    services = ask(traced, "/jaeger/api/services")["data"]
    assert {"front.shop", "middle.shop", "back.shop", EDGE} <= set(services)
    (found,) = [
        each
        for each in ask(traced, "/jaeger/api/traces?service=front.shop&limit=50")["data"]
        if any(span["operationName"].endswith("/hi") for span in each["spans"])
    ]
    assert len(found["spans"]) == 10
    assert ask(traced, f"/jaeger/api/traces/{found['traceID']}")["data"][0] == found


def test_a_real_collector_gets_the_same_spans(traced: Mesh, collected: Collected | None) -> None:
    if collected is None:
        pytest.skip("no Go here to build the OpenTelemetry Collector with")
    here = {
        (span["spanId"], span["parentId"], span["service"], span["source"] == "proxy")
        for path, count in (("/hi", 10), ("/old/x", 6))
        for span in trace_of(traced, path, count)
    }

    def there() -> set[tuple[str, str, str, bool]]:
        return {
            (
                span["spanId"],
                span.get("parentSpanId", ""),
                span["service"],
                "node_id" in json.dumps(span),
            )
            for span in collected.spans()
        }

    assert eventually(lambda: here <= there())


def test_a_real_collector_reads_the_files_as_those_of_a_clusters_node(
    traced: Mesh, collected: Collected | None, tmp_path: Path
) -> None:
    if collected is None:
        pytest.skip("no Go here to build the OpenTelemetry Collector with")
    traced.get("/read")
    with collector(built(), tmp_path, traced.state / "logs" / "pods") as reader:

        def read() -> bool:
            found = [each for each in reader.records() if "/read" in each["body"]["stringValue"]]
            return {(each["pod"].partition("-")[0], each["container"]) for each in found} >= {
                ("front", "app"),
                ("back", "app"),
                ("front", "istio-proxy"),
            }

        assert eventually(read)
    # The same lines came by OTLP, with what lateen had told of them.

    def told() -> bool:
        found = [r for r in collected.records() if "on /read" in r["body"]["stringValue"]]
        who = {(r["pod"].partition("-")[0], r["severityText"]) for r in found}
        return (
            who == {("front", "warn"), ("back", "warn")} and len({r["traceId"] for r in found}) == 1
        )

    assert eventually(told)


def test_requests_are_seen_as_they_pass(traced: Mesh) -> None:
    command = [
        LATEEN,
        "tap",
        "-n",
        "shop",
        "--count",
        "3",
        "-o",
        "json",
        "--headers",
        "--name",
        "t",
    ]
    with subprocess.Popen(command, env=traced.env, stdout=subprocess.PIPE, text=True) as tap:
        try:
            assert eventually(lambda: traced.get("/seen").status == 200 and tap.poll() is not None)
            out = tap.communicate(timeout=10)[0]
        finally:
            tap.kill()
    seen = [json.loads(line) for line in out.splitlines()]
    assert len(seen) == 3
    assert {s["destination"]["name"].partition("-")[0] for s in seen} <= {"front", "middle", "back"}
    assert all(s["path"] == "/seen" and s["status"] == 200 for s in seen)
    assert all(s["request"]["traceparent"] and s["principal"].startswith("spiffe://") for s in seen)
    assert {s["source"]["namespace"] for s in seen} <= {"shop", "istio-system"}


def test_the_command_line_shows_traces_as_trees(traced: Mesh) -> None:
    trace_of(traced, "/bad/one", 10)
    found = json.loads(
        traced.lateen("traces", "--errors", "--service", "back.shop", "-o", "json").stdout
    )
    text = traced.lateen("traces", found[0]["traceId"]).stdout
    assert len(text.splitlines()) == 10
    assert "503" in text
    assert text.index("front.shop") < text.index("middle.shop") < text.index("back.shop")
    assert traced.lateen("traces", "--service", "nobody", check=False).returncode == 1
    assert "no trace" in traced.lateen("traces", "ab" * 16, check=False).stderr


def test_a_flood_is_traced_in_part_and_what_follows_in_full(traced: Mesh) -> None:
    assert traced.get("/hi").status == 200

    def flood() -> dict[str, int]:
        """A few hundred requests that the gateway itself answers, and what is said of it then."""
        link = http.client.HTTPConnection("127.0.0.1", traced.http, timeout=10)
        with closing(link):
            for _ in range(300):
                link.request("GET", "/nowhere")
                answer = link.getresponse()
                answer.read()
                assert answer.status == 404
        shares: dict[str, int] = ask(traced, "/traces/search?limit=1")["thinned"]
        return shares

    shares = wait_for(flood)
    ((pod, share),) = shares.items()
    assert pod.startswith("istio-system/istio-ingressgateway")
    assert share < 100
    assert eventually(lambda: not ask(traced, "/traces/search?limit=1")["thinned"])
