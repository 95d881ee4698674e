"""The request that breaks a property, sent to real Envoys: by way of its sender's, and then of its target's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.explain.differing.meshes import Mesh
from lateen.explain.properties.proving import check_property
from lateen.explain.properties.verdicts import Refuted
from lateen.explain.request import Request, Way
from tests.envoy import traffic
from tests.envoy.traffic import Asked, Seen
from tests.explain.test_properties import BROKEN, BY_NAME, TEXT, broken, mesh_of

pytestmark = pytest.mark.e2e


TRIES = 30  # of a request that several workloads share


def sent(
    mesh: Mesh, pod: tuple[str, str], request: Request, folder: Path, workload: str = ""
) -> Seen:
    """What a real Envoy in the place of a pod's does with a request: if need be until the workload has its share."""
    inbound = request.way is Way.INBOUND
    asked = Asked(
        sender="/".join(pod),
        inbound=inbound,
        method=request.method,
        scheme="http",
        host=request.authority,
        port=request.port,
        authority=request.authority,
        path=request.path,
        headers=dict(request.headers),
        expected={"client": request.peer} if inbound and request.peer else {},
    )
    folder.mkdir()
    plan = mesh.plans[pod]
    with traffic.running(mesh.world, plan, folder, (asked,)) as rig:
        sending = traffic.made_up(mesh.world, plan, asked), asked
        seen = traffic.send(rig, *sending)
        for _ in range(TRIES):
            if seen.status != 200 or seen.pod.startswith(workload):
                break
            seen = traffic.send(rig, *sending)
        return seen


def both_ways(
    mesh: Mesh, found: Refuted, folder: Path, workload: str = ""
) -> tuple[Seen, Seen | None]:
    """What becomes of a counterexample at its sender's Envoy, and of what arrives at its target's."""
    by_name = {party.name: party for party in mesh.parties.values()}
    sender = by_name[found.source.removeprefix("outside through ")].pod
    sender_key = (sender.namespace, sender.name)
    if found.arrived is None:
        return sent(mesh, sender_key, found.request, folder / "sent"), None
    first = sent(mesh, sender_key, found.request, folder / "sent", workload)
    target = by_name[found.target].pod
    key = (target.namespace, target.name)
    return first, sent(mesh, key, found.arrived, folder / "arrived")


@pytest.mark.parametrize("name", BROKEN)
def test_a_real_envoy_lets_by_what_breaks_a_property(name: str, short: Path) -> None:
    mesh = broken(name)
    found = check_property(mesh, BY_NAME[name])
    assert isinstance(found, Refuted)
    workload = found.target.rpartition(".")[0]
    first, second = both_ways(mesh, found, short, workload)
    assert first.status == 200, first
    if second is None:
        assert first.pod == "bank.example.org:80", first
        return
    assert first.pod.startswith(workload), first
    assert second.status == 200, second


@pytest.mark.parametrize("name", BROKEN)
def test_a_real_envoy_refuses_it_where_the_property_holds(name: str, short: Path) -> None:
    found = check_property(broken(name), BY_NAME[name])
    assert isinstance(found, Refuted)
    first, second = both_ways(mesh_of(TEXT), found, short)
    refused = [each for each in (first, second) if each and (each.closed or each.status != 200)]
    through_egress = first.pod.startswith("istio-egressgateway")
    assert refused or through_egress, (first, second)
