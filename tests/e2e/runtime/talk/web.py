"""The HTTP side of the app for tests: echoes, streams, holds, and runs code that tests send."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import os
import struct
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NAME = os.environ.get("NAME", "talk")
HEALTH = {"live": 200, "ready": 200, "started": 200}
SEEN: dict[str, int] = {}


def run(code: str) -> dict[str, object]:
    """Run code a test sent; says what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "<test>", "exec"), {"__name__": "__test__"})
            fault = ""
        except BaseException:
            fault = traceback.format_exc(limit=1)
    return {"out": printed.getvalue(), "fault": fault}


class Handler(BaseHTTPRequestHandler):
    """Answers on every path; a few have a meaning."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    timeout = 60

    def answer(self) -> None:
        self.server.count(1)
        try:
            self.answer_it()
        finally:
            self.server.count(-1)

    def answer_it(self) -> None:
        parts = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        SEEN[parts.path] = SEEN.get(parts.path, 0) + 1
        special = getattr(self, "at_" + parts.path.strip("/").replace("-", "_"), None)
        if special is not None:
            special()
        elif parts.path.strip("/") in HEALTH:
            self.say(b"", status=HEALTH[parts.path.strip("/")])
        else:
            self.say(json.dumps(self.about()).encode())

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def about(self) -> dict[str, object]:
        body = self.body()
        return {
            "name": NAME,
            "version": os.environ.get("VERSION", ""),
            "host": os.environ.get("HOSTNAME", ""),
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }

    def body(self) -> bytes:
        """The request's body, by length or in chunks."""
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def say(self, text: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def chunk(self, text: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(text), text))

    def at_run(self) -> None:
        self.say(json.dumps(run(self.body().decode())).encode())

    def at_call(self) -> None:
        """One request to somewhere else; a status of 0 means no answer at all."""
        try:
            with urllib.request.urlopen(self.query["url"], timeout=10) as r:
                said = {"status": r.status, "body": r.read().decode(), "headers": dict(r.headers)}
        except urllib.error.HTTPError as fault:
            said = {"status": fault.code, "body": fault.read().decode(), "headers": {}}
        except (OSError, ValueError) as fault:
            said = {"status": 0, "body": str(fault), "headers": {}}
        self.say(json.dumps(said).encode())

    def at_health(self) -> None:
        HEALTH[self.query["of"]] = int(self.query["status"])
        self.say(b"")

    def at_hold(self) -> None:
        """A long poll: nothing is said for a while."""
        time.sleep(float(self.query["seconds"]))
        self.say(b"held")

    def at_events(self) -> None:
        """Server-sent events, in chunks, with a pause between; trailers at the end."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Trailer", "X-Sum")
        self.end_headers()
        for number in range(3):
            self.chunk(b"data: %d\n\n" % number)
            time.sleep(0.3)
        self.wfile.write(b"0\r\nX-Sum: 3\r\n\r\n")

    def at_gzip(self) -> None:
        self.say(gzip.compress(b"words " * 1000, mtime=0), Content_Encoding="gzip")

    def at_big(self) -> None:
        """Many bytes with a length."""
        self.send_response(200)
        self.send_header("content-length", self.query["bytes"])
        self.end_headers()
        left = int(self.query["bytes"])
        while left:
            left -= self.wfile.write(b"b" * min(left, 65536))

    def at_until_close(self) -> None:
        """HTTP/1.0's way: no length, the end is the connection's."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"c" * int(self.query["bytes"]))
        self.close_connection = True

    def at_socket(self) -> None:
        """A WebSocket that echoes short messages (RFC 6455)."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(
            hashlib.sha1(key.encode(), usedforsecurity=False).digest()
        ).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        while head := self.rfile.read(2):
            mask, body = self.rfile.read(4), self.rfile.read(head[1] & 0x7F)
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(body))
            self.wfile.write(struct.pack("BB", head[0], len(text)) + text)
            if head[0] & 0x0F == 8:
                break
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        print(f"{self.command} {self.path}", file=sys.__stdout__, flush=True)


class Server(ThreadingHTTPServer):
    """With room for bursts; it knows how many requests are under way."""

    request_queue_size = 256
    daemon_threads = True
    under_way = 0
    changed = threading.Condition()

    def count(self, by: int) -> None:
        with self.changed:
            self.under_way += by
            self.changed.notify_all()

    def until_idle(self) -> None:
        """Wait for the answers to what was asked before; connections may stay open."""
        with self.changed:
            self.changed.wait_for(lambda: not self.under_way, timeout=30)
