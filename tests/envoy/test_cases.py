"""Each case's resources are as its golden says, and the real Envoy takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.envoy.emit import emit
from lateen.ir.plan import ProxyPlan
from lateen.translate.plan import plan_for, proxies
from tests.conftest import Golden
from tests.envoy import pki, real, render
from tests.envoy.test_accepted import SECRETS, bootstrap
from tests.translate.cases import Case, all_cases, case_in

CERTIFICATE = pki.Authority().identity("spiffe://cluster.local/ns/shop/sa/web")


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def plan_of(case: Case) -> ProxyPlan:
    proxy = next(p for p in proxies(case.world) if f"{p.namespace}/{p.pod}" == case.proxy)
    return plan_for(case.world, proxy)[0]


@pytest.mark.parametrize("folder", all_cases(), ids=_name)
def test_resources_are_as_written(folder: Path, golden: Golden) -> None:
    case = case_in(folder)
    golden.check(folder / "envoy.yaml", render.shown(emit(plan_of(case)), case.show))


# A case with requests is loaded by a real Envoy anyway, to be sent them.
UNASKED = [folder for folder in all_cases() if not (folder / "requests.yaml").exists()]


@pytest.mark.parametrize("folder", UNASKED, ids=_name)
def test_envoy_takes_the_case(folder: Path, tmp_path: Path) -> None:
    plan = plan_of(case_in(folder))
    resources = emit(plan, gateway_socket=str(tmp_path / "{port}.sock"))
    config = real.add_static(bootstrap(plan.proxy, tmp_path), resources, *SECRETS)
    real.put_certificate(config, CERTIFICATE.certificate, CERTIFICATE.key)
    assert real.validate(config, tmp_path) == ""
