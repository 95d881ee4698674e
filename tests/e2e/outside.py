"""A server on the host's loopback, outside every mesh, that tests own and ServiceEntries name."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Commands(socketserver.StreamRequestHandler):
    """`last N`: N bytes, and closed at once; `count`: how many bytes came until the end."""

    def handle(self) -> None:
        word, _, number = self.rfile.readline().decode().strip().partition(" ")
        if word == "last":
            self.wfile.write(b"x" * int(number))
        else:
            total = 0
            while part := self.rfile.read1(65536):
                total += len(part)
            self.wfile.write(f"{total}\n".encode())


class _Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        text = f"outside {self.headers['host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 256


@contextmanager
def serving() -> Iterator[tuple[int, int]]:
    """Serve until the end; the port of the commands and that of HTTP."""
    with (
        _Tcp(("127.0.0.1", 0), _Commands) as tcp,
        ThreadingHTTPServer(("127.0.0.1", 0), _Web) as web,
    ):
        for server in (tcp, web):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield tcp.server_address[1], web.server_address[1]
        finally:
            tcp.shutdown()
            web.shutdown()


ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: run}}
spec:
  hosts: [outside.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
    - {{number: 9000, name: tcp, protocol: TCP, targetPort: {tcp}}}
    - {{number: 80, name: http, protocol: HTTP, targetPort: {web}}}
  endpoints: [{{address: 127.0.0.1}}]
"""
