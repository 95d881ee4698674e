"""A server for tests that counts its own requests, takes as long as it is told, and runs what tests send it."""

from __future__ import annotations

import contextlib
import io
import json
import socketserver
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COUNTS: dict[str, int] = {}


class Handler(BaseHTTPRequestHandler):
    """/status/CODE, /wait/MILLISECONDS, /metrics, /run."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        _, what, value = (*self.path.split("/"), "", "")[:3]
        status, text = 200, b"{}"
        if what == "metrics":
            lines = [f'app_requests_total{{what="{k}"}} {n}\n' for k, n in sorted(COUNTS.items())]
            text = ("# TYPE app_requests_total counter\n" + "".join(lines)).encode()
        elif what == "run":
            text = json.dumps(run(body.decode())).encode()
        else:
            COUNTS[what] = COUNTS.get(what, 0) + 1
            if what == "status":
                status = int(value)
            elif what == "wait":
                time.sleep(float(value) / 1000)
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def run(code: str) -> dict[str, object]:
    """What the code printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "<test>", "exec"), {"__name__": "__test__"})
            fault = ""
        except BaseException:
            fault = traceback.format_exc(limit=3)
    return {"out": printed.getvalue(), "fault": fault}


class Half(socketserver.BaseRequestHandler):
    """Answers a connection with half as many bytes as came, once it was told the end."""

    def handle(self) -> None:
        taken = 0
        while part := self.request.recv(65536):
            taken += len(part)
            if part.endswith(b"."):
                break
        self.request.sendall(b"x" * (taken // 2))


class Server(ThreadingHTTPServer):
    """With room for bursts."""

    request_queue_size = 256
    daemon_threads = True


if __name__ == "__main__":
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    raw = socketserver.ThreadingTCPServer(("0.0.0.0", 9000), Half)
    threading.Thread(target=raw.serve_forever, daemon=True).start()
    Server(("0.0.0.0", 8080), Handler).serve_forever()
