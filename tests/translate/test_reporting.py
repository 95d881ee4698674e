"""What a proxy tells of traffic, by Telemetry on three levels and the mesh's settings, as Istio reads them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lateen.base.problem import Problem
from lateen.envoy.listeners_in import emit_inbound
from lateen.envoy.watch import Reporter
from lateen.ir.backends import BackendId
from lateen.ir.plan import Inbound, Mtls
from lateen.ir.telemetry import (
    USUAL,
    AccessLog,
    FileLog,
    OfHeader,
    OtlpCollector,
    OtlpLog,
    Reports,
    Same,
    Telemetry,
    Tracing,
    ZipkinCollector,
)
from lateen.translate.plan import plan_for, proxies
from lateen.world.build import world_of
from tests.envoy import plans
from tests.translate.cases import objects_in

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: u1, labels: {app: web}}
spec: {containers: [{name: app, image: web}]}
status: {podIP: 198.18.0.5, phase: Running}
---
apiVersion: v1
kind: Service
metadata: {name: otel, namespace: obs}
spec: {clusterIP: 198.19.0.9, selector: {app: otel}, ports: [{name: grpc-otlp, port: 4317}, {name: http-zipkin, port: 9411}]}
"""
PROVIDERS = """
extensionProviders:
- {name: otel, opentelemetry: {service: otel.obs.svc.cluster.local, port: 4317, maxTagLength: 99}}
- {name: zip, zipkin: {service: otel.obs.svc.cluster.local, port: 9411}}
- {name: file, envoyFileAccessLog: {path: /dev/stderr, logFormat: {text: 'X %PROTOCOL%'}}}
- {name: als, envoyOtelAls: {service: otel.obs.svc.cluster.local, port: 4317, logName: mine}}
- {name: gone, opentelemetry: {service: none.obs.svc.cluster.local, port: 4317}}
"""


def reporter(made: Telemetry) -> Reporter:
    return Reporter(proxy=plans.SIDECAR, telemetry=made)


def telemetry(spec: str, namespace: str = "shop", name: str = "t") -> str:
    head = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\n"
    return f"---\n{head}metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"


def told(*telemetries: str, mesh: str = PROVIDERS) -> tuple[Telemetry, tuple[Problem, ...]]:
    settings = "".join(f"    {line}\n" for line in mesh.strip().splitlines())
    config = (
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
    )
    text = f"{POD}{config}data:\n  mesh: |\n{settings}{''.join(telemetries)}"
    world = world_of(list(objects_in(text)))
    proxy = next(p for p in proxies(world) if p.pod == "web-1")
    plan, problems = plan_for(world, proxy)
    assert {b.id for b in plan.backends} >= plan.telemetry.backends
    origin = AccessLog().origin
    sides = [
        replace(
            side,
            logs=tuple(replace(log, origin=origin) for log in side.logs),
            tracing=side.tracing and replace(side.tracing, origin=origin),
        )
        for side in (plan.telemetry.client, plan.telemetry.server)
    ]
    return replace(plan.telemetry, client=sides[0], server=sides[1]), problems


def both(reports: Reports) -> Telemetry:
    return Telemetry(client=reports, server=reports)


OTEL = BackendId(host="otel.obs.svc.cluster.local", port=4317)


def test_without_a_word_all_is_traced_and_written_down() -> None:
    assert told()[0] == USUAL


def test_the_closest_says_the_share_and_what_it_leaves_open_holds_from_further_away() -> None:
    made, problems = told(
        telemetry(
            "{tracing: [{randomSamplingPercentage: 10, customTags: {a: {literal: {value: b}}}}]}",
            "istio-system",
        ),
        telemetry("{tracing: [{randomSamplingPercentage: 0}]}"),
        telemetry(
            "{selector: {matchLabels: {app: web}}, tracing: [{providers: [{name: otel}]}]}",
            name="own",
        ),
        telemetry(
            "{selector: {matchLabels: {app: other}}, tracing: [{randomSamplingPercentage: 5}]}",
            name="x",
        ),
    )
    collector = OtlpCollector(backend=OTEL)
    tracing = Tracing(collector=collector, percent=0, tags=(("a", Same("b")),), path_length=99)
    assert made == both(Reports(tracing=tracing))
    assert problems == ()


def test_a_side_may_be_told_otherwise() -> None:
    spec = "{tracing: [{match: {mode: CLIENT}, disableSpanReporting: true}], accessLogging: [{match: {mode: SERVER}, disabled: true}]}"
    made, _ = told(telemetry(spec))
    assert made.client == Reports(tracing=Tracing(reported=False))
    assert made.server == Reports(logs=())


