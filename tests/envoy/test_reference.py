"""Made-up policies and requests: Istio's words, the plan, what Envoy is sent and the real Envoy agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lateen.envoy.emit import emit
from lateen.explain.presenting import as_read, presented
from lateen.explain.request import Forwarded, Request, Unverified
from lateen.explain.walk_envoy import walk_envoy
from lateen.explain.walk_ir import walk_ir
from lateen.ir.plan import Inbound, InboundPort, Mtls, ProxyPlan, Speech
from lateen.ir.policy import Authorization
from tests.envoy import plans, real
from tests.envoy.fields import TOKENS, Tree, authorization, requests, specs
from tests.envoy.judging import ask, connects, listener, raw_listener, short_folder
from tests.envoy.reference import lets_in
from tests.envoy.test_accepted import bootstrap


def plan_of(one: Authorization, *, http: bool) -> ProxyPlan:
    speech = Speech.HTTP if http else Speech.TCP
    ports = tuple(
        InboundPort(port=port, speech=speech, mtls=Mtls.PERMISSIVE, origin=plans.SERVICE)
        for port in (80, 81)
    )
    inbound = Inbound(ports=ports, otherwise=Mtls.PERMISSIVE, authorization=one)
    return ProxyPlan(proxy=plans.SIDECAR, inbound=inbound)


def expected(policies: list[Tree], one: Authorization, request: Request, *, http: bool) -> bool:
    """What Istio's words say, of a request whose token has been looked at."""
    seen = presented(one, as_read(request, one.paths)) if http else request
    return not isinstance(seen, Unverified) and lets_in(policies, seen, http=http)


@given(policies=specs, request=requests, http=st.booleans())
@settings(max_examples=150)
def test_the_walkers_say_what_istio_says(
    policies: list[Tree], request: Request, http: bool
) -> None:
    one = authorization(*policies, tokens=TOKENS)
    plan = plan_of(one, http=http)
    told = walk_ir(plan, request)
    assert walk_envoy(emit(plan), request) == told
    assert isinstance(told, Forwarded) is expected(policies, one, request, http=http)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.mark.e2e
@given(data=st.data())
@settings(max_examples=10, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
def test_the_real_envoy_does_what_istio_says(folder: Path, data: st.DataObject) -> None:
    drawn = [data.draw(specs) for _ in range(10)]
    asked = [replace(data.draw(requests), source="") for _ in range(20)]
    config = json.loads(bootstrap(plans.SIDECAR, folder))
    sites = [(each, authorization(*each, tokens=TOKENS)) for each in drawn]
    for number, (_, one) in enumerate(sites):
        config["static_resources"]["listeners"] += [
            listener(one, folder / f"h{number}"),
            raw_listener(one, folder / f"r{number}"),
        ]
    with real.running(config, folder):
        for number, (policies, one) in enumerate(sites):
            for request in asked:
                allowed = ask(folder / f"h{number}", request).status == 200
                assert allowed is expected(policies, one, request, http=True), (policies, request)
                connected = connects(folder / f"r{number}", request)
                assert connected is expected(policies, one, request, http=False), (
                    policies,
                    request,
                )
