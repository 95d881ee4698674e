"""Whole worlds: who gets a plan, what plans share, that order does not matter."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lateen.ir.match import Exact, Prefix, Present, StringMatch, Suffix
from lateen.ir.plan import Role
from lateen.translate.conditions import policy_text
from lateen.translate.hosts import covers, full_host, wild_candidates
from lateen.translate.plan import plans, proxies
from lateen.world.build import world_of
from tests.translate.cases import all_cases, objects_in, text_of, world_in

MESH = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
pods:
  istio-system:
    ingress: {ip: 198.18.0.8, labels: {istio: ingressgateway}, image: auto}
  shop:
    web-1: {ip: 198.18.0.1, labels: {app: web}, account: web}
    web-2: {ip: 198.18.0.2, labels: {app: web}, account: web}
    done: {ip: 198.18.0.3, phase: Succeeded}
    starting: {phase: Pending}
    plain: {ip: 198.18.0.4, labels: {sidecar.istio.io/inject: "false"}}
  front:
    page: {ip: 198.18.0.5}
"""


def test_every_injected_pod_that_runs_has_a_proxy() -> None:
    found = proxies(world_in(MESH))
    assert [(p.id, p.role) for p in found] == [
        ("sidecar~198.18.0.5~page.front~front.svc.cluster.local", Role.SIDECAR),
        ("router~198.18.0.8~ingress.istio-system~istio-system.svc.cluster.local", Role.GATEWAY),
        ("sidecar~198.18.0.1~web-1.shop~shop.svc.cluster.local", Role.SIDECAR),
        ("sidecar~198.18.0.2~web-2.shop~shop.svc.cluster.local", Role.SIDECAR),
    ]


def test_sidecars_of_a_namespace_share_their_outbound_half() -> None:
    made = {p.plan.proxy.pod: p.plan for p in plans(world_in(MESH))}
    assert made["web-1"].tables is made["web-2"].tables
    assert made["web-1"].backends is made["web-2"].backends
    assert made["page"].tables != made["web-1"].tables


def test_labels_that_no_rule_looks_at_keep_nobody_apart() -> None:
    rule = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
  - match: [{sourceLabels: {tier: front}}]
    directResponse: {status: 403}
"""
    world = world_in(MESH.replace("{app: web}, account", "{app: web, any: x}, account", 1) + rule)
    made = {p.plan.proxy.pod: p.plan for p in plans(world)}
    assert made["web-1"].tables is made["web-2"].tables


def test_a_mesh_may_refuse_what_nobody_serves() -> None:
    plan = plans(world_in(MESH), allow_any=False)[0].plan
    assert not plan.allow_any
    assert plan.tables[0].hosts[-1].name == "block_all"


@pytest.mark.parametrize("folder", all_cases(), ids=lambda f: f"{f.parent.name}/{f.name}")
def test_the_order_of_objects_does_not_matter(folder: Path) -> None:
    objects = list(objects_in(text_of(folder)))
    expected = plans(world_of(objects))
    random.Random(1).shuffle(objects)  # noqa: S311 - only an order
    assert plans(world_of(objects)) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("web", "web.shop.svc.cluster.local"),
        ("Web", "web.shop.svc.cluster.local"),
        ("web.back", "web.back"),
        ("*", "*"),
        ("*.example.com", "*.example.com"),
    ],
)
def test_only_a_name_without_a_dot_is_short(written: str, meant: str) -> None:
    assert full_host(written, "shop") == meant


@pytest.mark.parametrize(
    ("pattern", "host", "held"),
    [
        ("*", "a.b", True),
        ("*.b", "a.b", True),
        ("*.b", "b", False),
        ("*.b", "*.a.b", True),
        ("*.a.b", "*.b", False),
        ("a.b", "a.b", True),
        ("a.b", "*.b", False),
    ],
)
def test_a_wildcard_covers_what_ends_like_it(pattern: str, host: str, held: bool) -> None:
    assert covers(pattern, host) is held


def test_wildcards_are_tried_from_the_narrowest() -> None:
    assert wild_candidates("a.b.c") == ("*.b.c", "*.c", "*")
    assert wild_candidates("*.b.c") == ("*.b.c", "*.c", "*")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("*", Present()), ("*x", Suffix("x")), ("x*", Prefix("x")), ("x", Exact("x"))],
)
def test_a_policy_value_may_have_one_star(written: str, meant: StringMatch) -> None:
    assert policy_text(written) == meant
