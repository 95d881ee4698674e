"""A real Envoy goes on with traces in W3C's and B3's forms, tells apps in both, and writes requests down as asked."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lateen.envoy import names
from lateen.envoy.filters.kind import HttpSite, Side
from lateen.envoy.http import http_manager
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.opentelemetry.proto.trace.v1.trace_pb2 import Span
from lateen.envoy.watch import Reporter, watch_of
from lateen.envoy.wire import made_by
from lateen.ir.backends import BackendId
from lateen.ir.telemetry import (
    AccessLog,
    FileLog,
    Formatted,
    OfHeader,
    OtlpLog,
    Reports,
    Same,
    Telemetry,
    Tracing,
)
from lateen.stages.tracing import PATH
from lateen.telemetry.admin import tell_admin
from tests.envoy import apps, plans, real
from tests.envoy.collecting import Collector, collecting, texts
from tests.envoy.judging import short_folder
from tests.envoy.test_accepted import bootstrap

pytestmark = pytest.mark.e2e
COLLECTOR = BackendId(host="otel.shop.svc.cluster.local", port=4317)
TAGS = (("a", Same("b")), ("who", OfHeader(name="x-who")), ("code", Formatted("%RESPONSE_CODE%")))
SITES = {
    "usual": Reports(),
    "straight": Reports(),
    "tagged": Reports(tracing=Tracing(tags=TAGS)),
    "rare": Reports(tracing=Tracing(percent=0)),
    "all": Reports(tracing=Tracing(percent=100)),
    "silent": Reports(tracing=Tracing(reported=False)),
    "json": Reports(logs=(AccessLog(to=FileLog(json=True)),)),
    "own": Reports(logs=(AccessLog(to=FileLog(text="OWN %REQ(:PATH)%")),)),
    "errors": Reports(logs=(AccessLog(only="request.headers['x-who'] == 'ann'"),)),
    "sent": Reports(logs=(AccessLog(to=OtlpLog(backend=COLLECTOR)),)),
}
BEHIND = "behind"  # the proxy of the app; "straight" does not go through it
QUIET = Reports(logs=())
TRACE, SPAN = "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1"
SHORT = TRACE[:16]
IN_FORMS = {
    "w3c": {"traceparent": f"00-{TRACE}-{SPAN}-01"},
    "b3": {"b3": f"{TRACE}-{SPAN}-1"},
    "b3-undecided": {"b3": f"{TRACE}-{SPAN}"},
    "b3-parent": {"b3": f"{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"},
    "b3-multi": {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "1"},
    "w3c-first": {"traceparent": f"00-{TRACE}-{SPAN}-01", "b3": f"{TRACE[::-1]}-{SPAN}-1"},
}
IN_SHORT_FORMS = {
    "b3": {"b3": f"{SHORT}-{SPAN}-1"},
    "b3-parent": {"b3": f"{SHORT}-{SPAN}-1-05e3ac9a4f6e3b90"},
    "b3-multi": {"x-b3-traceid": SHORT, "x-b3-spanid": SPAN},
}
UNWANTED = {
    "w3c": {"traceparent": f"00-{TRACE}-{SPAN}-00"},
    "b3": {"b3": f"{TRACE}-{SPAN}-0"},
    "b3-multi": {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "0"},
}

ALL_FORMS = {"none": {}, **IN_FORMS, **{f"not-{form}": said for form, said in UNWANTED.items()}}


@dataclass(frozen=True)
class Site:
    """A real Envoy before an app, what it writes, and the collector it tells."""

    log: Path
    ports: dict[str, int]
    collector: Collector

    def ask(self, site: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
        """What the app saw of a request."""
        status, body = apps.get(self.ports[site], "web", path, headers)
        assert status == 200
        seen: dict[str, Any] = json.loads(body)
        return seen


def _listener(name: str, port: int, reports: Reports, to: str) -> dict[str, Any]:
    inbound = name == BEHIND
    route = pb.Route(
        match=pb.RouteMatch(prefix="/"),
        route=pb.RouteAction(cluster=to),
        metadata=made_by(plans.RULES),
    )
    host = pb.VirtualHost(name="x", domains=["*"], routes=[route])
    reporter = Reporter(proxy=plans.SIDECAR, telemetry=Telemetry(client=reports, server=reports))
    manager = http_manager(
        HttpSite(side=Side.INBOUND if inbound else Side.OUTBOUND),
        stat=name,
        table=RouteConfiguration(virtual_hosts=[host]),
        watch=watch_of(reporter, inbound=inbound),
    )
    return {
        "name": name,
        "traffic_direction": "INBOUND" if inbound else "OUTBOUND",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [real.message_json(manager)]}],
    }


def _cluster(name: str, address: dict[str, Any]) -> dict[str, Any]:
    place = {"lb_endpoints": [{"endpoint": {"address": address}}]}
    assignment = {"cluster_name": name, "endpoints": [place]}
    return {"name": name, "type": "STATIC", "load_assignment": assignment}


def _at(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        collector = stack.enter_context(collecting(folder / "otlp.sock"))
        app = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), apps.App))
        threading.Thread(target=app.serve_forever, daemon=True).start()
        stack.callback(app.shutdown)
        ports = {name: apps.free_port() for name in (*SITES, BEHIND)}
        config = json.loads(bootstrap(replace(plans.SIDECAR), folder))
        static = config["static_resources"]
        static["listeners"] = [
            _listener(name, ports[name], reports, "app" if name == "straight" else BEHIND)
            for name, reports in SITES.items()
        ]
        static["listeners"].append(_listener(BEHIND, ports[BEHIND], QUIET, "app"))
        otlp = next(each for each in static["clusters"] if each["name"] == names.OTLP)
        static["clusters"] += [
            _cluster("app", _at(app.server_port)),
            _cluster(BEHIND, _at(ports[BEHIND])),
            {**otlp, "name": names.outbound_cluster(COLLECTOR)},
        ]
        log = stack.enter_context(real.running(config, folder))
        yield Site(log, ports, collector)


def _told(seen: dict[str, Any]) -> tuple[str, str, str]:
    """Trace, span and decision as the app hears them, which must be the same in both forms."""
    version, trace, span, flag = str(seen["traceparent"]).split("-")
    assert version == "00"
    assert (seen["x-b3-traceid"], seen["x-b3-spanid"]) == (trace, span)
    assert seen["x-b3-sampled"] == flag[1]
    assert "b3" not in seen
    assert not [name for name in seen if name.startswith(("x-lateen", "x-client-trace"))]
    return trace, span, flag


def _spans(site: Site, path: str) -> tuple[Span, Span]:
    """The spans of the two proxies that a request went through."""
    client, server = (
        site.collector.span(**{"http.url": f"http://web{path}", "upstream_cluster": cluster})
        for cluster in (BEHIND, "app")
    )
    assert (server.kind, server.trace_id) == (Span.SPAN_KIND_SERVER, client.trace_id)
    assert server.parent_span_id == client.span_id
    return client, server


def test_a_request_without_a_trace_begins_one(site: Site) -> None:
    trace, span, flag = _told(site.ask("usual", "/begins", {}))
    made, inner = _spans(site, "/begins")
    assert (made.trace_id.hex(), inner.span_id.hex(), flag) == (trace, span, "01")
    assert made.parent_span_id == b""
    assert made.kind == Span.SPAN_KIND_CLIENT
    assert site.collector.resources[made.span_id]["service.name"] == "web.shop"
    said = texts(made.attributes)
    assert said["istio.canonical_service"] == "web"
    assert said["istio.namespace"] == "shop"
    assert said["node_id"] == plans.SIDECAR.id
    assert said.keys() >= {
        "guid:x-request-id",
        "response_flags",
        "upstream_cluster",
        "peer.address",
    }


@pytest.mark.parametrize("form", IN_FORMS)
def test_a_trace_goes_on(site: Site, form: str) -> None:
    trace, span, flag = _told(site.ask("usual", f"/on-{form}", IN_FORMS[form]))
    made, inner = _spans(site, f"/on-{form}")
    assert (trace, flag) == (TRACE, "01")
    assert (made.trace_id.hex(), made.parent_span_id.hex()) == (TRACE, SPAN)
    assert inner.span_id.hex() == span


@pytest.mark.parametrize("form", IN_SHORT_FORMS)
def test_a_trace_with_a_short_id_goes_on(site: Site, form: str) -> None:
    trace, *_ = _told(site.ask("rare", f"/short-{form}", IN_SHORT_FORMS[form]))
    made, _ = _spans(site, f"/short-{form}")
    assert made.trace_id.hex() == trace == "0" * 16 + SHORT
    assert made.parent_span_id.hex() == SPAN


@pytest.mark.parametrize("form", UNWANTED)
def test_what_the_caller_does_not_trace_is_not_traced(site: Site, form: str) -> None:
    trace, _, flag = _told(site.ask("usual", f"/not-{form}", UNWANTED[form]))
    assert (trace, flag) == (TRACE, "00")


def test_a_proxy_that_is_told_to_begins_fewer_traces_and_all_again(site: Site) -> None:
    admin = site.log.parent / "admin.sock"
    asyncio.run(tell_admin(admin, f"{PATH}0"))
    assert _told(site.ask("usual", "/fewer", {}))[2] == "00"
    assert _told(site.ask("usual", "/fewer-on", IN_FORMS["w3c"]))[2] == "01"
    asyncio.run(tell_admin(admin, PATH))
    assert _told(site.ask("usual", "/all", {}))[2] == "01"


def test_spans_tell_whether_they_may_be_fewer(site: Site) -> None:
    for name in ("usual", "all"):
        site.ask(name, f"/whose-{name}", IN_FORMS["w3c"])
    usual, all_ = (
        site.collector.resources[_spans(site, f"/whose-{name}")[0].span_id]
        for name in ("usual", "all")
    )
    assert usual[names.SAMPLING] == names.AS_FITS
    assert names.SAMPLING not in all_


@pytest.mark.parametrize("form", IN_FORMS)
def test_a_share_of_none_goes_on_with_a_trace_that_is_wanted(site: Site, form: str) -> None:
    assert _told(site.ask("rare", f"/rare-{form}", IN_FORMS[form]))[::2] == (TRACE, "01")
    _spans(site, f"/rare-{form}")


@pytest.mark.parametrize("form", [*ALL_FORMS])
def test_without_a_proxy_an_app_hears_the_ids_and_what_the_caller_said(
    site: Site, form: str
) -> None:
    sent = ALL_FORMS[form]
    seen = site.ask("straight", f"/straight-{form}", sent)
    _, trace, span, flag = str(seen["traceparent"]).split("-")
    assert (seen["x-b3-traceid"], seen["x-b3-spanid"]) == (trace, span)
    assert flag == ("00" if form.startswith("not-") else "01")
    said = ("b3", "x-b3-sampled")
    assert {k: seen[k] for k in said if k in seen} == {k: sent[k] for k in said if k in sent}
    assert not [name for name in seen if name.startswith(("x-lateen", "x-client-trace"))]


def test_a_share_of_none_begins_no_trace(site: Site) -> None:
    assert _told(site.ask("rare", "/rare", {}))[2] == "00"


def test_nothing_is_told_where_reporting_is_off(site: Site) -> None:
    site.ask("silent", "/silent", IN_FORMS["w3c"])
    site.ask("usual", "/after-silent", {})
    site.collector.span(**{"http.url": "http://web/after-silent"})
    urls = {texts(span.attributes)["http.url"] for span in site.collector.spans}
    assert urls.isdisjoint({"http://web/silent", "http://web/rare"})
    assert urls.isdisjoint(f"http://web/not-{form}" for form in UNWANTED)


def test_tags_are_added(site: Site) -> None:
    site.ask("tagged", "/tagged", {"x-who": "ann"})
    said = texts(_spans(site, "/tagged")[0].attributes)
    assert {"a": "b", "who": "ann", "code": "200"}.items() <= said.items()


def test_a_line_names_the_trace_and_the_object_that_made_the_route(site: Site) -> None:
    site.ask("usual", "/line", IN_FORMS["w3c"])
    line = real.line_in(site.log, "/line ")
    assert f' {TRACE} {{"origin":"{plans.RULES.key} spec.http[0]"}}' in line


def test_a_log_in_json_has_istios_fields(site: Site) -> None:
    site.ask("json", "/json", IN_FORMS["w3c"])
    said = json.loads(real.line_in(site.log, '"/json"'))
    assert (said["method"], said["response_code"], said["authority"]) == ("GET", 200, "web")
    assert said["trace_id"] == TRACE
    assert said["route"]["origin"].endswith("spec.http[0]")
    assert {"upstream_cluster", "requested_server_name", "upstream_service_time"} <= said.keys()


def test_a_format_of_ones_own_is_kept_to(site: Site) -> None:
    site.ask("own", "/own", {})
    assert real.line_in(site.log, "/own") == "OWN /own"


def test_only_what_the_expression_holds_for_is_written(site: Site) -> None:
    site.ask("errors", "/unseen", {})
    site.ask("errors", "/seen", {"x-who": "ann"})
    real.line_in(site.log, "/seen ")
    assert "/unseen" not in site.log.read_text()


def test_records_are_sent_to_a_collector(site: Site) -> None:
    site.ask("sent", "/sent", IN_FORMS["w3c"])
    with site.collector.news:
        assert site.collector.news.wait_for(lambda: bool(site.collector.records), 10)
    said = texts(site.collector.records[0].attributes)
    assert (said["path"], said["response_code"], said["trace_id"]) == ("/sent", "200", TRACE)
