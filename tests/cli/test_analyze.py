"""`lateen analyze`: what it prints in each form, how it ends, what is left out, and what it mends."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from lateen.cli.main import main

SCHEMA = Path(__file__).parent / "schemas" / "sarif-2.1.0.json"
KEYS = ["code", "level", "kind", "namespace", "name", "field", "file", "line", "column"]
ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
  namespace: shop
  annotations: {}
spec:
  hosts: [nowhere]
  http:
    - route:
        - destination: {host: nowhere, port: {number: "80"}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: nobody}
  ports: [{port: 80, name: http}]
"""


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def codes(self) -> list[str]:
        return [problem["code"] for problem in self.json]


class Shell:
    """Runs `lateen analyze` in this process, in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str, stdin: str = "") -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["lateen", "analyze", *words])
        self._monkeypatch.setattr(sys, "stdin", StringIO(stdin))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)


@pytest.fixture
def analyze(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


@pytest.fixture
def faulty(analyze: Shell) -> Shell:
    """With a route that has two errors, and a Service of which there is a warning."""
    Path("k8s").mkdir()
    Path("k8s/route.yaml").write_text(ROUTE)
    Path("k8s/service.yaml").write_text(SERVICE)
    return analyze


def test_a_problem_says_what_where_why_how_to_mend_it_and_where_to_read_on(faulty: Shell) -> None:
    ended = faulty("k8s")
    lines = ended.out.splitlines()
    assert lines[:3] == [
        "k8s/route.yaml:11:25: error IST0101 VirtualService shop/web"
        ' spec.http[0].route[0].destination.host: Referenced host not found: "nowhere"',
        "    fix: add a Service or ServiceEntry for it",
        "    see: docs/problems/IST0101.md",
    ]
    assert lines[-1] == "2 errors, 1 warning in 2 objects of 2 files"
    assert ended.status == 1


def test_json_is_a_list_of_plain_records(faulty: Shell) -> None:
    ended = faulty("k8s", "-o", "json")
    assert [list(record) for record in ended.json] == [[*KEYS, "message", "fix"]] * 3
    wrong = next(r for r in ended.json if r["code"] == "IST0106")
    assert wrong | {"column": 0} == {
        "code": "IST0106",
        "level": "Error",
        "kind": "VirtualService",
        "namespace": "shop",
        "name": "web",
        "field": "spec.http[0].route[0].destination.port.number",
        "file": "k8s/route.yaml",
        "line": 11,
        "column": 0,
        "message": 'wanted a whole number, got the text "80"',
        "fix": "write it without quotes: 80",
    }


def test_yaml_says_the_same_as_json(faulty: Shell) -> None:
    assert yaml.safe_load(faulty("k8s", "-o", "yaml").out) == faulty("k8s", "-o", "json").json


def test_sarif_keeps_to_its_schema(faulty: Shell) -> None:
    log = faulty("k8s", "-o", "sarif").json
    jsonschema.validate(log, json.loads(SCHEMA.read_text()))
    run = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["IST0101", "IST0106", "LAT0009"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "k8s/route.yaml"}
    assert place["region"]["startLine"] == 11
    assert [r["level"] for r in run["results"]] == ["error", "error", "warning"]


def test_sarif_of_nothing_keeps_to_its_schema_too(analyze: Shell) -> None:
    log = analyze("-", "-o", "sarif", stdin="").json
    jsonschema.validate(log, json.loads(SCHEMA.read_text()))
    assert log["runs"][0]["results"] == []


def test_junit_fails_the_objects_that_fail_the_analysis(faulty: Shell) -> None:
    root = ElementTree.fromstring(faulty("k8s", "-o", "junit").out.partition("\n")[2])  # noqa: S314 - our own
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    route, service = cases["VirtualService shop/web"], cases["Service shop/web"]
    failures = route.findall("failure")
    assert [f.get("type") for f in failures] == ["IST0101"]
    assert "IST0106" in (failures[0].text or "")
    assert service.find("failure") is None
    assert "LAT0009" in (service.findtext("system-out") or "")


def test_github_gets_annotations_at_lines(faulty: Shell) -> None:
    Path("k8s/a,b.yaml").write_text(SERVICE.replace("name: web,", "name: 50%,"))
    lines = faulty("k8s", "-o", "github").out.splitlines()
    commands = [line.partition(" ")[0] for line in lines]
    assert commands == ["::error", "::warning", "::error", "::error", "::warning"]
    assert "file=k8s/a%2Cb.yaml" in lines[0]
    assert "50%25" in lines[0]
    assert "%0Afix: " in lines[2]
    assert "line=11" in lines[2]


def test_a_clean_set_ends_with_0(analyze: Shell) -> None:
    ended = analyze(
        "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: c}\n"
    )
    assert (ended.status, ended.out) == (0, "No problems in 1 object of 1 file\n")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([], 0),
        (["--failure-threshold", "Warning"], 1),
        (["--failure-threshold", "warning"], 1),
        (["--strict"], 1),
        (["--strict", "--suppress", "LAT0009"], 0),
        (["--suppress", "LAT00*", "--failure-threshold", "Info"], 0),
        (["--output-threshold", "Error", "--failure-threshold", "Warning"], 1),
    ],
)
def test_warnings_fail_only_when_asked_to(faulty: Shell, words: list[str], status: int) -> None:
    assert faulty("k8s/service.yaml", *words).status == status


def test_strict_makes_errors_of_warnings(faulty: Shell) -> None:
    (problem,) = faulty("k8s/service.yaml", "--strict", "-o", "json").json
    assert (problem["code"], problem["level"]) == ("LAT0009", "Error")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("IST0101=VirtualService web.shop", ["IST0106"]),
        ("IST0101=VirtualService web", ["IST0106"]),
        ("IST01*=VirtualService *.shop", []),
        ("*=VirtualService web.other", ["IST0106", "IST0101"]),
        ("IST0101=Service web.shop", ["IST0106", "IST0101"]),
    ],
)
def test_a_code_can_be_left_out_of_some_objects(faulty: Shell, said: str, left: list[str]) -> None:
    assert sorted(faulty("k8s/route.yaml", "-S", said, "-o", "json").codes) == sorted(left)


@pytest.mark.parametrize(
    ("said", "left"), [("IST0101", ["IST0106"]), ("IST0101, IST0106", []), ("*", []), ("LAT*", 2)]
)
def test_an_object_can_leave_codes_out_itself(
    analyze: Shell, said: str, left: list[str] | int
) -> None:
    annotation = f"annotations: {{galley.istio.io/analyze-suppress: '{said}'}}"
    Path("a.yaml").write_text(ROUTE.replace("annotations: {}", annotation))
    codes = analyze("a.yaml", "-o", "json").codes
    assert (len(codes) if isinstance(left, int) else codes) == left


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere.yaml"],
        ["k8s", "-o", "xml"],
        ["k8s", "--suppress", "IST0101=web"],
        ["k8s", "--dry-run"],
        ["--explain", "IST9"],
    ],
)
def test_wrong_usage_ends_with_2(faulty: Shell, words: list[str]) -> None:
    ended = faulty(*words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err


def test_without_a_path_and_a_mesh_it_says_so(
    analyze: Shell, monkeypatch: pytest.MonkeyPatch, short: Path
) -> None:
    monkeypatch.setenv("LATEEN_RUN_DIR", str(short))
    ended = analyze()
    assert ended.status == 1
    assert "no mesh default runs" in ended.err
    assert "`lateen analyze PATH` looks at files" in ended.err


def test_unknown_kinds_are_named_and_fail_nothing(analyze: Shell) -> None:
    text = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\nspec: {}\n"
    ended = analyze("-", "--strict", "-o", "json", stdin=text)
    assert ended.status == 0
    (problem,) = ended.json
    assert (problem["code"], problem["level"], problem["kind"]) == (
        "LAT0001",
        "Info",
        "Certificate",
    )


OLD = """\
# before
apiVersion: networking.istio.io/v1alpha1   # long gone
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  trafficPolicy:
    outlierDetection:
      # five
      consecutiveErrors: 5    # in a row
      base_ejection_time: 30s
