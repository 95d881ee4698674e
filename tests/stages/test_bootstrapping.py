"""Each pod's proxy is told once how to start, with a token of its own."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.stages.shop import RUN, SHOP, Round, names, pod

from lateen.base import layout
from lateen.node.protocol import ProxyRun
from lateen.stages.bootstrapping import PLANNED_SOON, Bootstraps
from lateen.stages.resolving import slot_of


class Minted:
    """Tokens, counted."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, node: str) -> str:
        self.count += 1
        return f"token {self.count} of {node}"


def test_a_bootstrap_is_made_once_for_each_pod_with_a_token_of_its_own() -> None:
    planned, mint = Round().step(), Minted()
    bootstraps = Bootstraps(run_dir=RUN, mint=mint)
    first = bootstraps.proxy_run(pod("web-0"), planned)
    assert isinstance(first, ProxyRun)
    assert first.intercept
    assert f"Bearer token 1 of {names(planned)['web-0']}" in first.bootstrap
    assert str(layout.exit_socket(RUN, slot_of("web-0"))) in first.bootstrap
    assert bootstraps.proxy_run(pod("web-0"), planned) is first
    edge = bootstraps.proxy_run(pod("edge-0"), planned)
    assert isinstance(edge, ProxyRun)
    assert not edge.intercept, "nothing is redirected in a gateway's pod"
    assert mint.count == 2


def test_a_pod_waits_until_its_proxy_is_planned_and_one_without_has_none() -> None:
    bootstraps = Bootstraps(run_dir=RUN, mint=Minted())
    assert bootstraps.proxy_run(pod("web-0"), None) is PLANNED_SOON
    without = Round().step(SHOP.replace("web-0: {ip: 198.18.0.20", "web-1: {ip: 198.18.0.20"))
    assert bootstraps.proxy_run(pod("web-0"), without) is PLANNED_SOON
    assert bootstraps.proxy_run(pod("plain-0"), without) is None


SETTINGS = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "defaultConfig: {concurrency: 4, proxyMetadata: {A: mesh, B: mesh}, drainDuration: 10s, terminationDrainDuration: 7s, runtimeValues: {a.b: x}}"}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: all, namespace: shop}
spec: {environmentVariables: {B: namespace, ISTIO_META_TEAM: red}}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, concurrency: 2}
"""


def test_a_proxy_is_started_as_the_closest_settings_say_field_by_field() -> None:
    bootstraps = Bootstraps(run_dir=RUN, mint=Minted())
    run = bootstraps.proxy_run(pod("web-0"), Round().step(SHOP + SETTINGS))
    assert isinstance(run, ProxyRun)
    assert run.concurrency == 2
    assert dict(run.env) == {"A": "mesh", "B": "namespace", "ISTIO_META_TEAM": "red"}
    assert (run.drain_seconds, run.last_seconds) == (10, 7.0)
    assert json.loads(run.bootstrap)["node"]["metadata"]["TEAM"] == "red"
    last = json.loads(run.bootstrap)["layered_runtime"]["layers"][-1]
    assert last["static_layer"] == {"a.b": "x"}


@pytest.mark.parametrize(
    ("mesh", "annotation", "page"),
    [
        ("", "", "/merged"),
        ("enablePrometheusMerge: false", "", "/own"),
        ("enablePrometheusMerge: false", "true", "/merged"),
        ("", "false", "/own"),
    ],
)
def test_port_15020_has_the_apps_figures_unless_it_is_said_not_to(
    mesh: str, annotation: str, page: str
) -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
    web = pod("web-0")
    if annotation:
        said = {"prometheus.istio.io/merge-metrics": annotation}
        meta = msgspec.structs.replace(web.meta, annotations=said)
        web = msgspec.structs.replace(web, typed=msgspec.structs.replace(web.typed, metadata=meta))
    world = Round().step(f"{SHOP}---\n{config}data: {{mesh: '{mesh}'}}\n")
    run = Bootstraps(run_dir=RUN, mint=Minted()).proxy_run(web, world)
    assert isinstance(run, ProxyRun)
    listeners = json.loads(run.bootstrap)["static_resources"]["listeners"]
    (merged,) = (each for each in listeners if each["name"] == "merged-stats")
    assert f'"prefix_rewrite": "{page}"' in json.dumps(merged)


def test_what_a_gone_pod_had_is_forgotten() -> None:
    round_, mint = Round(), Minted()
    bootstraps = Bootstraps(run_dir=RUN, mint=mint)
    planned = round_.step()
    bootstraps.proxy_run(pod("web-0"), planned)
    bootstraps.keep_only(planned.world)
    bootstraps.proxy_run(pod("web-0"), planned)
    assert mint.count == 1
    bootstraps.keep_only(round_.step(SHOP.replace("web-0:", "web-1:")).world)
    bootstraps.proxy_run(pod("web-0"), planned)
    assert mint.count == 2


def test_a_proxy_that_is_said_to_be_elsewhere_is_not_started_anew() -> None:
    round_, mint = Round(), Minted()
    bootstraps = Bootstraps(run_dir=RUN, mint=mint)
    pod_0 = "web-0: {ip: 198.18.0.20, labels: {app: web"
    there = SHOP.replace(pod_0, f"{pod_0}, istio-locality: eu.ZONE")
    first = bootstraps.proxy_run(pod("web-0"), round_.step(there.replace("ZONE", "a")))
    assert isinstance(first, ProxyRun)
    assert '"zone": "a"' in first.bootstrap
    assert bootstraps.proxy_run(pod("web-0"), round_.step(there.replace("ZONE", "b"))) is first
