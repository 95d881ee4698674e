"""`lateen explain`: one request through files or a dump, in every form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lateen.cli.main import app

ROOT = Path(__file__).parents[2]
POLYGLOT = str(ROOT / "examples" / "polyglot")
DUMP = str(ROOT / "tests" / "explain" / "dumps" / "istio-productpage.json")


def run(*words: str, status: int = 0) -> str:
    ran = CliRunner().invoke(app, ["explain", *words])
    assert ran.exit_code == status, (ran.output, ran.exception)
    return ran.output


def test_every_step_stands_with_its_file_and_line() -> None:
    said = run("http://my-service/", "--from", "deploy/fastapi-service", "-f", POLYGLOT)
    assert "+ rule http[0]  [VirtualService polyglot-services/canary-release spec.http[0], " in said
    assert "istio/canary.yaml:15]" in said
    assert said.splitlines()[-2:] == [
        "90 %: 200, as the app of polyglot-services/my-service-v1 answers",
        "10 %: 200, as the app of polyglot-services/my-service-v2 answers",
    ]


def test_a_refusal_names_the_policy_and_has_exit_status_1() -> None:
    words = ("POST", "http://fastapi-service:8000/admin", "--from", "go-service", "-f", POLYGLOT)
    said = run(*words, status=1)
    assert 'path is /admin, not "/api/*"' in said
    assert "403 by the proxy of polyglot-services/fastapi-service" in said


def test_from_outside_it_is_the_ingress_gateway_unless_another_is_named() -> None:
    url = "http://api.example.com/api/v1/predict"
    assert run(url, "-f", POLYGLOT) == run(url, "--via", "istio-ingressgateway", "-f", POLYGLOT)
    assert "istio-system/istio-egressgateway, at the gateway" in run(
        url, "--via", "istio-egressgateway", "-f", POLYGLOT, status=1
    )


def test_data_graph_and_page() -> None:
    words = ("http://my-service/", "--from", "fastapi-service", "-f", POLYGLOT, "-o")
    data = json.loads(run(*words, "json"))
    rule = next(step for step in data["hop"]["steps"] if step["part"] == "rule")
    assert (rule["file"].rpartition("/")[2], rule["line"]) == ("canary.yaml", 15)
    assert run(*words, "dot").startswith("digraph")
    assert run(*words, "html").startswith("<!doctype html>")


def test_why_not() -> None:
    words = ("http://my-service/", "--from", "fastapi-service", "-f", POLYGLOT, "--why-not")
    assert "does come to my-service/v1" in run(*words, "my-service/v1")
    assert "no subset of a DestinationRule is called so" in run(*words, "my-service/v3", status=1)


def test_a_dump_of_istio() -> None:
    said = run("http://reviews:9080/", "-H", "end-user: jason", "--dump", DUMP)
    assert "filter istio.stats: not modelled: stats.PluginConfig" in said
    assert "outbound|9080|v2|reviews.default.svc.cluster.local: 10.244.0.12:9080" in said
    data = json.loads(run("http://reviews:9080/", "--dump", DUMP, "-o", "json"))
    assert [share["weight"] for share in data["shares"]] == [80, 20]


def test_a_dump_that_lateen_made_itself(tmp_path: Path) -> None:
    words = ["translate", POLYGLOT, "--for", "istio-ingressgateway", "--to", "envoy", "-o", "json"]
    dump = tmp_path / "dump.json"
    dump.write_text(CliRunner().invoke(app, words).output)
    said = run("http://api.example.com/api/v1/predict", "--dump", str(dump))
    assert "gateway at the dumped proxy" in said
    assert "outbound|8000||fastapi-service.polyglot-services.svc.cluster.local" in said


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("web",), "web is no URL"),
        (("http://x/", "-H", "x", "-f", POLYGLOT), "wanted 'name: value'"),
        (("http://x/", "--from", "a", "--via", "b", "-f", POLYGLOT), "not both"),
        (("http://x/", "--from", "nobody", "-f", POLYGLOT), "nothing here is nobody"),
        (("http://x/", "--dump", "/nowhere"), "/nowhere: No such file"),
        (("GET", "POST", "http://x/"), "one request"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], fault: str) -> None:
    ran = CliRunner().invoke(app, ["explain", *words])
    assert ran.exit_code in (1, 2)
    assert fault in " ".join((ran.output + str(ran.exception)).split())