def test_logs_go_where_the_providers_say() -> None:
    spec = "{accessLogging: [{providers: [{name: file}, {name: als}], filter: {expression: response.code >= 400}}]}"
    made, _ = told(telemetry(spec))
    only = "response.code >= 400"
    file = FileLog(path="/dev/stderr", text="X %PROTOCOL%")
    assert made.client.logs == (
        AccessLog(to=file, only=only),
        AccessLog(to=OtlpLog(backend=OTEL, name="mine"), only=only),
    )


def test_a_closer_one_switches_off_and_on() -> None:
    off = telemetry("{accessLogging: [{disabled: true}]}", "istio-system")
    assert told(off)[0].client.logs == ()
    on = telemetry("{accessLogging: [{providers: [{name: envoy}], disabled: false}]}")
    assert told(off, on)[0].client.logs == (AccessLog(),)


def test_the_mesh_settings_hold_where_no_telemetry_speaks() -> None:
    mesh = 'accessLogEncoding: JSON\\naccessLogFormat: \'{"a": "%PROTOCOL%"}\'\\nenableTracing: false\\n'
    made, _ = told(mesh=mesh.replace("\\n", "\n"))
    assert made == both(
        Reports(
            logs=(AccessLog(to=FileLog(json=True, fields=(("a", "%PROTOCOL%"),))),), tracing=None
        )
    )
    assert told(mesh='accessLogFile: ""')[0].client.logs == ()
    sampled = """defaultConfig:
  tracing:
    sampling: 25
    zipkin: {address: "otel.obs:9411"}
    customTags: {who: {header: {name: X-Who, defaultValue: nobody}}}"""
    zipkin = ZipkinCollector(backend=BackendId(host=OTEL.host, port=9411))
    tags = (("who", OfHeader(name="x-who", otherwise="nobody")),)
    expected = Tracing(collector=zipkin, percent=25, tags=tags)
    assert told(mesh=sampled)[0].client.tracing == expected


def test_default_providers_are_used() -> None:
    mesh = f"{PROVIDERS}defaultProviders: {{tracing: [zip], accessLogging: [file]}}"
    made, _ = told(mesh=mesh)
    assert isinstance(made.client.tracing and made.client.tracing.collector, ZipkinCollector)
    assert made.client.logs == (AccessLog(to=FileLog(path="/dev/stderr", text="X %PROTOCOL%")),)


def test_a_collector_that_is_not_there_is_named_and_spans_are_kept() -> None:
    made, problems = told(
        telemetry(
            "{tracing: [{providers: [{name: gone}]}], accessLogging: [{providers: [{name: nope}]}]}"
        )
    )
    assert made == both(Reports(logs=()))
    assert sorted({(p.code, p.origin.field) for p in problems}) == [
        ("LAT0111", "spec.accessLogging[0]"),
        ("LAT0111", "spec.tracing[0].providers[0]"),
    ]


@pytest.mark.parametrize(
    ("client", "server", "fits"),
    [
        (Tracing(), Tracing(), True),
        (Tracing(), None, True),
        (Tracing(percent=100), Tracing(), False),
        (Tracing(), Tracing(collector=ZipkinCollector(backend=BackendId(host="z", port=1))), False),
    ],
)
def test_traces_may_be_fewer_where_nobody_says_how_many(
    client: Tracing | None, server: Tracing | None, fits: bool
) -> None:
    told = Telemetry(client=Reports(tracing=client), server=Reports(tracing=server))
    assert told.traced_as_fits is fits


def test_a_pods_own_settings_of_traces_come_before_the_meshs() -> None:
    mesh = f"{PROVIDERS}defaultConfig: {{tracing: {{sampling: 10}}}}\n"
    assert told(mesh=mesh)[0] == both(Reports(tracing=Tracing(percent=10.0)))
    config = (
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
    )
    own = POD.replace(
        "labels: {app: web}}",
        "labels: {app: web}, annotations: {proxy.istio.io/config: '{tracing: {sampling: 70}}'}}",
    )
    world = world_of(
        objects_in(f"{own}{config}data: {{mesh: 'defaultConfig: {{tracing: {{sampling: 10}}}}'}}\n")
    )
    made = plan_for(world, proxies(world)[0])[0].telemetry
    assert made.client.tracing == Tracing(percent=70.0)


def test_connections_that_nothing_takes_are_logged_unless_it_is_said_not_to() -> None:
    for said, unmet in (("", True), ("disableEnvoyListenerLog: true\n", False)):
        made, problems = told(mesh=f"{PROVIDERS}{said}")
        assert (made.unmet, problems) == (unmet, ())
        log = emit_inbound(Inbound(ports=(), otherwise=Mtls.STRICT), reporter(made)).access_log
        assert bool(log) is unmet
