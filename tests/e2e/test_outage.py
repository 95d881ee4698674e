"""examples/outage: an outage and a slow request, found and mended with the command line as docs/outage.md has it."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Mesh, eventually

FOLDER = Path(__file__).parents[2] / "examples" / "outage"


@pytest.fixture(scope="module")
def shop() -> Iterator[Mesh]:
    mesh = Mesh(FOLDER)
    try:
        mesh.up(FOLDER / "shop.yaml")
        yield mesh
    finally:
        mesh.end()


def change(mesh: Mesh, file: str) -> None:
    kubectl = ["kubectl", "--kubeconfig", mesh.lateen("kubeconfig").stdout.strip(), "-n", "shop"]
    for words in (
        ["apply", "-f", str(FOLDER / "changes" / file)],
        ["rollout", "status", "deploy", "--timeout=60s"],
    ):
        subprocess.run([*kubectl, *words], check=True, capture_output=True, timeout=90)


def load(mesh: Mesh, path: str, number: int, at_once: int) -> tuple[Counter[int], float]:
    """The statuses, and the longest time in seconds."""

    def ask(_: int) -> tuple[int, float]:
        begun = time.monotonic()
        return mesh.get(path).status, time.monotonic() - begun

    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(ask, range(number)))
    return Counter(status for status, _ in found), max(seconds for _, seconds in found)


def traces(mesh: Mesh, *words: str) -> list[dict[str, Any]]:
    found: list[list[dict[str, Any]]] = []

    def look() -> bool:
        found[:] = [
            json.loads(mesh.lateen("traces", *words, "-o", "json", check=False).stdout or "[]")
        ]
        return bool(found[0])

    assert eventually(look)
    return found[0]


def test_a_pool_that_runs_dry_is_found_by_its_traces_and_logs(shop: Mesh) -> None:
    assert load(shop, "/pay", 16, 8)[0] == {200: 16}
    change(shop, "release.yaml")
    statuses, slowest = load(shop, "/pay", 16, 16)
    assert statuses[500] >= 4
    assert slowest > 2
    found = traces(
        shop,
        "--errors",
        "--service",
        "payment-service.shop",
        "--operation",
        "wait for a connection",
    )
    assert (
        "INSERT payments" in shop.lateen("traces", found[0]["traceId"]).stdout
        or found[0]["errors"] > 1
    )
    logs = shop.lateen("logs", "-l", "app=payment-service", "--level", "error").stdout
    assert "Failed to connect to database: timeout after 1s" in logs
    assert "payment-service-" in logs
    of_one = shop.lateen(
        "logs", "--trace", found[0]["traceId"], "--level", "warn", "-c", "app"
    ).stdout
    assert "Retrying database connection (attempt 2)" in of_one
    slow = shop.lateen("logs", "-l", "app=database", "--grep", "slow query").stdout
    assert "INSERT payments took 1500 ms" in slow
    change(shop, "fix.yaml")
    statuses, slowest = load(shop, "/pay", 16, 16)
    assert statuses == {200: 16}
    assert slowest < 2


def test_retries_that_make_a_request_slow_stand_side_by_side_in_its_trace(shop: Mesh) -> None:
    change(shop, "latency.yaml")
    load(shop, "/stock", 12, 4)
    found = traces(shop, "--operation", "GET stock/", "--min", "450")
    tries = [
        line
        for line in shop.lateen("traces", found[0]["traceId"]).stdout.splitlines()
        if "GET stock/" in line and "[proxy server]" in line
    ]
    assert len(tries) >= 3
    assert sum(" 503 " in line for line in tries) >= 2
    seen = next(
        edge
        for edge in shop.api("/lateen/v1/traffic")["edges"]
        if (edge["source"], edge["destination"]) == ("shop", "stock")
    )
    assert seen["errors"] <= 2, "the caller sees next to none of the failures"
    assert seen["tries_failed"] >= 4
    assert seen["tries"] >= seen["requests"] + 4
    assert (seen["mutual"], seen["plain"]) == (seen["tries"], 0)
    change(shop, "latency-fix.yaml")
    assert load(shop, "/stock", 12, 4)[1] < 1.5
