"""Figures of a mesh are what its load generator counted: asked of lateen, and of a real Prometheus that scrapes it."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Mesh, eventually

FOLDER = Path(__file__).parent / "figures"
GOOD, MISSING, FAILED, POSTED, BODY = 60, 10, 15, 5, 2000
FLUSHED = 2.0  # seconds until the figures of a request are surely among what an Envoy shows
WAITS = [252 + 4 * i for i in range(60)]  # milliseconds, evenly over one bucket of the histogram
ANSWER = 2  # bytes of the body of each answer
CONNECTIONS, BYTES = 3, 1001
TOTAL = GOOD + MISSING + FAILED + POSTED

LOAD = f"""
import concurrent.futures, json, socket, time, urllib.error, urllib.request

def ask(path, body=None, headers={{}}):
    request = urllib.request.Request("http://" + path, data=body, headers=headers)
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            answer.read()
            status = answer.status
    except urllib.error.HTTPError as fault:
        fault.read()  # who hangs up before the body has come is not sent it, and it is not counted
        status = fault.code
    return status, (time.monotonic() - began) * 1000

forged = {{"x-envoy-peer-metadata": "ZXZpbA==", "x-envoy-peer-metadata-id": "sidecar~evil", "x-lateen-pod": "shop/evil"}}
seen = {{}}
plan = [("api:8080/status/200", None)] * {GOOD} + [("api:8080/status/404", None)] * {MISSING}
plan += [("api:8080/status/500", None)] * {FAILED} + [("api:8080/status/200", b"b" * {BODY})] * {POSTED}
for path, body in plan:
    status, _ = ask(path, body, forged)
    seen[status] = seen.get(status, 0) + 1
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    times = [t for _, t in pool.map(lambda ms: ask(f"slow:8080/wait/{{ms}}"), {WAITS})]
got = 0
for _ in range({CONNECTIONS}):
    with socket.create_connection(("api", 9000)) as peer:
        peer.sendall(b"y" * ({BYTES} - 1) + b".")
        while part := peer.recv(65536):
            got += len(part)
print(json.dumps({{"seen": seen, "times": sorted(times), "got": got}}))
"""

API = 'reporter="destination",destination_workload="api"'
SLOW = 'istio_request_duration_milliseconds_bucket{reporter="source",destination_workload="slow"}'
COUNTED: dict[str, float] = {
    f"sum(istio_requests_total{{{API}}})": TOTAL,
    'sum(istio_requests_total{reporter="source",destination_workload="api"})': TOTAL,
    f'sum(istio_requests_total{{{API},response_code="200"}})': GOOD + POSTED,
    f'sum(istio_requests_total{{{API},response_code=~"5.."}})': FAILED,
    f'sum(istio_requests_total{{{API},response_code!~"5.*"}})': TOTAL - FAILED,
    f'sum(istio_requests_total{{{API},connection_security_policy="mutual_tls"}})': TOTAL,
    'sum(istio_requests_total{reporter="destination",destination_service="api.shop.svc.cluster.local"})': TOTAL,
    'sum(istio_requests_total{reporter="destination",destination_service_name="api",destination_service_namespace="shop"})': TOTAL,
    f'sum(istio_requests_total{{{API},destination_canonical_service="api",destination_canonical_revision="v1"}})': TOTAL,
    f'sum(istio_requests_total{{{API},source_canonical_service="client",source_workload="client",source_version="v1"}})': TOTAL,
    f'sum(istio_requests_total{{{API},source_principal="spiffe://cluster.local/ns/shop/sa/client"}})': TOTAL,
    f'sum(istio_requests_total{{{API},response_code=~"5.."}}) / sum(istio_requests_total{{{API}}})': FAILED
    / TOTAL,
    f"sum(istio_request_duration_milliseconds_count{{{API}}})": TOTAL,
    f"sum(istio_request_bytes_count{{{API}}})": TOTAL,
    f"sum(istio_request_bytes_sum{{{API}}})": POSTED * BODY,
    f"sum(istio_response_bytes_sum{{{API}}})": TOTAL * ANSWER,
    'sum(istio_response_bytes_sum{reporter="source",destination_workload="api"})': TOTAL * ANSWER,
    f"sum(istio_tcp_connections_opened_total{{{API}}})": CONNECTIONS,
    f"sum(istio_tcp_connections_closed_total{{{API}}})": CONNECTIONS,
    f"sum(istio_tcp_received_bytes_total{{{API}}})": CONNECTIONS * BYTES,
    f"sum(istio_tcp_sent_bytes_total{{{API}}})": CONNECTIONS * (BYTES // 2),
    'sum(app_requests_total{what="status"})': TOTAL,
    'count(kube_pod_status_phase{namespace="shop",phase="Running"} == 1)': 3,
    'sum(increase(kube_pod_container_status_restarts_total{pod=~"api.*"}[1h]))': 0,
    'count(container_memory_usage_bytes{namespace="shop",container="app"})': 3,
    'count(istio_build{component="proxy"})': 4,
    "sum(pilot_xds)": 5,
    "count(up == 1)": 7,
    'count(istio_requests_total{source_workload="evil"} or istio_requests_total{pod="evil"}) or vector(0)': 0,
}


class Asked:
    """Prometheus' query API at an address."""

    def __init__(self, base: str) -> None:
        self.base = base

    def rows(self, text: str) -> list[Mapping[str, Any]]:
        """What an instant query answers."""
        url = f"{self.base}/api/v1/query?{urllib.parse.urlencode({'query': text})}"
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http
            result: list[Mapping[str, Any]] = json.load(answer)["data"]["result"]
            return result

    def value(self, text: str) -> float:
        """The one value; not a number where there is none."""
        rows = self.rows(text)
        return float(rows[0]["value"][1]) if len(rows) == 1 else math.nan


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    made = Mesh(FOLDER)
    try:
        made.up()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def own(mesh: Mesh) -> Asked:
    return Asked(eventually(lambda: mesh.status().get("prometheus")))


