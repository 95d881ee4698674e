"""The mesh that files would make, and the words by which people mean one of its pods."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.base.errors import NotFound
from lateen.envoy.resources import ResourceType
from lateen.stages.drafts import Draft, draft_from, named_workload, pods_of

POLYGLOT = Path(__file__).parents[2] / "examples" / "polyglot"


@pytest.fixture(scope="module")
def polyglot() -> Draft:
    return draft_from([str(POLYGLOT)])


def test_it_has_a_plan_for_every_pod_that_would_have_a_proxy(polyglot: Draft) -> None:
    workloads = {polyglot.world.workloads[key].workload for key in polyglot.plans}
    assert not polyglot.refused
    assert {"go-service", "fastapi-service", "istio-ingressgateway"} <= workloads


def test_a_plan_made_alone_is_the_one_made_with_the_others(polyglot: Draft) -> None:
    workload = named_workload(polyglot.world, "deploy/go-service")
    alone = draft_from([str(POLYGLOT)]).plan(workload)
    assert alone == polyglot.plans[workload.namespace, workload.name]
    assert alone is not None
    assert "virtualInbound" in polyglot.resources(alone)[ResourceType.LISTENER]


@pytest.mark.parametrize(
    ("word", "workload"),
    [
        ("go-service", "go-service"),
        ("deploy/go-service", "go-service"),
        ("deployment/go-service.polyglot-services", "go-service"),
        ("polyglot-services/go-service", "go-service"),
        ("svc/my-service", "my-service-v1"),
        ("istio-ingressgateway.istio-system", "istio-ingressgateway"),
    ],
)
def test_a_pod_is_meant_by_many_words(polyglot: Draft, word: str, workload: str) -> None:
    assert named_workload(polyglot.world, word).workload == workload


def test_all_pods_of_a_workload_are_found(polyglot: Draft) -> None:
    found = pods_of(polyglot.world, "deploy/go-service")
    assert len({pod.name for pod in found}) == len(found) > 1
    assert named_workload(polyglot.world, f"pod/{found[1].name}") == found[1]


def test_a_word_that_means_nothing_gets_a_hint(polyglot: Draft) -> None:
    with pytest.raises(NotFound, match="did you mean go-service"):
        named_workload(polyglot.world, "deploy/go-servce")


def test_an_object_with_a_fault_is_left_out_and_told_of(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: http}]}\n"
    )
    (tmp_path / "web.mesh-test.yaml").write_text("tests: []\n")
    draft = draft_from([str(tmp_path)])
    assert draft.refused
    assert {p.origin.place.line for p in draft.problems if p.origin.place} == {4}
