"""What explain and test foretell is held against the running mesh: requests are sent as pods' apps would."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.e2e.harness import Mesh

TESTS = """
from: deploy/web.shop
namespace: shop
tests:
- name: the policy lets web read
  request: GET http://api:8080/v1/x
  expect: {reaches: api, status: 200, mtls: true}
- name: and nothing else
  request: POST http://api:8080/v1/x
  expect: {deniedBy: none, status: 403}
- name: a gateway's redirect
  request: GET http://anything.example.com/old
  from: outside
  expect: {status: 302, redirect: "http://anything.example.com/new"}
- name: a gateway's route
  request: GET http://anything.example.com/api/v1/x
  from: outside
  expect: {status: 403}
"""


def explained(mesh: Mesh, *words: str) -> Any:
    return json.loads(mesh.lateen("explain", *words, "--live", "-o", "json").stdout)


def port_of(mesh: Mesh, service: str) -> int:
    spec = mesh.api(f"/api/v1/namespaces/shop/services/{service}")["spec"]
    port: int = spec["ports"][0]["port"]
    return port


def test_what_is_explained_happens(mesh: Mesh) -> None:
    url = f"http://api:{port_of(mesh, 'api')}/v1/x"
    said = explained(mesh, "GET", url, "--from", "deploy/web.shop")
    (answer,) = said["explained"]["answers"]
    assert (answer["status"], said["live"]["status"]) == (200, 200)
    assert answer["by"] == "shop/api"
    assert said["live"]["hops"][-1]["pod"].startswith("api-")
    steps = said["explained"]["hop"]["legs"][0]["hop"]["steps"]
    policy = next(step for step in steps if step["part"] == "policy" and step["held"])
    assert policy["file"].endswith("rules.yaml")


def test_a_refusal_is_the_same_one(mesh: Mesh) -> None:
    url = f"http://api:{port_of(mesh, 'api')}/v1/x"
    said = explained(mesh, "POST", url, "--from", "deploy/web.shop")
    assert said["explained"]["answers"][0]["status"] == said["live"]["status"] == 403
    assert "no ALLOW policy lets it in" in said["live"]["hops"][-1]["why"]


def test_the_dump_of_a_running_proxy_says_the_same(mesh: Mesh, tmp_path: Path) -> None:
    dump = tmp_path / "dump.json"
    dump.write_text(mesh.lateen("proxy", "config", "web", "-n", "shop", "-o", "json").stdout)
    url = f"http://api:{port_of(mesh, 'api')}/v1/x"
    said = mesh.lateen("explain", url, "--dump", str(dump)).stdout
    assert f"outbound|{port_of(mesh, 'api')}||api.shop.svc.cluster.local: 198.18." in said
    assert "not read" not in said


def test_both_stand_side_by_side(mesh: Mesh) -> None:
    said = mesh.lateen("explain", "http://x.example.com/old", "--live").stdout.splitlines()
    head = next(number for number, line in enumerate(said) if line.startswith("explained"))
    assert "302 by the proxy of istio-system/istio-ingressgateway" in said[head + 1]
    assert "  302 in " in said[head + 1]


def test_a_file_of_tests_runs_through_real_envoys(mesh: Mesh, tmp_path: Path) -> None:
    tests = TESTS.replace(":8080", f":{port_of(mesh, 'api')}")
    (tmp_path / "shop.mesh-test.yaml").write_text(tests)
    assert "4 as expected" in mesh.lateen("test", str(tmp_path), "--live").stdout
    wrong = tests.replace("reaches: api, status: 200", "reaches: api, status: 503")
    (tmp_path / "shop.mesh-test.yaml").write_text(wrong)
    assert mesh.lateen("test", str(tmp_path), "--live", check=False).returncode == 1


def test_files_are_compared_with_the_running_mesh(mesh: Mesh, tmp_path: Path) -> None:
    done = mesh.lateen("diff", "mesh:", str(mesh.folder), check=False)
    assert (done.returncode, done.stdout.partition("\n")[0]) == (0, "no traffic changes"), done
    changed = tmp_path / "changed"
    shutil.copytree(mesh.folder, changed)
    rules = changed / "istio" / "rules.yaml"
    before = rules.read_text()
    rules.write_text(before.replace('methods: ["GET"]', 'methods: ["GET", "PUT"]'))
    assert rules.read_text() != before
    told = json.loads(mesh.lateen("diff", "mesh:", str(changed), "-o", "json", check=False).stdout)
    (change,) = told["changes"]
    assert (change["area"], change["after"], change["opens"]) == ("access", "allowed", True)
    assert change["requests"][0].startswith("PUT")
