"""Answer every request with what stands in /data/name; write it there if nothing does."""

import http.server
import os
import socket
from pathlib import Path

NAME = Path("/data/name")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = NAME.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


if not NAME.exists():
    NAME.write_text(f"{socket.gethostname()} {os.environ.get('POD_UID', '')}")
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
