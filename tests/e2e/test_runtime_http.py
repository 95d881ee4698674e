"""HTTP of every kind passes the mesh unharmed: streams, uploads, upgrades, gRPC, other versions."""

from __future__ import annotations

import socket

import pytest

from tests.e2e.harness import Mesh

ASK = """
import http.client, json, time, socket, hashlib, os
def conn(port=80):
    return http.client.HTTPConnection('talk', port, timeout=20)
def get(path, port=80, method='GET', **headers):
    c = conn(port); c.request(method, path, headers=headers); r = c.getresponse()
    return r, r.read()
def raw(port, data):
    s = socket.create_connection(('talk', port), timeout=10); s.sendall(data)
    return s
"""
PORTS = pytest.mark.parametrize("port", [80, 9180], ids=["declared", "recognised"])


@PORTS
def test_events_arrive_when_they_are_sent(runtime: Mesh, port: int) -> None:
    code = f"""{ASK}
c = conn({port}); c.request('GET', '/events'); r = c.getresponse()
began = time.monotonic(); first = r.readline(); soon = time.monotonic() - began < 0.25
print(first, soon, r.read().count(b'data:'), r.headers['transfer-encoding'])
"""
    assert runtime.inside(code) == r"b'data: 0\n' True 2 chunked"


def test_events_arrive_when_they_are_sent_through_the_gateway(runtime: Mesh) -> None:
    answer = runtime.get("/talk/events")
    assert answer.text.count("data:") == 3


@PORTS
def test_large_bodies_pass_in_both_directions(runtime: Mesh, port: int) -> None:
    code = f"""{ASK}
body = bytes(range(256)) * 80_000
for chunked in (False, True):
    c = conn({port})
    given = iter([body[i:i + 65536] for i in range(0, len(body), 65536)]) if chunked else body
    c.request('POST', '/x', body=given, encode_chunked=chunked,
              headers={{'transfer-encoding': 'chunked'}} if chunked else {{}})
    said = json.loads(c.getresponse().read())
    print(said['sha256'] == hashlib.sha256(body).hexdigest())
print(len(get('/big?bytes=40000000', {port})[1]), len(get('/until-close?bytes=3000000', {port})[1]))
"""
    assert runtime.inside(code).split("\n") == ["True", "True", "40000000 3000000"]


@PORTS
def test_a_client_that_waits_for_100_continue_is_told_to_go_on(runtime: Mesh, port: int) -> None:
    code = f"""{ASK}
s = raw({port}, b'POST /x HTTP/1.1\\r\\nHost: talk\\r\\nExpect: 100-continue\\r\\nContent-Length: 5\\r\\n\\r\\n')
told = s.recv(999); s.sendall(b'hello'); print(told.split(b'\\r\\n')[0], s.recv(999)[:15])
"""
    assert runtime.inside(code) == "b'HTTP/1.1 100 Continue' b'HTTP/1.1 200 OK'"


@PORTS
def test_a_websocket_opens_and_echoes(runtime: Mesh, port: int) -> None:
    code = f"""{ASK}
s = raw({port}, b'GET /socket HTTP/1.1\\r\\nHost: talk\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n'
        b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n')
opened = s.recv(999); s.sendall(bytes([0x81, 0x82, 0, 0, 0, 0]) + b'hi')
print(b' 101 ' in opened, b's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' in opened, s.recv(99))
"""
    assert runtime.inside(code) == r"True True b'\x81\x02hi'"


def test_a_websocket_opens_through_the_gateway(runtime: Mesh) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    asked = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", runtime.http), timeout=10) as link:
        link.sendall(f"GET /talk/socket HTTP/1.1\r\nHost: x\r\n{asked}\r\n".encode())
        assert link.recv(999).startswith(b"HTTP/1.1 101 ")
        link.sendall(bytes([0x81, 0x82, 0, 0, 0, 0]) + b"hi")
        assert link.recv(99) == b"\x81\x02hi"


def test_small_things_stay_as_they_were(runtime: Mesh) -> None:
    code = f"""{ASK}
r, body = get('/x', method='HEAD'); print(r.status, int(r.headers['content-length']) > 0, body)
r, body = get('/gzip', **{{'Accept-Encoding': 'gzip'}}); print(r.headers['content-encoding'], body[:2].hex())
began = time.monotonic(); print(get('/hold?seconds=1')[1], time.monotonic() - began >= 1)
print(get('/x', **{{'X-Big': 'a' * 20000}})[0].status, get('/x?' + 'a' * 8000)[0].status)
print(json.loads(get('/a%2Fb?x=%20')[1])['path'])
s = raw(80, b'GET /a HTTP/1.1\\r\\nHost: talk\\r\\n\\r\\nGET /b HTTP/1.1\\r\\nHost: talk\\r\\nConnection: close\\r\\n\\r\\n')
print(b''.join(iter(lambda: s.recv(9999), b'')).count(b'HTTP/1.1 200'))
"""
    assert runtime.inside(code).split("\n") == [
        "200 True b''",
        "gzip 1f8b",
        "b'held' True",
        "200 200",
        "/a%2Fb?x=%20",
        "2",
    ]


@pytest.mark.parametrize("port", [9005, 9105], ids=["declared", "recognised"])
def test_grpc_calls_stream_fail_and_carry_trailers(runtime: Mesh, port: int) -> None:
    code = f"""
import grpc, queue
channel = grpc.insecure_channel('talk:{port}')
upper = channel.unary_unary('/test.Talk/Upper')
said, call = upper.with_call(b'abc', timeout=5); print(said, dict(call.trailing_metadata()))
try:
    upper(b'refuse', timeout=5)
except grpc.RpcError as error:
    print(error.code().name, error.details())
asked = queue.Queue(); each = channel.stream_stream('/test.Talk/Each')(iter(asked.get, None))
for word in (b'one', b'two'):
    asked.put(word); print(next(each))
asked.put(None); print(list(each), len(upper(b'x' * 3_000_000, timeout=10)))
"""
    assert runtime.inside(code).split("\n") == [
        "b'ABC' {'answered-by': 'talk'}",
        "FAILED_PRECONDITION refused as asked",
        "b'ONE'",
        "b'TWO'",
        "[] 3000000",
    ]


def test_a_server_outside_is_called_by_the_name_of_its_entry(runtime: Mesh) -> None:
    assert runtime.call("http://outside.example/x").text == "outside outside.example /x"
