"""Proxies, apps and the platform are scraped in rounds; who is gone takes its series along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lateen.base import layout
from lateen.base.clock import FakeClock
from lateen.base.errors import Unreachable
from lateen.stages.resolving import slot_of
from lateen.stages.scraping import COUNTERS_PAGE, Scraping
from lateen.telemetry.history.store import History
from lateen.telemetry.objectstates import Objects
from lateen.telemetry.podpages import ISTIO_PAGE
from lateen.telemetry.promql.answering import instant_json
from lateen.telemetry.promql.evaluating import evaluate

pytestmark = pytest.mark.anyio

ISTIO = """# TYPE envoy_istio_requests_total counter
envoy_istio_requests_total{reporter="source",response_code="200",destination_workload="-"} %d
# TYPE envoy_server_live gauge
envoy_server_live{} 1
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pod(name: str, address: str, **notes: str) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "annotations": notes}
    return {"metadata": meta, "status": {"podIP": address, "phase": "Running"}, "spec": {}}


@dataclass
class World:
    """Pods with sockets that are only files, and what stands on each page."""

    run: Path
    history: History
    clock: FakeClock = field(default_factory=FakeClock)
    pods: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    pages: dict[tuple[str, str], str] = field(default_factory=dict)  # by socket's name and path

    def add(self, made: dict[str, Any]) -> None:
        name = made["metadata"]["name"]
        self.pods["shop", name] = made
        slot = slot_of(f"uid-{name}")
        for path in (
            layout.admin_socket(self.run, slot),
            layout.app_metrics_socket(self.run, slot),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        self.pages[str(layout.admin_socket(self.run, slot)), ISTIO_PAGE] = ISTIO % 1
        self.pages[str(layout.admin_socket(self.run, slot)), COUNTERS_PAGE] = ""

    def set(self, name: str, page: str | None) -> None:
        key = str(layout.admin_socket(self.run, slot_of(f"uid-{name}"))), ISTIO_PAGE
        if page is None:
            del self.pages[key]
        else:
            self.pages[key] = page

    async def ask(self, socket: Path, path: str) -> str:
        try:
            return self.pages[str(socket), path]
        except KeyError:
            raise Unreachable(f"{socket}: no answer") from None

    def scraping(self) -> Scraping:
        return Scraping(
            run=self.run,
            api=self.run / "api.sock",
            history=self.history,
            clock=self.clock,
            peer_of=lambda _: {},
            pods=lambda: self.pods,
            objects=lambda: Objects(pods=self.pods.values()),
            ask=self.ask,
        )

    def value(self, text: str) -> list[tuple[dict[str, str], str]]:
        at = round(self.clock.now().timestamp() * 1000)
        result = instant_json(evaluate(self.history, text, at), at)["result"]
        return [(row["metric"], row["value"][1]) for row in result]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    history = History(tmp_path / "m.db")
    yield World(run=tmp_path, history=history)
    history.close()


async def test_a_proxys_figures_have_istios_names_and_its_pods_labels(world: World) -> None:
    world.add(pod("web", "10.0.0.1"))
    await world.scraping().scrape()
    ((labels, value),) = world.value("istio_requests_total")
    assert value == "1"
    assert (
        labels.items()
        >= {
            "connection_security_policy": "unknown",
            "destination_workload": "unknown",
            "destination_service_name": "unknown",
            "instance": "10.0.0.1:15090",
            "job": "istio-mesh",
            "namespace": "shop",
            "pod": "web",
            "reporter": "source",
            "response_code": "200",
        }.items()
    )
    assert world.value("envoy_server_live") == []
    assert [v for _, v in world.value('up{job="istio-mesh"}')] == ["1"]
    assert [v for _, v in world.value('kube_pod_status_phase{phase="Running"}')] == ["1"]


async def test_a_proxy_that_does_not_answer_is_down_and_its_series_end(world: World) -> None:
    world.add(pod("web", "10.0.0.1"))
    scraping = world.scraping()
    await scraping.scrape()
    world.set("web", None)
    await world.clock.advance(5)
    await scraping.scrape()
    assert world.value("istio_requests_total") == []
    assert [v for _, v in world.value('up{job="istio-mesh"}')] == ["0"]
    ((target, health),) = [p for p in scraping.targets() if p[0].job == "istio-mesh"]
    assert (target.instance, "no answer" in health.fault) == ("10.0.0.1:15090", True)


async def test_a_pod_that_is_gone_is_no_target_and_has_no_series(world: World) -> None:
    world.add(pod("web", "10.0.0.1"))
    world.add(pod("api", "10.0.0.2"))
    scraping = world.scraping()
    await scraping.scrape()
    del world.pods["shop", "web"]
    await world.clock.advance(5)
    await scraping.scrape()
    assert [labels["pod"] for labels, _ in world.value("istio_requests_total")] == ["api"]
    assert [labels["pod"] for labels, _ in world.value('up{job="istio-mesh"}')] == ["api"]


async def test_an_app_that_says_so_is_scraped_where_it_says(world: World) -> None:
    notes = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8000",
        "prometheus.io/path": "/m",
    }
    world.add(pod("web", "10.0.0.1", **notes))
    socket = layout.app_metrics_socket(world.run, slot_of("uid-web"))
    world.pages[str(socket), "/m"] = '# TYPE orders counter\norders{kind="a"} 5\n'
    scraping = world.scraping()
    await scraping.scrape()
    ((labels, value),) = world.value("orders")
    assert (value, labels["job"], labels["instance"], labels["kind"], labels["pod"]) == (
        "5",
        "kubernetes-pods",
        "10.0.0.1:8000",
        "a",
        "web",
    )
    assert scraping.meta.known["orders"] == ("counter", "")
