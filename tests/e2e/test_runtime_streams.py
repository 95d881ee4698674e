"""Streams go on while the mesh changes around them; calls on one connection reach every pod."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.harness import Mesh, eventually

CHANGES = 20
SECONDS = 8
# In the table, among the listeners and among the clusters that the streams go through.
UNRELATED = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: unrelated, namespace: run}}
spec:
  hosts: [unrelated.example.com]
  http: [{{match: [{{uri: {{prefix: /{number}}}}}], route: [{{destination: {{host: caller}}}}]}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: unrelated, namespace: run}}
spec:
  host: caller
  subsets: [{{name: s{number}, labels: {{app: caller}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: unrelated, namespace: run}}
spec:
  selector: {{app: caller}}
  ports: [{{name: http, port: {port}, targetPort: 8080}}]
"""
LASTING = f"""
import grpc, json, queue, socket, time
from collections import Counter
s = socket.create_connection(('talk', 80), timeout=10)
s.sendall(b'GET /socket HTTP/1.1\\r\\nHost: talk\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n'
          b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n')
assert b' 101 ' in s.recv(999)
channel = grpc.insecure_channel('talk:9005')
asked = queue.Queue(); each = channel.stream_stream('/test.Talk/Each')(iter(asked.get, None))
got, end = Counter(), time.monotonic() + {SECONDS}
while time.monotonic() < end:
    s.sendall(bytes([0x81, 0x82, 0, 0, 0, 0]) + b'hi'); got[s.recv(99).hex()] += 1
    asked.put(b'a'); got[next(each).decode()] += 1
    time.sleep(0.02)
asked.put(None)
print(json.dumps(got))
"""
BALANCED = """
import grpc, json
from collections import Counter
channel = grpc.insecure_channel('talk:9005')
upper = channel.unary_unary('/test.Talk/Upper')
def pod():
    return dict(upper.with_call(b'x', timeout=5)[1].initial_metadata())['pod']
print(json.dumps(Counter(pod() for _ in range(200))))
"""


def test_a_websocket_and_a_grpc_stream_outlive_changes_that_do_not_concern_them(
    runtime: Mesh,
) -> None:
    file = runtime.folder / "unrelated.yaml"
    try:
        with ThreadPoolExecutor() as pool:
            lasting = pool.submit(runtime.inside, LASTING)
            for number in range(CHANGES):
                file.write_text(UNRELATED.format(number=number, port=8100 + number % 2))
                told = runtime.lateen("apply", "--wait", "-o", "json")
                assert json.loads(told.stdout)["waited"]["complete"]
                if lasting.done():
                    break
            echoed = json.loads(lasting.result(timeout=60))
        print(f"{number + 1} changes, echoes {echoed}")
        assert number >= 3
        assert echoed.keys() == {"81026869", "A"}
        assert echoed["A"] == echoed["81026869"] > 20
    finally:
        file.unlink()
    assert eventually(lambda: not runtime.status()["refused"])


def test_calls_on_one_connection_are_spread_over_all_pods(runtime: Mesh) -> None:
    seen: Counter[str] = Counter(json.loads(runtime.inside(BALANCED)))
    print(dict(seen))
    assert len(seen) == 2, "both replicas answer"
    assert all(count >= 50 for count in seen.values()), seen
