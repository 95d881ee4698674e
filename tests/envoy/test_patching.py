"""Patches in Envoy's own words: each operation on each kind of thing, as pilot does it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lateen.api.envoywords import TYPES, read_words, words_of
from lateen.base.origin import BUILT_IN
from lateen.envoy.patching_bootstrap import patched_bootstrap
from lateen.envoy.patching_listeners import patch_listener
from lateen.envoy.patching_routes import patch_routes
from lateen.envoy.patchwork import merge, merge_around_socket
from lateen.ir.patches import Context, Operation, Patch, Spot

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def patch(apply_to: str, operation: str, value: Any = None, **spot: Any) -> Patch:
    return Patch(
        apply_to=apply_to,
        operation=Operation(operation),
        context=Context.ANY,
        spot=Spot(**spot),
        value="" if value is None else json.dumps(value),
        origin=BUILT_IN,
    )


def named(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def listener() -> Any:
    proxy = {"name": "tcp", "typed_config": {"@type": _TCP, "stat_prefix": "old", "cluster": "a"}}
    chains = [
        {"name": "one", "filters": named("first", "second")},
        {"name": "two", "filter_chain_match": {"server_names": ["b.c"]}, "filters": [proxy]},
    ]
    place = {"socket_address": {"address": "0.0.0.0", "port_value": 80}}
    tree = {
        "name": "0.0.0.0_80",
        "address": place,
        "listener_filters": named("look", "listen"),
        "filter_chains": chains,
    }
    return read_words(TYPES["LISTENER"], tree)


def names_in(items: Any) -> list[str]:
    return [each.name for each in items]


@pytest.mark.parametrize(
    ("operation", "filter_", "found"),
    [
        ("ADD", "", ["first", "second", "new"]),
        ("INSERT_FIRST", "second", ["new", "first", "second"]),
        ("INSERT_BEFORE", "second", ["first", "new", "second"]),
        ("INSERT_BEFORE", "", ["new", "first", "second"]),
        ("INSERT_BEFORE", "other", ["first", "second"]),
        ("INSERT_AFTER", "first", ["first", "new", "second"]),
        ("INSERT_AFTER", "", ["first", "second", "new"]),
        ("REPLACE", "first", ["new", "second"]),
        ("REPLACE", "", ["first", "second"]),
        ("REMOVE", "first", ["second"]),
        ("REMOVE", "", ["first", "second"]),
    ],
)
def test_network_filters_are_put_where_they_are_to_be(
    operation: str, filter_: str, found: list[str]
) -> None:
    made = listener()
    change = patch("NETWORK_FILTER", operation, {"name": "new"}, chain="one", filter=filter_)
    stays, taken = patch_listener(made, (change,), gateway=False)
    assert stays
    assert names_in(made.filter_chains[0].filters) == found
    assert names_in(made.filter_chains[1].filters) == ["tcp"]
    assert bool(taken) == (found != ["first", "second"])


def test_listener_filters_are_put_and_taken_by_name() -> None:
    made = listener()
    changes = (
        patch("LISTENER_FILTER", "INSERT_AFTER", {"name": "new"}, listener_filter="look"),
        patch("LISTENER_FILTER", "REMOVE", listener_filter="listen"),
    )
    patch_listener(made, changes, gateway=False)
    assert names_in(made.listener_filters) == ["look", "new"]


def test_chains_are_found_by_what_they_match() -> None:
    made = listener()
    more = {"name": "three", "filters": named("x")}
    changes = (
        patch("FILTER_CHAIN", "REMOVE", sni="b.c"),
        patch("FILTER_CHAIN", "ADD", more),
        patch("FILTER_CHAIN", "MERGE", {"metadata": {}}, chain="nobody"),
    )
    _, taken = patch_listener(made, changes, gateway=False)
    assert names_in(made.filter_chains) == ["one", "three"]
    assert taken == set(changes[:2])


def test_a_filter_is_merged_inside_its_own_type_only() -> None:
    made = listener()
    changes = (
        patch(
            "NETWORK_FILTER",
            "MERGE",
            {"typed_config": {"@type": _TCP, "stat_prefix": "new", "idle_timeout": "3s"}},
            filter="tcp",
        ),
        patch("NETWORK_FILTER", "MERGE", {"typed_config": {"@type": _ROUTER}}, filter="tcp"),
    )
    patch_listener(made, changes, gateway=False)
    assert words_of(made.filter_chains[1].filters[0])["typed_config"] == {
        "@type": _TCP,
        "stat_prefix": "new",
        "cluster": "a",
        "idle_timeout": "3s",
    }


def test_a_listener_is_removed_by_name_or_port() -> None:
    for spot in ({"name": "0.0.0.0_80"}, {"port": 80}):
        assert not patch_listener(
            listener(), (patch("LISTENER", "REMOVE", **spot),), gateway=False
        )[0]
    other = patch("LISTENER", "REMOVE", port=81)
    assert patch_listener(listener(), (other,), gateway=False) == (True, set())


def test_merging_replaces_durations_and_lengthens_lists() -> None:
    made = read_words(TYPES["CLUSTER"], {"connect_timeout": "0.25s", "health_checks": [{}]})
    merge(made, patch("CLUSTER", "MERGE", {"connect_timeout": "2s", "health_checks": [{}]}))
    assert words_of(made) == {"connect_timeout": "2s", "health_checks": [{}, {}]}
    merge(made, patch("CLUSTER", "MERGE_AND_REPLACE_LIST", {"health_checks": [{}]}))
    assert words_of(made)["health_checks"] == [{}]


def test_a_transport_socket_of_the_same_name_is_merged_and_another_takes_its_place() -> None:
    socket = {"name": "tls", "typed_config": {"@type": _TLS, "sni": "old"}}
    made = read_words(TYPES["CLUSTER"], {"name": "c", "transport_socket": socket})
    more = {"name": "tls", "typed_config": {"@type": _TLS, "allow_renegotiation": True}}
    merge_around_socket(made, patch("CLUSTER", "MERGE", {"transport_socket": more}))
    assert words_of(made)["transport_socket"]["typed_config"] == {
        "@type": _TLS,
        "sni": "old",
        "allow_renegotiation": True,
    }
    merge_around_socket(made, patch("CLUSTER", "MERGE", {"transport_socket": {"name": "raw"}}))
    assert words_of(made)["transport_socket"] == {"name": "raw"}


def table(name: str = "80") -> Any:
    go = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
    answer = {"name": "answer", "match": {"path": "/a"}, "direct_response": {"status": 200}}
    host = {
        "name": "web:80",
        "domains": ["web", "web.shop"],
        "routes": [answer, {"name": "go", **go}],
    }
    other = {"name": "other:80", "domains": ["other"], "routes": [{"name": "go", **go}]}
    return read_words(TYPES["ROUTE_CONFIGURATION"], {"name": name, "virtual_hosts": [host, other]})


NEW = {"name": "new", "match": {"path": "/n"}, "direct_response": {"status": 204}}


@pytest.mark.parametrize(
    ("operation", "spot", "found"),
    [
        ("ADD", {}, ["answer", "go", "new"]),
        ("INSERT_FIRST", {}, ["new", "answer", "go"]),
        ("INSERT_FIRST", {"route": "nobody", "any_route": False}, ["answer", "go"]),
        ("INSERT_BEFORE", {"route": "go", "any_route": False}, ["answer", "new", "go"]),
        (
            "INSERT_AFTER",
            {"action": "direct_response", "any_route": False},
            ["answer", "new", "go"],
        ),
        ("REMOVE", {"action": "route", "any_route": False}, ["answer"]),
    ],
)
def test_routes_are_put_where_they_are_to_be(
    operation: str, spot: dict[str, Any], found: list[str]
) -> None:
    made = table()
    change = patch("HTTP_ROUTE", operation, NEW, domain="web.shop", **spot)
    patch_routes(made, (change,), gateway=False)
    assert names_in(made.virtual_hosts[0].routes) == found
    assert names_in(made.virtual_hosts[1].routes) == ["go"]


def test_virtual_hosts_are_replaced_removed_and_added() -> None:
    made = table()
    changes = (
        patch("VIRTUAL_HOST", "REPLACE", {"name": "web:80", "domains": ["*"]}, host="web:80"),
        patch("VIRTUAL_HOST", "REMOVE", host="other:80"),
        patch("VIRTUAL_HOST", "ADD", {"name": "more", "domains": ["more"]}),
    )
    assert patch_routes(made, changes, gateway=False) == set(changes)
    assert [(h.name, list(h.domains)) for h in made.virtual_hosts] == [
        ("web:80", ["*"]),
        ("more", ["more"]),
    ]


@pytest.mark.parametrize(
    ("name", "spot", "gateway"),
    [
        ("80", {"port": 80}, False),
        ("inbound|8080||", {"port": 8080}, False),
        ("http.80", {"port": 80}, True),
        ("https.443.web.front.shop", {"server": "web", "gateway": "shop/front"}, True),
    ],
)
def test_tables_are_found_by_what_their_names_say(
    name: str, spot: dict[str, Any], gateway: bool
) -> None:
    change = patch("ROUTE_CONFIGURATION", "MERGE", {"internal_only_headers": ["x"]}, **spot)
    assert patch_routes(table(name), (change,), gateway=gateway) == {change}
    assert patch_routes(table("9999"), (change,), gateway=gateway) == set()


def test_a_bootstrap_is_merged_with_what_is_there() -> None:
    start = json.dumps({"node": {"id": "a"}, "stats_flush_interval": "1s"})
    change = patch("BOOTSTRAP", "MERGE", {"stats_flush_interval": "5s"})
    assert json.loads(patched_bootstrap(start, (change,))) == {
        "node": {"id": "a"},
        "stats_flush_interval": "5s",
    }
    assert patched_bootstrap(start, ()) == start
