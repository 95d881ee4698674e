"""Pods are probed, restarted, given their files and replaced as Kubernetes does, losing no request."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.harness import Mesh, eventually

CARE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: run}
data: {colour: blue, extra: "1"}
---
apiVersion: v1
kind: Pod
metadata: {name: cared, namespace: run}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: talk
      image: test/talk:1.0
      env: [{name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}]
      startupProbe:
        exec: {command: [python, -c, "open('/settings/go')"]}
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        exec: {command: [python, -c, "raise SystemExit(1)"]}
        periodSeconds: 1
        failureThreshold: 1
      command: [python, -u, -c, "SCRIPT"]
      volumeMounts:
        - {name: settings, mountPath: /settings}
        - {name: settings, mountPath: /one, subPath: colour}
        - {name: some, mountPath: /some}
        - {name: none, mountPath: /none}
  volumes:
    - {name: settings, configMap: {name: settings}}
    - name: some
      configMap: {name: settings, defaultMode: 0440, items: [{key: colour, path: deep/colour, mode: 0400}]}
    - {name: none, configMap: {name: nothing, optional: true}}
---
apiVersion: v1
kind: Pod
metadata: {name: lacks, namespace: run}
spec:
  containers: [{name: talk, image: "test/talk:1.0", envFrom: [{secretRef: {name: missing}}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: crashes, namespace: run}
spec:
  containers: [{name: talk, image: "test/talk:1.0", command: [python, -c, raise SystemExit(7)]}]
"""
# What the pod sees, printed at each change: subPath and environment must not follow.
SCRIPT = (
    "import os, time; before = ''\\n"
    "while True:\\n"
    "    now = ' '.join([open('/settings/colour').read(), open('/one').read(), os.environ['COLOUR'],\\n"
    "        open('/some/deep/colour').read(), oct(os.stat('/some/deep/colour').st_mode)[-3:],\\n"
    "        str([n for n in os.listdir('/none') if n[0] != '.'])])\\n"
    "    if now != before: print(now)\\n"
    "    before = now; time.sleep(0.05)"
)


@pytest.fixture(scope="module")
def care(runtime: Mesh) -> Iterator[Mesh]:
    """The mesh with a pod that is probed and has volumes, one that lacks a Secret, one that crashes."""
    place = runtime.folder / "care.yaml"
    place.write_text(CARE.replace("SCRIPT", SCRIPT))
    yield runtime
    place.unlink()
    eventually(lambda: not runtime.pods("cared"))


def pod(mesh: Mesh, name: str) -> dict[str, Any]:
    return next(iter(mesh.pods(name)), {})


def test_a_missing_secret_is_named(care: Mesh) -> None:
    state = "CreateContainerConfigError"
    assert eventually(lambda: pod(care, "lacks").get("state") == state)
    assert pod(care, "lacks")["message"] == 'secret "missing" not found'


def test_a_container_that_keeps_ending_waits_longer_each_time(care: Mesh) -> None:
    assert eventually(lambda: pod(care, "crashes").get("state") == "CrashLoopBackOff")
    assert "back-off 10s restarting failed container=talk" in pod(care, "crashes")["message"]


def test_volumes_follow_their_config_map_and_startup_holds_liveness_back(care: Mesh) -> None:
    def printed() -> list[str]:
        return care.lateen("logs", "run/cared", "-c", "talk", check=False).stdout.splitlines()

    assert eventually(printed) == ["blue blue blue blue 400 []"]
    began = time.monotonic()
    place = care.folder / "care.yaml"
    place.write_text(place.read_text().replace("{colour: blue", "{colour: red"))
    assert eventually(lambda: len(printed()) == 2)
    assert printed()[1] == "red blue blue red 400 []"
    # By now a liveness probe that was asked would have ended it, each second again.
    assert eventually(lambda: time.monotonic() - began > 2)
    assert (pod(care, "cared")["restarts"], pod(care, "cared")["isReady"]) == (0, False)
    place.write_text(place.read_text().replace("{colour: red", "{go: yes!, colour: red"))
    assert eventually(lambda: pod(care, "cared")["restarts"] > 0)


def calling(mesh: Mesh, path: str, ended: threading.Event) -> Counter[str]:
    """Ask the gateway again and again; how often each status, or each fault, came."""
    seen: Counter[str] = Counter()
    link = http.client.HTTPConnection("127.0.0.1", mesh.http, timeout=10)
    while not ended.is_set():
        try:
            link.request("GET", path)
            answer = link.getresponse()
            answer.read()
            seen[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as fault:
            seen[repr(fault)] += 1
            link.close()
    link.close()
    return seen


INSIDE = """
import collections, http.client, socket, threading, time
seen, ends = collections.Counter(), time.monotonic() + 6
def http_calls(port, method, fresh):
    link = http.client.HTTPConnection('talk', port, timeout=10)
    while time.monotonic() < ends:
        try:
            link.request(method, '/x', body=b'x' if method == 'POST' else None)
            answer = link.getresponse(); answer.read(); seen[str(answer.status)] += 1
        except Exception as fault:
            seen[repr(fault)] += 1; link.close()
        if fresh: link.close()
        time.sleep(0.005)
def tcp_calls():
    while time.monotonic() < ends:
        try:
            with socket.create_connection(('talk', 9000), timeout=5) as s:
                s.sendall(b'echo\\nhi\\n'); seen['200' if s.recv(99) == b'talk:hi\\n' else 'cut'] += 1
        except Exception as fault:
            seen[repr(fault)] += 1
        time.sleep(0.02)
work = [(http_calls, (80, 'GET', False)), (http_calls, (80, 'POST', True)),
        (http_calls, (9180, 'GET', True)), (tcp_calls, ())]
threads = [threading.Thread(target=call, args=given) for call, given in work]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(dict(seen))
"""


def changed(mesh: Mesh, replicas: int, version: str) -> Callable[[], bool]:
    """Write the Deployment anew; whether just that many pods of that version are there and ready."""
    place = mesh.folder / "k8s" / "talk.yaml"
    text = re.sub(r"replicas: \d+", f"replicas: {replicas}", place.read_text())
    place.write_text(re.sub(r"VERSION, value: \S+}", f"VERSION, value: {version}}}", text))

    def is_so() -> bool:
        everything = mesh.api("/api/v1/namespaces/run/pods")["items"]
        pods = [p for p in everything if p["metadata"]["name"].startswith("talk-")]
        return len(pods) == replicas and all(_runs(p, version) for p in pods)

    return is_so


def _runs(obj: dict[str, Any], version: str) -> bool:
    env = obj["spec"]["containers"][0].get("env", [])
    conditions = obj["status"].get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and {"name": "VERSION", "value": version} in env


def test_no_request_is_lost_while_a_deployment_rolls_grows_and_shrinks(runtime: Mesh) -> None:
    ended = threading.Event()
    with ThreadPoolExecutor() as pool:
        outside = [
            pool.submit(calling, runtime, path, ended)
            for path in ("/talk/x", "/talk/hold?seconds=0.2")
        ]
        inside = pool.submit(runtime.inside, INSIDE)
        try:
            for replicas, version in ((3, "v2"), (1, "v2"), (2, "v1")):
                assert eventually(changed(runtime, replicas, version)), (replicas, version)
        finally:
            ended.set()
        found = [set(each.result()) for each in outside]
    assert found == [{"200"}, {"200"}]
    assert re.fullmatch(r"\{'200': \d+\}", inside.result()), inside.result()