---
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, namespace: shop}
    spec:
      replicas: '2'
      template:
        metadata: {labels: {app: web}}
        spec:
          containers:
            - name: web
              image: web:1
              env: [{name: DEBUG, value: yes}, {name: PORT, value: 8080}]
"""
MENDED = (
    OLD.replace("v1alpha1 ", "v1 ")
    .replace("consecutiveErrors", "consecutive5xxErrors")
    .replace("base_ejection_time", "baseEjectionTime")
    .replace(
        "      replicas: '2'", '      selector: {"matchLabels": {"app": "web"}}\n      replicas: 2'
    )
    .replace("value: yes", 'value: "yes"')
    .replace("value: 8080", 'value: "8080"')
)


def test_fix_changes_what_is_wrong_and_nothing_else(analyze: Shell) -> None:
    path = Path("a.yaml")
    path.write_text(OLD)
    path.chmod(0o640)
    Path("link.yaml").symlink_to(path)
    ended = analyze("link.yaml", "--fix")
    assert path.read_text() == MENDED
    assert Path("link.yaml").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert "IST0106" not in ended.out
    assert set(os.listdir()) == {"a.yaml", "link.yaml"}


def test_fix_of_windows_lines_keeps_them(analyze: Shell) -> None:
    path = Path("a.yaml")
    path.write_bytes(OLD.replace("\n", "\r\n").encode())
    analyze("a.yaml", "--fix")
    assert path.read_bytes().decode() == MENDED.replace("\n", "\r\n")


def test_fix_counts_characters_not_bytes(analyze: Shell) -> None:
    before = "\ufeff# größer als 日本語 🚢\n"
    path = Path("a.yaml")
    path.write_text(before + OLD.replace("# five", "# fünf 🚢"), encoding="utf-8")
    analyze("a.yaml", "--fix")
    assert path.read_text(encoding="utf-8") == before + MENDED.replace("# five", "# fünf 🚢")


def test_a_dry_run_shows_the_difference_and_writes_nothing(analyze: Shell) -> None:
    path = Path("a.yaml")
    path.write_text(OLD)
    ended = analyze("a.yaml", "--fix", "--dry-run")
    assert path.read_text() == OLD
    assert "-apiVersion: networking.istio.io/v1alpha1   # long gone" in ended.out
    assert "+apiVersion: networking.istio.io/v1   # long gone" in ended.out


def test_fix_leaves_a_file_alone_that_is_no_yaml(analyze: Shell) -> None:
    text = OLD + "---\na: [\n"
    Path("a.yaml").write_text(text)
    analyze("a.yaml", "--fix")
    assert Path("a.yaml").read_text() == text


def test_fix_finds_the_right_one_of_several(analyze: Shell) -> None:
    item = (
        "  - apiVersion: networking.istio.io/{version}\n    kind: DestinationRule\n"
        "    metadata: {{name: {name}}}\n    spec: {{host: web}}\n"
    )
    head = "apiVersion: v1\nkind: List\nitems:\n"
    good, bad = item.format(version="v1beta1", name="a"), item.format(version="v1alpha1", name="b")
    Path("a.yaml").write_text(head + good + bad + good.replace("name: a", "name: c"))
    analyze("a.yaml", "--fix")
    mended = bad.replace("v1alpha1", "v1")
    assert Path("a.yaml").read_text() == head + good + mended + good.replace("name: a", "name: c")