@pytest.fixture(scope="module")
def real(mesh: Mesh, own: Asked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Debian's Prometheus with the exported configuration, only that it asks each second."""
    if not shutil.which("prometheus"):
        pytest.skip("there is no Prometheus here")
    folder = tmp_path_factory.mktemp("real")
    mesh.lateen("dashboards", "export", str(folder))
    config = folder / "prometheus" / "prometheus.yml"
    config.write_text(
        config.read_text()
        .replace("15s", "1s")
        .replace("refresh_interval: 10s", "refresh_interval: 2s")
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = (
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stderr=log) as process:
        try:
            yield Asked(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def load(mesh: Mesh, own: Asked, real: Asked) -> Mapping[str, Any]:
    """Run once; both have seen it when it is there."""

    def answers(asked: Asked) -> bool:
        try:
            return asked.value('count(up{job="istio-mesh"} == 1)') == 4
        except OSError:
            return False

    assert eventually(lambda: answers(real) and answers(own))
    made: Mapping[str, Any] = json.loads(mesh.inside(LOAD))
    seen = 'sum(istio_tcp_connections_closed_total{reporter="source",destination_workload="api"})'
    for asked in (own, real):
        assert eventually(partial(_has, asked, seen, CONNECTIONS), every=0.3), asked.base
    ended = time.time() + FLUSHED
    for asked in (own, real):
        assert eventually(partial(_asked_since, asked, ended), every=0.3), asked.base
    return made


def _asked_since(asked: Asked, when: float) -> bool:
    return asked.value('min(timestamp(up{job="istio-mesh"}))') > when


def _has(asked: Asked, text: str, wanted: float) -> bool:
    return asked.value(text) == wanted


def test_the_load_went_as_planned(load: Mapping[str, Any]) -> None:
    assert load["seen"] == {"200": GOOD + POSTED, "404": MISSING, "500": FAILED}
    assert load["got"] == CONNECTIONS * (BYTES // 2)


@pytest.mark.parametrize("text", COUNTED)
def test_counters_are_exact(load: Mapping[str, Any], own: Asked, real: Asked, text: str) -> None:
    wanted = COUNTED[text]
    assert own.value(text) == pytest.approx(wanted, abs=1e-9)
    assert real.value(text) == pytest.approx(wanted, abs=1e-9)


def test_bytes_of_a_connection_are_counted_while_it_is_open(
    mesh: Mesh, load: Mapping[str, Any], own: Asked, real: Asked
) -> None:
    got, sent = (f"sum(istio_tcp_{what}_bytes_total{{{API}}})" for what in ("received", "sent"))
    before = own.value(got), own.value(sent)
    mesh.inside(
        "import builtins, socket; peer = builtins.held = socket.create_connection(('api', 9000))\n"
        "peer.sendall(b'y' * 5000)"
    )
    for asked in (own, real):
        assert eventually(partial(_has, asked, got, before[0] + 5000), every=0.3), asked.base
    mesh.inside(
        "import builtins; peer = builtins.held; peer.sendall(b'y' * 3000 + b'.')\n"
        "while peer.recv(65536): pass"
    )
    for asked in (own, real):
        assert eventually(partial(_has, asked, got, before[0] + 8001), every=0.3), asked.base
        assert eventually(partial(_has, asked, sent, before[1] + 4000), every=0.3), asked.base
        assert asked.value(f"max(resets(istio_tcp_received_bytes_total{{{API}}}[5m]))") == 0


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95])
def test_quantiles_are_within_five_percent(
    load: Mapping[str, Any], own: Asked, real: Asked, share: float
) -> None:
    times = load["times"]
    wanted = times[round(share * (len(times) - 1))]
    text = f"histogram_quantile({share}, sum by (le) ({SLOW}))"
    assert own.value(text) == pytest.approx(wanted, rel=0.05)
    assert real.value(text) == pytest.approx(wanted, rel=0.05)


def test_a_pod_is_scraped_inside_the_mesh_as_istios_are(
    mesh: Mesh, load: Mapping[str, Any]
) -> None:
    code = """
import urllib.request
for port, path in ((15020, "/stats/prometheus"), (15090, "/stats/prometheus")):
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read().decode()
    print(port, "\\nistio_requests_total{" in page, "envoy_istio" in page, "\\nenvoy_server_live" in page)
"""
    assert mesh.inside(code).splitlines() == ["15020 True False True", "15090 True False True"]


STRANGE = """
import http.client
for n in range({begin}, {end}):
    for method, path, host in ((f"M{{n}}", "/status/200", "api"), ("GET", f"/status/200/{{n}}?n={{n}}", "api"), ("GET", "/", f"h{{n}}.example")):
        link = http.client.HTTPConnection("api", 8080, timeout=10)
        link.request(method, path, headers={{"host": host, "user-agent": f"agent-{{n}}", "x-n": str(n)}})
        link.getresponse().read()
        link.close()
"""


def test_what_clients_make_up_makes_no_series(
    mesh: Mesh, load: Mapping[str, Any], own: Asked
) -> None:
    requests = 'sum(istio_requests_total{reporter="source",source_workload="client"})'

    def made_up(begin: int, end: int) -> float:
        """The series there are once these requests have been counted."""
        before = own.value(requests)
        mesh.inside(STRANGE.format(begin=begin, end=end))
        now = before + 3 * (end - begin)
        assert eventually(partial(_has, own, requests, now), every=0.3)
        return own.value('count({job="istio-mesh"})')

    first = made_up(0, 3)  # of answers that had not been given before
    assert made_up(3, 150) <= first + 4 * 67  # whose histograms come a second after their counter


def test_a_telemetry_changes_labels_and_leaves_metrics_off(mesh: Mesh, own: Asked) -> None:
    override = {
        "match": {"metric": "REQUEST_COUNT", "mode": "SERVER"},
        "tagOverrides": {
            "host": {"value": "request.host"},
            "response_flags": {"operation": "REMOVE"},
            "source_app": {"operation": "REMOVE"},
        },
    }
    spec = {"selector": {"matchLabels": {"app": "client"}}, "metrics": [{"overrides": [override]}]}
    tree = {
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": "labels", "namespace": "shop"},
        "spec": spec,
    }
    here = 'istio_requests_total{reporter="destination",destination_workload="client",host!=""}'
    with mesh.made("/apis/telemetry.istio.io/v1/namespaces/shop/telemetries", tree):
        assert eventually(
            lambda: mesh.get("/status/200").status == 200 and own.rows(here), every=0.3
        )
    (row,) = own.rows(here)
    assert row["metric"]["host"].startswith("127.0.0.1:")
    assert not {"response_flags", "source_app", "lateen_removed"} & row["metric"].keys()


def test_series_of_a_pod_long_gone_end(mesh: Mesh, own: Asked) -> None:
    (pod,) = (p["name"] for p in mesh.pods("slow-"))
    assert own.value(f'count(up{{pod="{pod}"}})') == 1
    mesh.delete(f"/api/v1/namespaces/shop/pods/{pod}?gracePeriodSeconds=1")
    assert eventually(lambda: not own.rows(f'{{pod="{pod}",job="istio-mesh"}}'), every=0.3)


def test_top_shows_the_mesh(mesh: Mesh, load: Mapping[str, Any], own: Asked) -> None:
    before = own.value(f"sum(istio_requests_total{{{API}}})")
    mesh.inside(
        "import urllib.request as u; [u.urlopen('http://api:8080/status/200') for _ in range(9)]"
    )
    more = partial(_has, own, f"sum(istio_requests_total{{{API}}})", before + 9)
    assert eventually(more, every=0.3)
    said = json.loads(mesh.lateen("top", "--by", "workload", "--window", "5m", "-o", "json").stdout)
    rows = {row["name"]: row for row in said["rows"]}
    assert rows["api"]["mutual"] == 1
    assert rows["api"]["requests"] > 0
    assert "api.shop.svc.cluster.local" in mesh.lateen("top", "--once", "--window", "5m").stdout


def test_the_observer_is_started_again_and_has_what_it_had(mesh: Mesh, own: Asked) -> None:
    text = f"sum(istio_requests_total{{{API}}})"
    before = own.value(text)
    pids = json.loads((mesh.run / "pids.json").read_text())
    subprocess.run(("kill", "-KILL", str(pids["observer"])), check=True)

    def again() -> bool:
        try:
            return own.value(text) == before
        except OSError:
            return False

    assert eventually(lambda: json.loads((mesh.run / "pids.json").read_text()) != pids)
    assert eventually(again)
    assert mesh.get("/status/200").status == 200
