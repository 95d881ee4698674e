"""What crosses the sandbox's bridge between pods is TLS, and nothing of a request is to be read."""

from __future__ import annotations

import json
import subprocess

from tests.e2e.harness import Mesh

MARKER = "a-word-nobody-else-says"
# Runs in the sandbox's root network namespace, where the bridge is: prints how many packets of TCP
# payload it saw, how many of them began a TLS record, and whether the marker was among them.
SNIFF = f"""
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.settimeout(0.2)
print('ready', flush=True)
seen = tls = 0; marker = False; done = False
import threading
threading.Thread(target=lambda: (sys.stdin.read(), globals().update(done=True)), daemon=True).start()
while not done:
    try: frame = s.recv(65535)
    except TimeoutError: continue
    if frame[12:14] != b'\\x08\\x00' or frame[23] != 6: continue
    ihl = (frame[14] & 15) * 4; tcp = 14 + ihl; data = frame[tcp + (frame[tcp + 12] >> 4) * 4:14 + int.from_bytes(frame[16:18], 'big')]
    if not data: continue
    seen += 1; tls += data[0] in (20, 21, 22, 23) and data[1] == 3
    marker = marker or {MARKER!r}.encode() in data or b'HTTP/1.1' in data
print(seen, tls, int(marker), flush=True)
"""


def sandbox_pid(mesh: Mesh) -> int:
    """The agent itself, the first process of the sandbox, by its number on the host."""
    launcher = json.loads((mesh.run / "pids.json").read_text())["agent"]
    with open(f"/proc/{launcher}/task/{launcher}/children") as children:
        return int(children.read().split()[0])


def test_between_pods_there_is_tls_and_no_plaintext(mesh: Mesh) -> None:
    into = [*mesh.prefix, "nsenter", "--target", str(sandbox_pid(mesh)), "--net"]
    if mesh.uid:
        into += ["--user", "--preserve-credentials"]
    with subprocess.Popen(
        [*into, mesh.python, "-c", SNIFF],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sniffer:
        assert sniffer.stdin is not None
        assert sniffer.stdout is not None
        assert sniffer.stdout.readline() == "ready\n"
        for _ in range(20):
            answer = mesh.call("http://other/", headers={"x-marker": MARKER})
            assert answer.json["headers"]["x-marker"] == MARKER
        sniffer.stdin.close()
        seen, tls, plaintext = (int(word) for word in sniffer.stdout.readline().split())
    assert seen >= 40, "the bridge carried the requests"
    assert tls > 0.5 * seen, "packets begin TLS records (a long record spans several)"
    assert plaintext == 0
