"""One pod's page: Istio's metrics under their names, Envoy's own, and the app's beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from lateen.base.errors import Unreachable
from lateen.envoy.names import FIGURES_OF
from lateen.telemetry.discovery import discovered
from lateen.telemetry.podpages import PodPages, PodSockets

pytestmark = pytest.mark.anyio
ENVOY = """# TYPE envoy_istio_requests_total counter
envoy_istio_requests_total{reporter="source",response_code="200"} 3
# TYPE envoy_server_live gauge
envoy_server_live{} 1
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def ask(socket: Path, path: str) -> str:
    if socket.name == "app.sock":
        return "orders 5"
    if socket.name == "gone.sock":
        raise Unreachable("gone.sock: no answer")
    return ENVOY


def sockets(namespace: str, pod: str) -> PodSockets | None:
    if (namespace, pod) == ("shop", "down"):
        return PodSockets(admin=Path("gone.sock"), app=Path("app.sock"))
    if (namespace, pod) != ("shop", "web"):
        return None
    return PodSockets(admin=Path("admin.sock"), app=Path("app.sock"), app_path="/metrics")


@pytest.mark.parametrize(
    ("path", "who", "there", "absent"),
    [
        ("/own", "shop/web", ("istio_requests_total{", "envoy_server_live"), ("orders",)),
        ("/merged", "shop/web", ("istio_requests_total{", "istio_build{", "\norders 5\n"), ()),
        ("/prometheus/pods/shop/web/app", "", ("orders 5\n",), ("istio",)),
        ("/prometheus/pods/shop/web/stats", "", ("istio_requests_total{",), ("orders",)),
    ],
)
async def test_pages(path: str, who: str, there: tuple[str, ...], absent: tuple[str, ...]) -> None:
    pages = PodPages(sockets, lambda _: {}, ask)
    app = web.Application()
    app.router.add_routes([*pages.routes(), *pages.pods_routes()])
    async with (
        TestClient(TestServer(app)) as client,
        client.get(path, headers={FIGURES_OF: who} if who else {}) as answer,
    ):
        text = await answer.text()
    assert answer.status == 200
    assert all(words in text for words in there)
    assert not any(words in text for words in absent)
    assert "envoy_istio" not in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/prometheus/pods/shop/none/stats", 404),
        ("/prometheus/pods/shop/down/stats", 502),
        ("/own", 404),
    ],
)
async def test_a_pod_that_is_not_there_or_does_not_answer(path: str, status: int) -> None:
    pages = PodPages(sockets, lambda _: {}, ask)
    app = web.Application()
    app.router.add_routes([*pages.routes(), *pages.pods_routes()])
    async with TestClient(TestServer(app)) as client, client.get(path) as answer:
        assert answer.status == status


def test_discovery_names_proxies_and_apps_with_kubernetes_labels() -> None:
    meta: dict[str, Any] = {
        "namespace": "shop",
        "name": "web-1",
        "labels": {"app.kubernetes.io/name": "web"},
        "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8000"},
    }
    pods: list[dict[str, Any]] = [
        {"metadata": meta, "status": {"podIP": "10.0.0.1"}},
        {"metadata": {"namespace": "shop", "name": "quiet"}, "status": {"podIP": "10.0.0.2"}},
    ]
    mesh = discovered("istio-mesh", pods, "127.0.0.1:9")
    (app,) = discovered("kubernetes-pods", pods, "127.0.0.1:9")
    assert [one["labels"]["instance"] for one in mesh] == ["10.0.0.1:15090", "10.0.0.2:15090"]
    assert app["targets"] == ["127.0.0.1:9"]
    labels = app["labels"]
    assert labels["__metrics_path__"] == "/prometheus/pods/shop/web-1/app"
    assert labels["__meta_kubernetes_pod_label_app_kubernetes_io_name"] == "web"
    assert labels["__meta_kubernetes_pod_annotation_prometheus_io_scrape"] == "true"
