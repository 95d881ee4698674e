"""What only Envoy finds wrong is named with its line and Envoy's words, and all else is live."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import FOLDER
from tests.e2e.harness import Mesh, eventually

GOOD = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [front]
  http:
    - match: [{uri: {prefix: /other/}}]
      rewrite: {uri: /}
      route: [{destination: {host: other}}]
    - route: [{destination: {host: web}}]
      headers: {request: {set: {x-of: front}}}
"""
# A command Envoy does not have, in the table `http.80` of the gateway and `80` of every sidecar.
HEADER = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: header, namespace: shop}
spec:
  hosts: [header.example.com]
  gateways: [front, mesh]
  http:
    - route: [{destination: {host: web}}]
      headers: {request: {set: {x-of: "%NOTHING%"}}}
"""
# Each share is one Istio takes; together they are more than Envoy counts to.
SHARES = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shares, namespace: shop}
spec:
  hosts: [shares.example.com]
  gateways: [front]
  http:
    - route:
        - {destination: {host: web}, weight: 2147483647}
        - {destination: {host: web}, weight: 2147483646}
        - {destination: {host: web}, weight: 2147483645}
"""
# A cluster of its own for the service `other`, which every proxy has.
NAME = f"""\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: name, namespace: shop}}
spec:
  host: other
  trafficPolicy:
    tls: {{mode: ISTIO_MUTUAL, sni: {"x" * 300}}}
"""
BAD = "---\n".join((HEADER, SHARES, NAME))
MENDED = BAD.replace("%NOTHING%", "mended").replace("21474836", "2147").replace("x" * 300, "other")
WORDS = {
    "VirtualService shop/header": "80: Not supported field in StreamInfo: NOTHING",
    "VirtualService shop/shares": "exceeds 4294967295",
    "DestinationRule shop/name": "Sni: value length must be at most 255 bytes",
}


