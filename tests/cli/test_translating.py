"""`lateen translate`: what a proxy would be told, of any files, the same each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from lateen.cli.main import app
from lateen.cli.show import config_tables

POLYGLOT = str(Path(__file__).parents[2] / "examples" / "polyglot")
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: cert, namespace: istio-system}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [a.example.com]
    tls: {mode: SIMPLE, credentialName: cert}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: istio-system}
spec:
  hosts: [a.example.com]
  gateways: [web]
  http: [{directResponse: {status: 200}}]
"""


def run(*words: str) -> str:
    ran = CliRunner().invoke(app, ["translate", *words])
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_the_plan_names_the_place_of_everything() -> None:
    plan = yaml.safe_load(run(POLYGLOT, "--for", "deploy/fastapi-service"))
    assert plan["proxy"]["workload"] == "fastapi-service"
    (policy,) = plan["inbound"]["authorization"]["allow"]
    assert "AuthorizationPolicy polyglot-services/fastapi-policy" in policy["origin"]
    assert "security.yaml:" in policy["origin"]


def test_envoys_words_are_those_of_a_config_dump() -> None:
    dump: Any = json.loads(run(POLYGLOT, "--for", "go-service", "--to", "envoy", "-o", "json"))
    tables = dict(config_tables(dump))
    assert tables.keys() == {"LISTENERS", "ROUTES", "CLUSTERS", "ENDPOINTS", "SECRETS"}
    assert "virtualInbound" in [row[0] for row in tables["LISTENERS"]]
    assert any("outbound|8080||go-service" in row[0] for row in tables["CLUSTERS"])


@pytest.mark.parametrize("stage", ["ir", "envoy"])
def test_the_same_files_give_the_same_bytes(stage: str) -> None:
    words = ["translate", POLYGLOT, "--for", "istio-ingressgateway", "--to", stage]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", "from lateen.cli.main import main; main()", *words],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_a_part_alone() -> None:
    (part,) = yaml.safe_load(
        run(POLYGLOT, "--for", "go-service", "--to", "envoy", "--part", "routes")
    )["configs"]
    assert part["@type"].endswith("RoutesConfigDump")
    plan = yaml.safe_load(run(POLYGLOT, "--for", "go-service", "--part", "tables"))
    assert plan.keys() == {"tables"}


def test_a_proxy_that_no_file_has() -> None:
    words = (POLYGLOT, "--labels", "app=go-service", "-n", "polyglot-services", "--ip", "10.9.9.9")
    plan = yaml.safe_load(run(*words))
    assert plan["proxy"]["address"] == "10.9.9.9"
    assert [each["port"] for each in plan["inbound"]["ports"]] == [8080]
    gateway = run(POLYGLOT, "--labels", "istio=ingressgateway", "--type", "gateway")
    assert "gateway" in yaml.safe_load(gateway)


def test_private_keys_are_left_out(tmp_path: Path) -> None:
    import base64

    from cryptography import x509

    from tests.envoy import pki

    pair = pki.Authority().sign("a.example.com", x509.DNSName("a.example.com"))
    encoded = (base64.b64encode(each).decode() for each in (pair.certificate, pair.key))
    (tmp_path / "all.yaml").write_text(SECRET % tuple(encoded))
    for stage in ("ir", "envoy"):
        said = run(str(tmp_path), "--for", "gateway/web", "--to", stage)
        assert "kubernetes://cert" in said
        assert "PRIVATE KEY" not in said
        assert base64.b64encode(pair.key).decode()[:40] not in said


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((POLYGLOT, "--for", "go-servic"), "did you mean go-service?"),
        ((POLYGLOT, "--for", "go-service", "--part", "x"), "no part x: there are proxy"),
        (("/nowhere", "--for", "web"), '"/nowhere" does not exist'),
        ((POLYGLOT, "--labels", "=b"), "labels are written"),
        ((POLYGLOT, "--labels", "a=/"), "metadata.labels"),
        ((POLYGLOT,), "give either --for WORKLOAD"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], fault: str) -> None:
    ran = CliRunner().invoke(app, ["translate", *words])
    assert ran.exit_code in (1, 2)
    assert fault in ran.output + str(ran.exception)


def test_what_was_left_out_is_told_and_the_rest_translated(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
        "spec: {containers: [{name: a, image: a}]}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: http}]}\n"
    )
    ran = CliRunner().invoke(app, ["translate", str(tmp_path), "--for", "web", "--part", "proxy"])
    assert ran.exit_code == 1
    assert "bad.yaml:9" in ran.output
    assert "workload: web" in ran.output
