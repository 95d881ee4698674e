"""Small servers that stand for apps, and a small client."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler


class App(BaseHTTPRequestHandler):
    """Answers with the path and headers it got; how their names were written is in `X-Names`."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path} | {k.lower(): v for k, v in self.headers.items()})
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("X-Names", ",".join(self.headers))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Greeter(BaseRequestHandler):
    """Speaks first, as a mail server or a database does, then echoes."""

    def handle(self) -> None:
        self.request.sendall(b"hello ")
        self.request.sendall(self.request.recv(100))


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, host: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as link:
        link.request("GET", path, headers={"host": host, **headers})
        answer = link.getresponse()
        return answer.status, answer.read().decode()
