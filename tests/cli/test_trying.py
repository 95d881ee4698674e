"""`lateen test`: files of tests played through the mesh their manifests would make."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from lateen.cli.main import app
from lateen.stages.rehearsing import rehearse

pytest_plugins = ["pytester"]
POLYGLOT = Path(__file__).parents[2] / "examples" / "polyglot"
MANIFESTS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: app}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: app, image: app}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec:
  hosts: [api]
  http:
  - match: [{uri: {prefix: /old}}]
    redirect: {uri: /new}
  - match: [{uri: {prefix: /teapot}}]
    directResponse: {status: 418}
  - timeout: 2s
    headers: {request: {set: {x-by: mesh}}}
    route: [{destination: {host: api}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: shop}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: ["/admin*"]}}]}]
"""
TESTS = """
from: web.shop
tests:
- name: plain
  request: http://api/
  expect: {reaches: shop/api, status: 200, timeout: 2s, headers: {x-by: mesh, x-no: null}, mtls: true}
- name: old
  request: http://api/old
  expect: {status: 301, redirect: "http://api/new"}
- name: admin
  request: POST http://api/admin
  expect: {deniedBy: no-admin, status: 403}
- name: nowhere
  request: http://nowhere/
  expect: {egress: refused}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "mesh.yaml").write_text(MANIFESTS)
    (tmp_path / "shop.mesh-test.yaml").write_text(TESTS)
    return tmp_path


def run(*words: str, status: int = 0) -> str:
    ran = CliRunner().invoke(app, ["test", *words])
    assert ran.exit_code == status, (ran.output, ran.exception)
    return ran.output


def test_all_is_as_expected(shop: Path) -> None:
    assert "4 as expected" in run(str(shop))
    report = rehearse([str(shop)])
    assert {(rule.origin.field, bool(rule.met)) for rule in report.rules} == {
        ("spec.rules[0]", True),
        ("spec.http[0]", True),
        ("spec.http[1]", False),
        ("spec.http[2]", True),
    }


def test_rules_that_no_test_meets_are_named(shop: Path) -> None:
    said = run(str(shop), "--coverage")
    assert "coverage: 3 of 4 rules (75.0 %)" in said
    assert "never met: VirtualService shop/api spec.http[1]" in said
    assert "mesh.yaml:29" in said
    run(str(shop), "--least", "80", status=1)
    run(str(shop), "--least", "75")


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("{reaches: web}", "0 % reaches web, expected all"),
        ("{reaches: {api: 50}}", "api gets 100 %, expected 50"),
        ("{status: [404, 500]}", "status 404 or 500 expected"),
        ("{timeout: 3s}", "timeout is 2 s, expected 3s"),
        ("{retries: {attempts: 9}}", "2 retries, expected 9"),
        ("{retries: {retryOn: gateway-error}}", "expected gateway-error too"),
        ("{headers: {x-by: null}}", 'header x-by is "mesh", expected absent'),
        ("{headers: {x-no: a}}", 'header x-no is absent, expected "a"'),
        ("{path: /x}", "path is /, expected /x"),
        ("{host: b}", "host is api, expected b"),
        ("{redirect: 'http://x/'}", "expected a redirect to http://x/"),
        ("{mtls: false}", "the way to shop/api is encrypted by the mesh"),
        ("{deniedBy: no-admin}", "expected to be denied by no-admin"),
        ("{egress: refused}", "expected to be refused"),
        ("{through: gateway}", "expected to pass gateway, passes api, web"),
        ("{copiedTo: web}", "expected a copy to web, copied to nobody"),
    ],
)
def test_what_differs_is_said(shop: Path, expect: str, words: str) -> None:
    text = f"from: web.shop\ntests:\n- request: http://api/\n  expect: {expect}\n"
    (shop / "shop.mesh-test.yaml").write_text(text)
    said = run(str(shop), status=1)
    assert words in said
    assert "FAILED" in said
    assert "shop.mesh-test.yaml:3 http://api/" in said
    assert "on the way out" in run(str(shop), "--explain", status=1)


def test_data_junit_and_tap(shop: Path) -> None:
    data = json.loads(run(str(shop), "-o", "json"))
    assert [test["ok"] for test in data["tests"]] == [True] * 4
    tests = shop / "shop.mesh-test.yaml"
    tests.write_text(TESTS.replace("status: 403", "status: 200"))
    xml = run(str(shop), "-o", "junit", status=1).partition("\n")[2]
    root = ElementTree.fromstring(xml)  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures")) == ("4", "1")
    assert root.find(".//failure") is not None
    tap = run(str(shop), "-o", "tap", status=1).splitlines()
    assert tap[:3] == ["TAP version 14", "1..4", "ok 1 - plain"]
    assert "not ok 3 - admin" in tap


def test_a_name_chooses(shop: Path) -> None:
    assert "1 as expected" in run(str(shop), "-k", "admin")


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ("tests:\n- request: http://api/\n  expect: {stauts: 1}\n", "shop.mesh-test.yaml:3"),
        ("tests:\n- {request: http://api/, from: nobody, expect: {}}\n", "nothing here is nobody"),
        (
            "files: [none]\ntests:\n- {request: http://api/, from: a, expect: {}}\n",
            "does not exist",
        ),
    ],
)
def test_a_file_that_is_wrong_fails(shop: Path, tests: str, words: str) -> None:
    (shop / "shop.mesh-test.yaml").write_text(tests)
    assert words in run(str(shop), status=1)


def test_a_watch_plays_them_again(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changes(*paths: Path) -> Iterator[object]:
        assert shop in paths
        (shop / "shop.mesh-test.yaml").write_text(TESTS.replace("status: 403", "status: 200"))
        yield {(2, "shop.mesh-test.yaml")}

    monkeypatch.setattr("watchfiles.watch", changes)
    said = run(str(shop), "--watch")
    assert said.index("4 as expected (") < said.index("3 as expected, 1 not")


def test_a_folder_without_tests_fails(tmp_path: Path) -> None:
    assert "no tests" in run(str(tmp_path), status=1)
    assert "nowhere: no such file" in run(str(tmp_path / "nowhere"), status=1)


def test_the_example_is_as_expected() -> None:
    report = rehearse([str(POLYGLOT)])
    assert report.well, [(r.name, r.differences) for r in report.failed]
    assert len(report.results) >= 5


def test_a_thousand_tests_take_about_a_second(shop: Path) -> None:
    case = "- {name: t%d, request: 'http://api/%d', expect: {reaches: api, status: 200}}"
    lines = [case % (number, number) for number in range(1000)]
    (shop / "shop.mesh-test.yaml").write_text("\n".join(["from: web.shop", "tests:", *lines]))
    started = time.perf_counter()
    report = rehearse([str(shop)])
    assert report.well
    assert len(report.results) == 1000
    assert time.perf_counter() - started < 10  # on a busy machine; see make bench-check


def test_the_plug_in_has_a_mesh(pytester: pytest.Pytester, shop: Path) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        POLICY = '''
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {{name: nobody, namespace: shop}}
        spec: {{selector: {{matchLabels: {{app: api}}}}}}
        '''

        def test_the_way(mesh):
            mesh.start({str(shop)!r})
            call = mesh.call("http://api/", source="web.shop")
            assert call.status == 200
            assert call.shares == {{"shop/api": 100.0}}
            call.check(reaches="api", timeout="2s")
            with pytest.raises(AssertionError, match="expected to be denied by nobody"):
                call.check(denied_by="nobody")
            mesh.apply(POLICY)
            mesh.call("http://api/", source="web.shop").check(denied_by="none", status=403)

        def test_another_starts_anew(mesh):
            with pytest.raises(Exception, match="nothing here is web"):
                mesh.call("http://api/", source="web.shop")
        """
    )
    ran = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    ran.assert_outcomes(passed=2)


def test_junit_tells_of_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.mesh-test.yaml").write_text("tests: [\n")
    xml = run(str(tmp_path), "-o", "junit", status=1).partition("\n")[2]
    root = ElementTree.fromstring(xml[: xml.index("</testsuites>") + 13])  # noqa: S314 - our own
    assert (root.get("tests"), root.get("errors")) == ("1", "1")
    (case,) = root.iter("testcase")
    assert (case.get("name"), case.find("error") is not None) == ("LAT0003", True)
    assert "\nBail out! " in run(str(tmp_path), "-o", "tap", status=1)
