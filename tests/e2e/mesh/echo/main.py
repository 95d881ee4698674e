"""A small HTTP server for tests: says who it is, calls others, fails or runs code when told to.

It is only ever reachable inside a test's mesh. PORT is the port, NAME what it calls itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
import traceback
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NAME = os.environ.get("NAME", "echo")
FAILING = {"status": 0}


def call(url: str, headers: dict[str, str]) -> dict[str, object]:
    """One request to somewhere else; a status of 0 means no answer at all."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as r:
            return {"status": r.status, "body": r.read().decode(), "headers": dict(r.headers)}
    except urllib.error.HTTPError as fault:
        return {"status": fault.code, "body": fault.read().decode(), "headers": dict(fault.headers)}
    except (OSError, ValueError) as fault:
        return {"status": 0, "body": str(fault), "headers": {}}


def run(code: str) -> dict[str, object]:
    """Run code a test sent, as the attacker inside an app that it plays; says what it printed."""
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
    disable_nagle_algorithm = True  # headers and body are two writes

    def answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        parts = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        status, result = 200, self.about(body)
        if parts.path == "/call":
            result = call(query["url"], json.loads(query.get("headers", "{}")))
        elif parts.path == "/run":
            result = run(body.decode())
        elif parts.path == "/failing":
            FAILING["status"] = int(query["status"])
        elif parts.path == "/exit":
            os._exit(int(query.get("code", "1")))
        elif parts.path.startswith("/status/"):
            status = int(parts.path.rpartition("/")[2])
        elif FAILING["status"] and parts.path not in ("/health", "/ready"):
            status = FAILING["status"]
        text = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

    def about(self, body: bytes) -> dict[str, object]:
        return {
            "name": NAME,
            "version": os.environ.get("VERSION", ""),
            "host": socket.gethostname(),
            "method": self.command,
            "path": self.path,
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "body": body.decode(errors="replace"),
            "peer": self.client_address[0],
        }

    def log_message(self, format: str, *args: object) -> None:
        # Not sys.stdout, which `run` may have borrowed for the moment.
        print(f"{self.command} {self.path}", file=sys.__stdout__, flush=True)


class Server(ThreadingHTTPServer):
    """With room for bursts."""

    request_queue_size = 256
    daemon_threads = True


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    print(f"{NAME} listens on {port}", file=sys.stderr, flush=True)
    Server(("0.0.0.0", port), Handler).serve_forever()
