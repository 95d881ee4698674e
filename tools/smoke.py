"""Bring examples/polyglot up, send requests through its ingress, print what came back, take it down.

In: nothing.    Out: a report; exit status 0 when every line is as it should be.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples/polyglot"
LATEEN = str(Path(sys.executable).with_name("lateen"))
MESH = "smoke"
CALLS = 1000
SHARE_V1 = (0.87, 0.93)
HOST = "api.example.com"

failures: list[str] = []


def free_port() -> int:
    """A loopback port nobody uses now, so that a running demo is not in the way."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


HTTP, HTTPS = free_port(), free_port()


def check(what: str, ok: bool, saw: object) -> None:
    """Print one line and remember a failure."""
    print(f"{'ok  ' if ok else 'FAIL'}  {what}: {saw}", flush=True)
    if not ok:
        failures.append(what)


def call(path: str, body: object = None) -> tuple[int, str]:
    """One request through the ingress gateway: status and body."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{HTTP}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Host": HOST, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.read().decode(errors="replace")


def requests() -> None:
    """What the issue of the main job asks to be shown."""
    for path in ("/api/v1/predict", "/api/v1/ml/predict"):  # the service's own, the guide's route
        status, text = call(path, {"data": [1.0, 2.0, 3.0]})
        prediction = json.loads(text).get("prediction") if status == 200 else None
        check(f"POST {path} [1.0,2.0,3.0] -> 2.0", prediction == 2.0, f"{status} {text.strip()}")

    status, text = call("/api/v1/call-go")
    healthy = status == 200 and json.loads(text)["go_service_response"]["status"] == "healthy"
    check("GET /api/v1/call-go (FastAPI -> Go)", healthy, f"{status} {text.strip()}")

    status, text = call("/api/v1/gateway")
    check("GET /api/v1/gateway (Go)", status == 200, f"{status} {text.strip()}")

    line = {"sku": "SAIL-12", "quantity": 12, "unitPrice": 19.90}
    order = {"customer": "BUSINESS", "country": "DE", "lines": [line]}
    status, text = call("/api/v1/quotes", order)
    check("POST /api/v1/quotes (Java)", status in (200, 201), f"{status} {text.strip()[:200]}")

    status, text = call("/")
    check(
        "GET / (Node front page)",
        status == 200 and "<html" in text.lower(),
        f"{status}, {len(text)} bytes",
    )

    status, text = call("/api/v1/canary/call-ml")
    refused = status == 200 and json.loads(text).get("status") == 403
    check(
        "my-service may not call FastAPI (AuthorizationPolicy)", refused, f"{status} {text.strip()}"
    )

    https()
    egress()
    canary()


def https() -> None:
    """A request to Gateway port 443, whose certificate must be the example's, for the example's host."""
    secret = (EXAMPLE / "istio/example-com-cert.yaml").read_text()
    made = re.findall(r"^ *-----BEGIN CERT.*?-----END CERTIFICATE-----\n", secret, re.S | re.M)
    trusted = ssl.create_default_context(cadata=textwrap.dedent("".join(made)))
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it is no authority; trust it alone
    what = f"GET https://{HOST}/api/v1/gateway (HTTPS, certificate checked)"
    try:
        with (
            socket.create_connection(("127.0.0.1", HTTPS), timeout=30) as plain,
            trusted.wrap_socket(plain, server_hostname=HOST) as link,
        ):
            connection = http.client.HTTPConnection(HOST)
            connection.sock = link
            connection.request("GET", "/api/v1/gateway")
            answer = connection.getresponse()
            saw = f"{link.version()} {answer.status} {answer.read().decode().strip()}"
            check(what, answer.status == 200, saw)
    except OSError as fault:
        check(what, False, fault)


def egress() -> None:
    """Whether the way to the database goes by the egress gateway; there is none to talk to."""
    inside = '"outbound|5432||istio-egressgateway.istio-system.svc.cluster.local"'
    outside = '"outbound|5432||postgres.external.com"'
    sidecar, gateway = listeners("fastapi-service"), listeners("istio-egressgateway")
    by_gateway = inside in sidecar and outside not in sidecar and outside in gateway
    check(
        "postgres.external.com:5432 is left to the egress gateway",
        by_gateway,
        f"sidecar to gateway: {inside in sidecar}, past it: {outside in sidecar}; "
        f"gateway to database: {outside in gateway}",
    )


def listeners(pod: str) -> str:
    """What an Envoy of the mesh listens to, as JSON."""
    asked = [LATEEN, "proxy", "config", pod, "listeners", "-o", "json", "--name", MESH]
    return subprocess.run(asked, check=False, capture_output=True, text=True).stdout


def canary() -> None:
    """A thousand calls; should chance push them out of bounds (1 in 600), up to two thousand more."""
    began = time.monotonic()
    seen: Counter[str] = Counter()
    split = False
    while not split and seen.total() < 3 * CALLS:
        for _ in range(CALLS):
            status, text = call("/api/v1/canary")
            seen[json.loads(text).get("version", "?") if status == 200 else f"status {status}"] += 1
        share = seen["v1"] / seen.total()
        split = SHARE_V1[0] <= share <= SHARE_V1[1] and seen["v1"] + seen["v2"] == seen.total()
    seconds = time.monotonic() - began
    check(f"{seen.total()} canary calls, 90 ± 3 % to v1", split, f"{dict(seen)} in {seconds:.1f} s")


def main() -> int:
    """Up, requests, down."""
    up = [LATEEN, "up", str(EXAMPLE), "-d", "--name", MESH]
    began = time.monotonic()
    ports = ["--port", f"80={HTTP}", "--port", f"443={HTTPS}"]
    started = subprocess.run([*up, *ports], check=False)
    try:
        seconds = time.monotonic() - began
        check("lateen up", started.returncode == 0, f"exit {started.returncode}, {seconds:.1f} s")
        if started.returncode == 0:
            requests()
    finally:
        ended = subprocess.run([LATEEN, "down", "--name", MESH], check=False)
        check("lateen down", ended.returncode == 0, f"exit {ended.returncode}")
    print(
        f"smoke: {'all as it should be' if not failures else f'{len(failures)} not as it should be'}"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
