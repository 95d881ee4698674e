"""A config_dump is followed as it is: lateen's own, and one with Istio's names and filters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lateen.base.errors import LateenError
from lateen.envoy.dump import config_dump
from lateen.envoy.emit import emit
from lateen.explain.dumps import Dump, endpoints_of, read_dump
from lateen.explain.request import Denied, Forwarded, Lost, Request, Way
from lateen.explain.steps import Part, Step, trail_of
from lateen.explain.walk_envoy import walk_envoy, way_through_envoy
from tests.envoy import plans

ISTIO = Path(__file__).parent / "dumps" / "istio-productpage.json"
REVIEWS = "outbound|9080|{}|reviews.default.svc.cluster.local"


def tree() -> Any:
    return json.loads(ISTIO.read_text("utf-8"))


@pytest.fixture(scope="module")
def istio() -> Dump:
    return read_dump(tree())


def ask(path: str = "/", **more: Any) -> Request:
    given: dict[str, Any] = {"way": Way.OUTBOUND, "port": 9080, "authority": "reviews:9080"} | more
    return Request(path=path, **given)


def forwarded(dump: Dump, request: Request) -> Forwarded:
    outcome = walk_envoy(dump.resources, request)
    assert isinstance(outcome, Forwarded), outcome
    return outcome


def test_what_lateen_sends_comes_through_a_dump_unchanged() -> None:
    for plan in (plans.sidecar_plan(), plans.gateway_plan()):
        resources = emit(plan)
        again = read_dump(config_dump(resources)).resources
        for kind in again:
            if "Secret" not in kind:
                assert again[kind].keys() == resources[kind].keys()
        way = Way.GATEWAY if plan.gateway else Way.OUTBOUND
        for path in ("/exact", "/old/x", "/teapot", "/"):
            request = Request(way=way, port=80, authority="reviews", path=path)
            assert walk_envoy(again, request) == walk_envoy(resources, request)


def test_istios_routes_are_followed(istio: Dump) -> None:
    jason = forwarded(istio, ask(headers=(("end-user", "jason"),)))
    assert jason.shares == ((REVIEWS.format("v2"), 100),)
    assert jason.delays == (100.0, 7.0)
    assert jason.origin == "VirtualService default/reviews"
    separated = forwarded(istio, ask("/v2/x"))
    assert separated.shares == ((REVIEWS.format("v3"), 100),)
    assert forwarded(istio, ask("/v2x")).shares[0] == (REVIEWS.format("v1"), 80)
    assert endpoints_of(istio, REVIEWS.format("v1")) == ("10.244.0.11:9080",)
    assert not istio.unread
    assert not istio.gateway


def test_istios_filters_are_named_as_not_modelled(istio: Dump) -> None:
    steps, _ = trail_of(way_through_envoy(istio.resources, ask()))
    unknown = {step.name: step.why for step in steps if step.part is Part.FILTER}
    assert unknown["istio.stats"] == "not modelled: stats.PluginConfig"
    assert "istio.alpn" in unknown
    assert "envoy.filters.http.router" not in unknown
    inbound = ask("/", way=Way.INBOUND, peer="spiffe://cluster.local/ns/default/sa/x")
    steps, outcome = trail_of(way_through_envoy(istio.resources, inbound))
    assert {"istio.metadata_exchange", "istio.stats"} <= {s.name for s in steps}
    assert isinstance(outcome, Forwarded)


def test_istios_policies_are_judged(istio: Dump) -> None:
    inbound = ask("/admin", way=Way.INBOUND, peer="spiffe://cluster.local/ns/default/sa/x")
    assert walk_envoy(istio.resources, inbound) == Denied(
        rule="ns[default]-policy[no-admin]-rule[0]"
    )


def test_tcp_of_istio_is_followed(istio: Dump) -> None:
    request = Request(way=Way.OUTBOUND, port=443, address="10.96.0.1", raw=True)
    assert forwarded(istio, request).shares[0][0].startswith("outbound|443||kubernetes")


def test_camel_case_is_read_as_well() -> None:
    def camel(value: Any) -> Any:
        if isinstance(value, list):
            return [camel(each) for each in value]
        if not isinstance(value, dict):
            return value
        kept = ("typed_per_filter_config", "policies", "filter_metadata")
        return {
            _camel(key): {k: camel(v) for k, v in each.items()} if key in kept else camel(each)
            for key, each in value.items()
        }

    dump = read_dump(camel(tree()))
    assert forwarded(dump, ask("/v2/x")).shares == ((REVIEWS.format("v3"), 100),)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def test_what_decides_and_is_not_known_is_said() -> None:
    odd = tree()
    table = next(c for c in odd["configs"] if "RoutesConfigDump" in c["@type"])
    hosts = table["dynamic_route_configs"][0]["route_config"]["virtual_hosts"]
    hosts[1]["routes"][0]["match"] = {"connect_matcher": {}}
    outcome = walk_envoy(read_dump(odd).resources, ask())
    assert isinstance(outcome, Lost)
    assert outcome.why == "not modelled: a RouteMatch with connect_matcher"


def test_a_part_of_another_form_is_told_of_and_the_rest_read() -> None:
    odd = tree()
    clusters = next(c for c in odd["configs"] if "ClustersConfigDump" in c["@type"])
    clusters["dynamic_active_clusters"][0]["cluster"]["filters"] = 5
    dump = read_dump(odd)
    assert dump.unread[0].startswith("CDS outbound|9080|v1|reviews")
    assert forwarded(dump, ask("/v2/x"))


@pytest.mark.parametrize("junk", [None, [], {}, {"configs": 1}, "x"])
def test_what_is_no_dump_is_refused(junk: object) -> None:
    with pytest.raises(LateenError, match="no config_dump"):
        read_dump(junk)


def test_a_step_is_plain_data(istio: Dump) -> None:
    steps, _ = trail_of(way_through_envoy(istio.resources, ask()))
    assert all(isinstance(step, Step) and isinstance(step.why, str) for step in steps)
