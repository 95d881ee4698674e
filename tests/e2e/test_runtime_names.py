"""Services are found and reached in every form that Kubernetes has, and by no other name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.harness import Mesh, eventually

RESOLVE = """
import socket, struct
def found(name):
    try:
        return sorted({entry[4][0] for entry in socket.getaddrinfo(name, 80)})
    except socket.gaierror:
        return []
def ask(name, qtype, tcp=False):
    labels = b''.join(bytes([len(part)]) + part.encode() for part in name.split('.'))
    query = struct.pack('!HHHHHH', 7, 0x100, 1, 0, 0, 0) + labels + struct.pack('!BHH', 0, qtype, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
        s.settimeout(5); s.connect(('198.18.0.1', 53))
        s.sendall(struct.pack('!H', len(query)) + query if tcp else query)
        answer = s.recv(4096)[2 if tcp else 0:]
    _, flags, _, answers, _, _ = struct.unpack('!HHHHHH', answer[:12])
    return flags & 15, answers
"""
MORE = """
apiVersion: v1
kind: Service
metadata: {{name: by-hand, namespace: run}}
spec:
  ports: [{{name: http, port: 80, targetPort: 8080}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: by-hand-1, namespace: run, labels: {{kubernetes.io/service-name: by-hand}}}}
addressType: IPv4
ports: [{{name: http, port: 8080, protocol: TCP}}]
endpoints: [{{addresses: ["{address}"]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: sticky, namespace: run}}
spec:
  selector: {{app: talk}}
  sessionAffinity: ClientIP
  ports: [{{name: http, port: 80, targetPort: 8080}}]
"""


def talk_pods(runtime: Mesh) -> dict[str, str]:
    """Names and addresses."""
    return {pod["name"]: pod["ip"] for pod in runtime.pods("talk-")}


def resolved(runtime: Mesh, *names: str) -> Any:
    said = runtime.inside(f"{RESOLVE}\nimport json\nprint(json.dumps(list(map(found, {names!r}))))")
    return json.loads(said)


def test_a_service_has_one_address_under_each_of_its_names(runtime: Mesh) -> None:
    full = "talk.run.svc.cluster.local"
    found = resolved(
        runtime, "talk", "talk.run", "talk.run.svc", full, f"{full}.", "TALK", "talk-alias"
    )
    assert len({tuple(each) for each in found}) == 1
    assert found[0][0].startswith("198.19.")


def test_a_headless_service_has_the_addresses_of_its_pods(runtime: Mesh) -> None:
    assert resolved(runtime, "talk-each") == [sorted(talk_pods(runtime).values())]


def test_a_name_that_nobody_has_does_not_exist(runtime: Mesh) -> None:
    assert resolved(runtime, "nothing", "talk.elsewhere", "lonely") == [[], [], []]


def test_only_a_records_are_there_and_the_rest_is_empty_not_missing(runtime: Mesh) -> None:
    full = "talk.run.svc.cluster.local"
    code = f"""{RESOLVE}
print([ask('{full}', qtype) for qtype in (1, 28, 16, 33)], ask('{full}', 1, tcp=True))
print(ask('nothing.run.svc.cluster.local', 28), ask('outside.example', 28))
"""
    assert runtime.inside(code).split("\n") == [
        "[(0, 1), (0, 0), (0, 0), (0, 0)] (0, 1)",
        "(3, 0) (0, 0)",
    ]


def test_every_pod_of_a_service_is_asked_in_turn(runtime: Mesh) -> None:
    hosts = {runtime.call("http://talk/").json["host"] for _ in range(30)}
    assert hosts == set(talk_pods(runtime))


def test_pods_are_reached_by_address_themselves_and_through_their_own_service(
    runtime: Mesh,
) -> None:
    own = runtime.pods("caller-")[0]["ip"]
    for url in (f"http://{own}:8080/", "http://caller/", "http://127.0.0.1:8080/"):
        assert runtime.call(url).json["name"] == "caller", url
    code = """
import socket
for address in sorted({entry[4][0] for entry in socket.getaddrinfo('talk-each', 9000)}):
    s = socket.create_connection((address, 9000), timeout=5); s.sendall(b'echo\\nhi\\n'); print(s.recv(99))
"""
    assert runtime.inside(code).split("\n") == [r"b'talk:hi\n'"] * 2


def test_a_pod_without_a_proxy_calls_and_is_called(runtime: Mesh) -> None:
    assert runtime.call("http://plain/").json["name"] == "plain"
    assert runtime.call("http://plain.run/", via="/plain").json["name"] == "plain"


@pytest.fixture
def more(runtime: Mesh) -> Iterator[Mesh]:
    """Services that are added to the running mesh, one with endpoints written by hand."""
    place = runtime.folder / "more.yaml"
    place.write_text(MORE.format(address=next(iter(talk_pods(runtime).values()))))
    yield runtime
    place.unlink()


def test_a_service_without_selector_leads_to_the_endpoints_written_for_it(more: Mesh) -> None:
    assert eventually(lambda: more.call("http://by-hand/").status == 200)
    name, address = next(iter(talk_pods(more).items()))
    assert more.call("http://by-hand/").json["host"] == name, address
