"""An issuer's keys, an authorizer and an app in one small server, for tests.

`/keys` gives the key set of the environment. Below `/check` it is an authorizer that lets in who says
`x-pass: please`. Anything else tells what reached it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def bare(address: str) -> str:
    """Speak to another pod past its own proxy's rules, in the clear."""
    with contextlib.suppress(OSError), socket.create_connection((address, 8080), 5) as link:
        link.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        return repr(link.recv(100))
    return "closed"


class Handler(BaseHTTPRequestHandler):
    """Answers on every path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, told = 200, json.dumps({"path": self.path, "headers": headers})
        if self.path == "/keys":
            told = os.environ.get("KEYS", "")
        elif self.path.startswith("/bare?"):
            told = bare(self.path.partition("?")[2])
        elif self.path.startswith("/check/"):
            status = 200 if headers.get("x-pass") == "please" else 403
            told = "say please"
        self.send_response(status)
        self.send_header("x-user", "jane")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told.encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
