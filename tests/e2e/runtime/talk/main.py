"""An app for tests that speaks many protocols: HTTP/1.1, WebSocket, gRPC, and bytes over TCP.

It is only ever reachable inside a test's mesh. 8080 is HTTP, 9000 takes a command first, 9001 greets
first, 9005 is gRPC.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import socketserver
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc
from web import Handler, Server  # type: ignore[import-not-found]  # beside it in the image

NAME = os.environ.get("NAME", "talk")


class Commands(socketserver.StreamRequestHandler):
    """`echo`, `count` until the end of input, or `last N`: N bytes, and closed at once."""

    def handle(self) -> None:
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        word, _, number = self.rfile.readline().decode().strip().partition(" ")
        if word == "last":
            self.wfile.write(b"x" * int(number))
        elif word == "count":
            digest, total = hashlib.sha256(), 0
            while part := self.rfile.read1(65536):
                digest.update(part)
                total += len(part)
            self.wfile.write(f"{total} {digest.hexdigest()}\n".encode())
        else:
            while line := self.rfile.readline():
                self.wfile.write(f"{NAME}:".encode() + line)


class Greets(socketserver.StreamRequestHandler):
    """Speaks first, as SMTP and MySQL do, then repeats lines."""

    def handle(self) -> None:
        self.connection.sendall(b"220 welcome\r\n")
        while line := self.rfile.readline():
            self.wfile.write(b"250 " + line)


class TcpServer(socketserver.ThreadingTCPServer):
    """With room for bursts."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256


def upper(request: bytes, context: grpc.ServicerContext) -> bytes:
    """A unary call; its trailing metadata tells who answered, the initial one which pod of theirs."""
    context.send_initial_metadata((("pod", os.environ.get("HOSTNAME", NAME)),))
    context.set_trailing_metadata((("answered-by", NAME),))
    if request == b"refuse":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "refused as asked")
    return request.upper()


def serve_grpc(port: int) -> grpc.Server:
    """`/test.Talk/Upper` and `/test.Talk/Each`, which answers every message as it comes."""
    methods = {
        "Upper": grpc.unary_unary_rpc_method_handler(upper),
        "Each": grpc.stream_stream_rpc_method_handler(lambda each, _: (m.upper() for m in each)),
    }
    server = grpc.server(ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Talk", methods),))
    server.add_insecure_port(f"0.0.0.0:{port}")
    server.start()
    return server


def main() -> None:
    """Serve until TERM; then let what is under way end, as a well-behaved server does."""
    web = Server(("0.0.0.0", 8080), Handler)
    tcp = (TcpServer(("0.0.0.0", 9000), Commands), TcpServer(("0.0.0.0", 9001), Greets))
    for server in (*tcp, web):
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    calls = serve_grpc(9005)
    print(f"{NAME} is ready", file=sys.stderr, flush=True)
    done = threading.Event()

    def term(number: int, frame: FrameType | None) -> None:
        del number, frame
        print("TERM", flush=True)
        done.set()

    signal.signal(signal.SIGTERM, term)
    done.wait()
    web.shutdown()
    web.until_idle()
    calls.stop(1).wait()


if __name__ == "__main__":
    main()