@dataclass(frozen=True)
class Running:
    """A mesh whose files the tests may change, and what the first `up` printed."""

    mesh: Mesh
    file: Path
    status: int
    said: str

    def by_header(self, host: str) -> str | None:
        """What the rule of that host put into a request, None where no rule answers."""
        answer = self.mesh.get("/", headers={"Host": host})
        return answer.json["headers"].get("x-of", "") if answer.status == 200 else None


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With all three faults there from the first start on."""
    folder = tmp_path_factory.mktemp("mesh")
    shutil.copytree(FOLDER / "echo", folder / "echo")
    shutil.copy(FOLDER / "lateen.yaml", folder)
    (folder / "k8s").mkdir()
    for name in ("00-namespace", "web", "other"):
        shutil.copy(FOLDER / "k8s" / f"{name}.yaml", folder / "k8s")
    (folder / "good.yaml").write_text(GOOD)
    (folder / "bad.yaml").write_text(BAD)
    mesh = Mesh(folder)
    try:
        first = mesh.up(check=False)
        yield Running(mesh, folder / "bad.yaml", first.returncode, first.stdout + first.stderr)
    finally:
        mesh.end()


def refused(mesh: Mesh) -> dict[str, dict[str, Any]]:
    """The problems LAT0100 by object, but for since when they are known."""
    return {
        f"{problem['kind']} {problem['namespace']}/{problem['name']}": {**problem, "since": 0}
        for problem in mesh.status()["problems"]
        if problem["code"] == "LAT0100"
    }


def programmed(mesh: Mesh) -> bool:
    """Whether every proxy has and took all that it should have."""
    said = mesh.lateen("proxy", "status", "-o", "json", check=False).stdout
    return all(row["state"] == "programmed" for row in json.loads(said)["proxies"])


def line_of(text: str, name: str) -> int:
    lines = text.splitlines()
    return lines.index(next(line for line in lines if f"name: {name}," in line)) - 1


def test_up_names_each_refused_object_with_its_line_and_envoys_words(running: Running) -> None:
    assert running.status == 1
    for who, words in WORDS.items():
        at = f"bad.yaml:{line_of(BAD, who.rpartition('/')[2])}:"
        said = [line for line in running.said.splitlines() if at in line and "LAT0100" in line]
        assert said, (who, at, running.said)
        assert who in said[-1]
        assert words in said[-1]


def test_status_says_the_same_and_each_object_tells_it_of_itself(running: Running) -> None:
    done = running.mesh.lateen("status", check=False)
    assert done.returncode == 1
    assert done.stdout.count("error LAT0100") == len(WORDS)
    status = running.mesh.status()
    assert status["phase"] == "ready", "what is left out holds nothing up"
    assert status["refused"] == sorted(WORDS)
    found = refused(running.mesh)
    assert found.keys() == WORDS.keys()
    for who, words in WORDS.items():
        assert words in found[who]["message"]
        assert found[who]["file"].endswith("bad.yaml")
    group = "/apis/networking.istio.io/v1/namespaces/shop"
    conditions = running.mesh.api(f"{group}/virtualservices/header")["status"]["conditions"]
    (told,) = [c for c in conditions if c["type"] == "Programmed"]
    assert (told["status"], told["reason"]) == ("False", "RefusedByProxy")
    conditions = running.mesh.api(f"{group}/virtualservices/front")["status"]["conditions"]
    assert [c["status"] for c in conditions if c["type"] == "Programmed"] == ["True"]


def test_all_the_rest_is_live_in_the_same_table_too(running: Running) -> None:
    assert programmed(running.mesh)
    assert running.by_header("any.example.com") == "front"
    assert running.mesh.get("/other/x").json["name"] == "other"
    assert running.mesh.call("http://other/").status == 200


def test_a_pod_that_starts_later_gets_the_good_part(running: Running) -> None:
    mesh = running.mesh
    file = mesh.folder / "k8s/extra.yaml"
    text = (mesh.folder / "k8s/other.yaml").read_text()
    file.write_text(text.replace("name: other", "name: extra").replace("app: other", "app: extra"))
    try:
        assert eventually(lambda: [pod for pod in mesh.pods("extra") if pod["isReady"]], within=60)
        (pod,) = mesh.pods("extra")
        assert pod["proxy"] == "programmed"
        assert mesh.call("http://extra/call?url=http%3A%2F%2Fother%2F").json["status"] == 200
        assert refused(mesh).keys() == WORDS.keys()
    finally:
        file.unlink()
    assert eventually(lambda: not mesh.pods("extra"), within=60)


def test_a_new_control_plane_keeps_the_verdict_and_the_good_part(running: Running) -> None:
    mesh = running.mesh
    pids = mesh.run / "pids.json"
    log = mesh.state / "logs/control.log"
    tried = log.read_text().count("set aside")
    before, first = refused(mesh), json.loads(pids.read_text())["control"]
    os.kill(first, signal.SIGKILL)
    assert running.by_header("any.example.com") == "front"
    assert eventually(lambda: json.loads(pids.read_text())["control"] != first)
    assert eventually(lambda: mesh.lateen("proxy", "status", check=False).returncode == 0)
    assert eventually(lambda: refused(mesh) == before)
    assert running.by_header("any.example.com") == "front"
    assert mesh.up(check=False).returncode == 1
    assert log.read_text().count("set aside") == tried, "it is known, and not tried again"


def test_what_is_mended_goes_live_and_what_is_broken_again_leaves(running: Running) -> None:
    mesh = running.mesh
    running.file.write_text(MENDED)
    try:
        assert eventually(lambda: running.by_header("header.example.com") == "mended")
        assert eventually(lambda: mesh.lateen("status", check=False).returncode == 0)
        assert refused(mesh) == {}
        assert running.by_header("shares.example.com") == ""
        assert mesh.call("http://other/").status == 200
        assert mesh.up().returncode == 0
    finally:
        running.file.write_text(BAD)
    assert eventually(lambda: refused(mesh).keys() == WORDS.keys())
    assert eventually(lambda: programmed(mesh))
    assert running.by_header("header.example.com") == "front", "the rule for all hosts has it"
    assert mesh.up(check=False).returncode == 1


FURTHER = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: further, namespace: shop}
spec:
  hosts: [further.example.com]
  gateways: [front]
  http:
    - route: [{destination: {host: web}}]
      headers: {request: {set: {x-of: "WHAT"}}}
"""


def test_apply_waits_for_the_proxies_concerned_and_prints_envoys_words(
    running: Running, tmp_path: Path
) -> None:
    mesh, file = running.mesh, tmp_path / "further.yaml"
    file.write_text(FURTHER.replace("WHAT", "further"))
    told = json.loads(mesh.lateen("apply", str(file), "--wait", "-o", "json", check=False).stdout)
    assert running.by_header("further.example.com") == "further", "it is there when apply returns"
    assert told["created"] == ["VirtualService shop/further"]
    assert told["waited"]["complete"]
    (row,) = told["waited"]["proxies"]
    assert row["pod"].startswith("istio-ingressgateway"), "no sidecar has a part in it"
    assert 0 < row["seconds"] < 10
    assert told["refused"] == sorted(WORDS), "what the mesh had refused before is said again"

    group = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices"
    file.write_text(FURTHER.replace("WHAT", "%NOTHING%"))
    done = mesh.lateen("apply", "--wait", "--timeout", "60", check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "further.yaml:1:" in line]
    assert "VirtualService shop/further" in line
    assert "Not supported field in StreamInfo: NOTHING" in line
    conditions = mesh.api(f"{group}/further")["status"]["conditions"]
    (condition,) = [c for c in conditions if c["type"] == "Programmed"]
    assert condition["reason"] == "RefusedByProxy"
    assert running.by_header("any.example.com") == "front", "all else is served on"
