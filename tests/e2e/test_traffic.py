"""Requests through the gateway and between pods meet the routes that were written."""

from __future__ import annotations

from collections import Counter

from tests.e2e.harness import Mesh, eventually


def test_a_request_from_outside_reaches_the_app_with_its_own_client_address(mesh: Mesh) -> None:
    answer = mesh.get("/hello", headers={"Host": "anything.example.com"})
    assert answer.status == 200
    assert answer.json["name"] == "web"
    assert answer.json["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_services_find_each_other_by_every_form_of_their_name(mesh: Mesh) -> None:
    for name in ("canary", "canary.shop", "canary.shop.svc", "canary.shop.svc.cluster.local"):
        answer = mesh.call(f"http://{name}/")
        assert answer.status == 200, (name, answer)
        assert answer.json["name"] == "canary"


def test_a_split_of_90_to_10_is_kept_within_three_percent(mesh: Mesh) -> None:
    seen = Counter(mesh.get("/canary").json["version"] for _ in range(3000))
    assert 0.87 <= seen["v1"] / 3000 <= 0.93, seen
    assert seen["v1"] + seen["v2"] == 3000


def test_a_redirect_a_fault_a_rewrite_and_a_match_on_everything(mesh: Mesh) -> None:
    redirect = mesh.get("/old")
    assert (redirect.status, redirect.headers["location"].endswith("/new")) == (302, True)
    assert mesh.get("/faulty").status == 418
    assert mesh.get("/other/x").json["path"] == "/x"
    user = {"end-user": "jason"}
    assert mesh.get("/by-header?debug=1", headers=user).status == 299
    assert mesh.get("/by-header?debug=0", headers=user).status == 200
    assert mesh.get("/by-header?debug=1").status == 200


def test_a_host_nobody_knows_is_not_found_by_name(mesh: Mesh) -> None:
    answer = mesh.call("http://nothing-here.shop.svc.cluster.local/")
    assert answer.status == 0
    assert "not known" in answer.text or "resolution" in answer.text, answer.text


def test_config_maps_and_empty_dirs_are_there(mesh: Mesh) -> None:
    code = "import os; print(os.environ['COLOUR'], open('/etc/settings/greeting.txt').read())"
    assert mesh.inside(code) == "blue hello"
    assert mesh.inside("open('/scratch/x','w').write('1'); print(open('/scratch/x').read())") == "1"
    assert "Read-only" in mesh.inside("open('/etc/settings/y','w')")


def test_an_app_that_ends_is_started_again_and_its_log_is_kept(mesh: Mesh) -> None:
    before = mesh.pods("other")[0]["restarts"]
    mesh.get("/other/exit?code=3")
    eventually(lambda: mesh.pods("other")[0]["restarts"] > before)
    assert eventually(lambda: mesh.get("/other/").status == 200)
    assert mesh.pods("other")[0]["restarts"] == before + 1
    assert "other listens on 8080" in mesh.lateen("logs", "other").stdout


def test_the_circuit_breaker_opens_against_failing_endpoints_and_closes_again(mesh: Mesh) -> None:
    for pod in range(2):
        del pod
        mesh.get("/flaky/failing?status=0")
    assert mesh.get("/flaky/").status == 200
    hosts: set[str] = set()
    while len(hosts) < 2:
        hosts.add(mesh.get("/flaky/failing?status=503").json["host"])
    assert eventually(lambda: "no healthy upstream" in mesh.get("/flaky/").text, every=0)

    def stat(name: str) -> int:
        lines = mesh.admin("istio-ingressgateway", f"/stats?filter=flaky.*{name}").splitlines()
        return sum(int(line.rpartition(" ")[2]) for line in lines)

    assert eventually(lambda: stat("ejections_active") == 2)
    assert stat("ejections_enforced_consecutive_5xx") >= 2

    healed: set[str] = set()

    def all_healed() -> bool:
        answer = mesh.get("/flaky/failing?status=0")
        if answer.status == 200:
            healed.add(answer.json["host"])
        return healed == hosts

    assert eventually(all_healed)
    assert eventually(lambda: stat("ejections_active") == 0)
    answers = [mesh.get("/flaky/") for _ in range(100)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["host"] for answer in answers} == hosts
