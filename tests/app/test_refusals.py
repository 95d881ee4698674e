"""What proxies wrote of a request is found again, and told with the policy and the place of its rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.app.refusals import Hop, hops, is_request_id
from lateen.translate.plan import plans
from tests.translate.cases import world_in

WORLD = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ban, namespace: shop}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: [/admin]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: open, namespace: shop}
spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: note, namespace: shop}
spec: {action: AUDIT, rules: [{}]}
---
pods: {shop: {web-1: {ip: 198.18.0.1}}}
"""
LINE = (
    '2026-11-21T12:00:0{second}.000000000Z stdout F [2026-11-21T12:00:0{second}.000Z] "GET {path} HTTP/1.1"'
    ' {status} - {details} - "-" 0 19 0 - "-" "curl" "{id}" "web.shop" "-" inbound|80|| - - - - default{noted}\n'
)
NO = "rbac_access_denied_matched_policy[ns[shop]-policy[ban]-rule[0]]"
NONE = "rbac_access_denied_matched_policy[none]"
MARK = '"istio_audit_shadow_effective_policy_id":"ns[shop]-policy[note]-rule[0]"'
YES = f' {{"enforced_effective_policy_id":"ns[shop]-policy[open]-rule[0]",{MARK}}}'


def line(second: int, id: str, status: int, details: str, noted: str = " -") -> str:
    return LINE.format(
        second=second, id=id, status=status, details=details, noted=noted, path="/admin"
    )


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for pod, lines in (
        ("web-1", line(3, "a", 403, NO) + "starting\n" + line(4, "b", 200, "via_upstream", YES)),
        ("gone-1", line(1, "c", 403, NONE) + line(2, "a", 200, "via_upstream")),
    ):
        folder = tmp_path / f"shop_{pod}_uid" / "istio-proxy"
        folder.mkdir(parents=True)
        (folder / "0.log").write_text(line(0, "old", 403, NO))
        (folder / "1.log").write_text(lines)
        (folder.parent / "app").mkdir()
        (folder.parent / "app" / "0.log").write_text(line(9, "a", 500, NO))
    return tmp_path


def found(logs: Path, id: str) -> list[Hop]:
    return hops(logs, id, [each.plan for each in plans(world_in(WORLD))])


def test_a_refusal_names_the_rule_and_its_place(logs: Path) -> None:
    first, last = found(logs, "a")
    assert (first["pod"], first["refused"]) == ("gone-1", False)
    assert (last["pod"], last["refused"], last["status"]) == ("web-1", True, 403)
    assert last["why"] == "refused by AuthorizationPolicy shop/ban spec.rules[0], in.yaml:8 (DENY)"
    assert (last["rule"]["name"], last["rule"]["place"]) == ("ban", "in.yaml:8")
    assert (last["method"], last["authority"], last["path"]) == ("GET", "web.shop", "/admin")


def test_an_allow_names_the_rule_that_let_it_in_and_the_one_that_marked_it(logs: Path) -> None:
    (hop,) = found(logs, "b")
    assert hop["why"].startswith("let in by AuthorizationPolicy shop/open spec.rules[0]")
    assert [mark["name"] for mark in hop["marks"]] == ["note"]


def test_what_no_policy_allows_names_those_that_hold(logs: Path) -> None:
    folder = logs / "shop_web-1_uid" / "istio-proxy"
    (folder / "1.log").write_text(line(5, "d", 403, NONE))
    (hop,) = found(logs, "d")
    assert hop["why"].startswith(
        "no ALLOW policy lets it in: AuthorizationPolicy shop/open, in.yaml:"
    )


def test_without_an_id_it_is_what_was_refused_lately(logs: Path) -> None:
    assert [(hop["id"], hop["pod"]) for hop in found(logs, "")] == [("c", "gone-1"), ("a", "web-1")]
    assert found(logs, "nobody") == []


def test_a_refused_connection_is_told_too(logs: Path) -> None:
    raw = (
        '2026-11-21T12:00:07Z stdout F [2026-11-21T12:00:07Z] "- - -" 0 - -'
        f' {NO} "-" 31 0 0 - "-" "-" "-" "-" "-" inbound|80|| - - - - -\n'
    )
    (logs / "shop_web-1_uid" / "istio-proxy" / "1.log").write_text(raw)
    hop = found(logs, "")[-1]
    assert hop["why"].startswith("refused by AuthorizationPolicy shop/ban spec.rules[0]")


def test_a_connection_in_the_clear_under_strict_is_told_too(logs: Path) -> None:
    raw = (
        '2026-11-21T12:00:07Z stdout F [2026-11-21T12:00:07Z] "- - -" 0 NR filter_chain_not_found'
        ' - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 198.18.0.1:80 198.18.0.9:4000 - -\n'
    )
    (logs / "shop_web-1_uid" / "istio-proxy" / "1.log").write_text(raw)
    assert found(logs, "")[-1]["why"].startswith("not encrypted by the mesh, and mTLS is STRICT")


@pytest.mark.parametrize(
    ("text", "sound"), [("6f1f3c1e-9f0b", True), ('a"b', False), ("a b", False), ("x" * 201, False)]
)
def test_only_what_a_log_has_as_it_is_can_be_asked_for(text: str, sound: bool) -> None:
    assert is_request_id(text) is sound
