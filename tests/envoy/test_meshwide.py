"""What the mesh's settings say of sniffing, TLS, names and DNS is in what Envoy is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lateen.envoy.border import emit_border
from lateen.envoy.emit import emit
from lateen.envoy.resources import Resources, ResourceType
from lateen.ir.border import BorderPlan, Exit
from tests.envoy.real import all_json
from tests.envoy.test_cases import plan_of
from tests.translate.cases import CASES, case_in


def sent(case: str) -> Resources:
    return emit(plan_of(case_in(CASES / "traffic" / case)))


def named(resources: Resources, kind: ResourceType, name: str) -> dict[str, Any]:
    (found,) = (each for each in all_json(resources, kind) if each["name"] == name)
    return found


def found_in(value: Any, key: str) -> list[Any]:
    """Everything under a key, at any depth."""
    if isinstance(value, list):
        return [each for item in value for each in found_in(item, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if key in value else []
    return own + [each for item in value.values() for each in found_in(item, key)]


@pytest.mark.parametrize("listener", ["virtualInbound", "198.19.0.5_7000"])
def test_silent_connections_are_waited_for_as_the_mesh_says(listener: str) -> None:
    made = named(sent("mesh-detection"), ResourceType.LISTENER, listener)
    assert made["listener_filters_timeout"] == "2s"
    assert made["continue_on_listener_filters_timeout"] is True


def test_backends_and_ports_are_counted_by_other_names() -> None:
    resources = sent("mesh-stat-names")
    host = "details.info.svc.cluster.local"
    out = named(resources, ResourceType.CLUSTER, f"outbound|80||{host}")
    assert out["alt_stat_name"] == f"details.info_details_{host}_80_http_8080_"
    into = named(resources, ResourceType.CLUSTER, "inbound|8080||")
    assert into["alt_stat_name"] == "in_stock.shop_80"


def test_tls_outside_of_the_mesh_is_as_the_mesh_says() -> None:
    resources = sent("mesh-tls")
    for host in ("api", "loose"):
        made = named(resources, ResourceType.CLUSTER, f"outbound|80||{host}.external.com")
        assert found_in(made, "tls_params") == [
            {"cipher_suites": ["ECDHE-ECDSA-AES128-GCM-SHA256"], "ecdh_curves": ["P-256"]}
        ]
        checks = found_in(made, "combined_validation_context") + found_in(made, "trusted_ca")
        assert bool(checks) is (host == "api"), "only what a rule names roots for is verified"


def test_a_gateway_asks_for_what_the_mesh_asks_for() -> None:
    made = named(sent("mesh-tls-at-a-gateway"), ResourceType.LISTENER, "0.0.0.0_443")
    (parameters,) = found_in(made, "tls_params")
    assert parameters == {
        "tls_minimum_protocol_version": "TLSv1_3",
        "cipher_suites": ["ECDHE-ECDSA-AES256-GCM-SHA384"],
        "ecdh_curves": ["P-256"],
    }


def test_names_outside_are_looked_up_as_often_as_the_mesh_says(tmp_path: Path) -> None:
    out = Exit(
        slot="1",
        socket=str(tmp_path / "1"),
        by_number=str(tmp_path / "2"),
        allowed=(("api.example.com", 443),),
    )
    for refresh in (None, 30.0):
        made = emit_border(BorderPlan(exits=(out,), dns_refresh=refresh))
        cluster = named(made, ResourceType.CLUSTER, "named|443||api.example.com")
        assert cluster.get("dns_refresh_rate") == (None if refresh is None else "30s")
