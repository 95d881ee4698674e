"""The real Envoy takes everything we write: each member of each union, in every mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lateen.envoy.bootstrap import Figures, emit_bootstrap
from lateen.envoy.emit import emit
from lateen.envoy.tls import emit_root, emit_secret
from lateen.ir.plan import Mtls, Proxy, ProxyPlan
from lateen.ir.telemetry import Metrics, Reports, Telemetry
from tests.envoy import pki, plans, real

AUTHORITY = pki.Authority()
OWN = AUTHORITY.identity(plans.IDENTITY)
SECRETS = (
    emit_secret("default", OWN.certificate, OWN.key),
    emit_secret("kubernetes://shop-cert", OWN.certificate, OWN.key),
    emit_root("ROOTCA", AUTHORITY.root),
)

_CHANGED = Reports(
    metrics=Metrics(
        off=frozenset({"istio_request_bytes", "istio_tcp_sent_bytes_total"}),
        labels=(
            ("istio_requests_total", "host", "%REQ(:AUTHORITY)%"),
            ("istio_requests_total", "path", "%PATH(NQ)%"),
            ("istio_requests_total", "response_flags", None),
            ("istio_tcp_connections_opened_total", "source_app", None),
        ),
    )
)
COUNTED = Telemetry(client=_CHANGED, server=_CHANGED)


def bootstrap(proxy: Proxy, folder: Path) -> str:
    return emit_bootstrap(
        proxy=proxy,
        token="secret",
        xds_socket=str(folder / "xds.sock"),
        admin_socket=str(folder / "admin.sock"),
        border_socket=str(folder / "b.sock"),
        otlp_socket=str(folder / "otlp.sock"),
        figures=Figures(
            socket=str(folder / "m.sock"), app_socket=str(folder / "a.sock"), app_port=8000
        ),
    )


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(plans.sidecar_plan(Mtls.PERMISSIVE), id="permissive"),
        pytest.param(plans.sidecar_plan(Mtls.STRICT, allow_any=False), id="strict"),
        pytest.param(plans.sidecar_plan(Mtls.DISABLE), id="disable"),
        pytest.param(plans.gateway_plan(), id="gateway"),
        pytest.param(replace(plans.sidecar_plan(Mtls.STRICT), telemetry=COUNTED), id="metrics"),
    ],
)
def test_envoy_takes_every_resource(plan: ProxyPlan, tmp_path: Path) -> None:
    resources = emit(plan, gateway_socket=str(tmp_path / "{port}.sock"))
    config = real.add_static(bootstrap(plan.proxy, tmp_path), resources, *SECRETS)
    assert real.validate(config, tmp_path) == ""
