"""A round hands each proxy what is new for it, and every resource knows the objects behind it."""

from __future__ import annotations

from pathlib import Path

from tests.stages.shop import SHOP, Round, names

from lateen.base import layout
from lateen.envoy.resources import ResourceType
from lateen.stages.bordering import Bordering, addresses_of_this_host
from lateen.stages.planning import directory_of
from lateen.stages.resolving import slot_of


def test_every_proxy_has_a_plan_and_only_what_differs_is_handed_over() -> None:
    round_ = Round()
    planned = round_.step()
    assert names(planned).keys() == {"web-0", "edge-0"}, "a pod without injection has no proxy"
    assert sorted(round_.puts) == sorted(planned.plans)
    round_.step()
    assert round_.puts == []
    changed = round_.step(SHOP.replace("timeout: 3s", "timeout: 4s"))
    assert round_.puts == [names(changed)["web-0"]], "the gateway has no part in that rule"


def test_a_proxy_that_is_gone_is_dropped() -> None:
    round_ = Round()
    gone = names(round_.step())["web-0"]
    round_.step(
        SHOP.replace("web-0: {ip: 198.18.0.20", "web-0: {phase: Succeeded, ip: 198.18.0.20")
    )
    assert round_.dropped == [gone]


def test_what_is_set_aside_has_no_part_in_the_plan() -> None:
    round_ = Round()
    with_rule = round_.step()
    node = names(with_rule)["web-0"]
    without = round_.step(SHOP, "web")
    assert "VirtualService" not in {
        origin.kind for origin in without.resources[node][ResourceType.ROUTES]["80"].origins
    }
    assert with_rule.resources[node] != without.resources[node]


def test_a_cluster_knows_the_rule_that_set_its_limits() -> None:
    planned = Round().step()
    clusters = planned.resources[names(planned)["web-0"]][ResourceType.CLUSTER]
    kinds = {o.kind: o.name for o in clusters["outbound|80||web.shop.svc.cluster.local"].origins}
    assert kinds == {"Service": "web", "DestinationRule": "pool"}


def test_names_and_addresses_are_told_to_the_node() -> None:
    directory = directory_of(Round().step().world)
    (web,) = [name for name in directory.names if name.name == "web.shop.svc.cluster.local"]
    (service,) = [s for s in directory.services if (s.address,) == web.addresses]
    assert (service.port, service.endpoints) == (80, (("198.18.0.20", 8080),))


def test_the_border_has_a_door_for_each_gateway_port_and_an_exit_for_each_pod(
    tmp_path: Path,
) -> None:
    bordering = Bordering(run_dir=tmp_path, own_addresses=("192.0.2.1",))
    border = bordering.step(Round().step(), {80: 9080})
    edge, web, plain = map(slot_of, ("edge-0", "web-0", "plain-0"))
    (door,) = border.doors
    assert (door.port, door.sockets) == (9080, (str(layout.gateway_socket(tmp_path, edge, 80)),))
    exits = {exit_.slot: exit_ for exit_ in border.exits}
    assert exits.keys() == {edge, web, plain}
    assert exits[web].socket == str(layout.exit_socket(tmp_path, web))
    assert exits[web].allowed == (("bank.example.com", 443),)
    assert exits[plain].allowed == ()
    assert border.own_addresses == ("192.0.2.1",)
    assert {path.name for path in (tmp_path / "p").iterdir()} == exits.keys()


def test_this_host_has_its_loopback_at_least() -> None:
    assert "127.0.0.1" in addresses_of_this_host()


_CLOSED = """
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: istio-system}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: CIDR}}], ports: [{port: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: held, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  egress: [{to: [{podSelector: {}}, {ipBlock: {cidr: 192.0.2.0/24}}]}, {to: [{podSelector: {}}]}]
"""


def test_a_policy_holds_at_the_border_too(tmp_path: Path) -> None:
    def doors_and_reach(cidr: str) -> tuple[int, list[tuple[str, ...] | None]]:
        planned = Round().step(SHOP + _CLOSED.replace("CIDR", cidr))
        border = Bordering(run_dir=tmp_path, own_addresses=()).step(planned, {})
        reaches = {exit_.slot: exit_.reach for exit_ in border.exits}
        named = [reaches[slot_of(name)] for name in ("web-0", "plain-0")]
        networks = [
            None if reach is None else tuple(b.network for allow in reach for b in allow.blocks)
            for reach in named
        ]
        return len(border.doors[0].sockets), networks

    # Pods are not reached by the border, so their addresses make no difference there.
    assert doors_and_reach("10.0.0.0/8") == (0, [("192.0.2.0/24",), None])
    assert doors_and_reach("127.0.0.0/8") == (1, [("192.0.2.0/24",), None])
