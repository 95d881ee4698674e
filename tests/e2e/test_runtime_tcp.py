"""Bytes over TCP arrive whole and in both directions, inside the mesh and to servers outside it."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Mesh

DIAL = """
import socket, time, threading, hashlib
def dial(host, port):
    s = socket.create_connection((host, port), timeout=20)
    s.settimeout(20)
    return s
def rest(s):
    total = 0
    while part := s.recv(1 << 18):
        total += len(part)
    return total
def last(host, port, size, pause, half):
    with dial(host, port) as s:
        s.sendall(b"last %d\\n" % size)
        if half:
            s.shutdown(socket.SHUT_WR)
        time.sleep(pause)
        return rest(s)
def many(call, times):
    found = []
    threads = [threading.Thread(target=lambda: found.append(call())) for _ in range(times)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return found
"""
COMMANDS = ("talk:9000", "talk-each:9000", "outside.example:9000")


def at(place: str) -> str:
    host, _, port = place.partition(":")
    return f"'{host}', {port}"


@pytest.mark.parametrize("place", ["talk:9000", "talk:9100", "talk-alias:9000", "talk-each:9000"])
def test_a_client_that_speaks_first_is_answered(runtime: Mesh, place: str) -> None:
    code = f"{DIAL}\ns = dial({at(place)}); s.sendall(b'echo\\nhello\\n'); print(s.recv(99))"
    assert runtime.inside(code) == r"b'talk:hello\n'"


@pytest.mark.parametrize(
    ("port", "longest"),
    [
        pytest.param(9001, 0.2, id="appProtocol tcp"),
        pytest.param(3306, 0.2, id="a port of Istio's list"),
        pytest.param(9101, 2.0, id="undeclared, recognised by its silence"),
    ],
)
def test_a_server_that_speaks_first_is_heard(runtime: Mesh, port: int, longest: float) -> None:
    code = f"""{DIAL}
began = time.monotonic()
s = dial('talk', {port}); hello = s.recv(99); waited = time.monotonic() - began
s.sendall(b'hi\\n')
print(hello + s.recv(99), waited < {longest})
"""
    assert runtime.inside(code) == r"b'220 welcome\r\n250 hi\n' True"


@pytest.mark.parametrize("place", [*COMMANDS, "talk:9100"])
def test_everything_sent_until_the_end_is_counted_and_answered(runtime: Mesh, place: str) -> None:
    code = f"""{DIAL}
s = dial({at(place)}); s.sendall(b'count\\n'); s.sendall(bytes(32 << 20)); s.shutdown(socket.SHUT_WR)
print(s.recv(99).split()[0].decode())
"""
    assert runtime.inside(code) == str(32 << 20)


@pytest.mark.parametrize("half", [False, True], ids=["open", "half-closed"])
@pytest.mark.parametrize("place", COMMANDS)
def test_the_last_bytes_of_a_server_that_closes_at_once_all_arrive(
    runtime: Mesh, place: str, half: bool
) -> None:
    code = f"""{DIAL}
sizes = [100] * 8 + [300_000] * 8 + [8 << 20] * 4
found = [many(lambda: last({at(place)}, size, pause, {half}), 2) == [size, size]
         for size in sizes for pause in (0, 0.02)]
print(found.count(True), 'of', len(found))
"""
    assert runtime.inside(code) == "40 of 40"


@pytest.mark.parametrize("place", COMMANDS)
def test_a_slow_reader_gets_everything_a_server_wrote_before_it_closed(
    runtime: Mesh, place: str
) -> None:
    code = f"""{DIAL}
print(set(many(lambda: last({at(place)}, 16 << 20, 0.3, False), 4)))
"""
    assert runtime.inside(code) == f"{{{16 << 20}}}"


def test_a_connection_that_says_nothing_for_a_while_goes_on(runtime: Mesh) -> None:
    code = f"""{DIAL}
both = [dial('talk', 9000), dial('outside.example', 9000)]
for s in both: s.sendall(b'echo\\n' if s is both[0] else b'count\\n')
time.sleep(2)
both[0].sendall(b'late\\n'); both[1].sendall(b'late\\n'); both[1].shutdown(socket.SHUT_WR)
print([s.recv(99) for s in both])
"""
    assert runtime.inside(code) == r"[b'talk:late\n', b'5\n']"


def test_a_port_that_a_service_does_not_have_is_refused_at_once(runtime: Mesh) -> None:
    code = f"""{DIAL}
began = time.monotonic()
try:
    s = dial('talk', 81); print(rest(s), time.monotonic() - began < 3)
except ConnectionResetError:
    print(0, time.monotonic() - began < 3)
"""
    assert runtime.inside(code) == "0 True"
