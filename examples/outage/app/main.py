"""A shop, the payment-service it calls, the database behind that, and a stock: one program, ROLE says which.

The payment-service has a pool of connections to the database. Where a transaction lasts longer than it used to, the
pool runs dry, and requests wait for a connection until they time out.
"""

import logging
import os
import random
import socket
import socketserver
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

ROLE = os.environ["ROLE"]
POOL_SIZE = int(os.environ.get("POOL_SIZE", "4"))
POOL_TIMEOUT = float(os.environ.get("POOL_TIMEOUT", "1"))  # seconds
TRANSACTION = float(os.environ.get("TRANSACTION_SECONDS", "0.02"))
MAX_CONNECTIONS = int(os.environ.get("MAX_CONNECTIONS", "4"))
FAILS = float(os.environ.get("FAILS", "0"))  # share of a stock's answers
ATTEMPTS = 2

logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stdout)
log = logging.getLogger(ROLE)
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=500))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer(ROLE)


class DatabaseError(Exception):
    """The database cannot be had."""


class Pool:
    """Connections to the database, at most POOL_SIZE in use."""

    def __init__(self):
        self._free = threading.Semaphore(POOL_SIZE)

    @contextmanager
    def connection(self):
        with tracer.start_as_current_span("wait for a connection", attributes={"db.pool.size": POOL_SIZE}) as span:
            if not self._free.acquire(timeout=POOL_TIMEOUT):
                span.set_status(Status(StatusCode.ERROR, "timeout"))
                raise DatabaseError(f"timeout after {POOL_TIMEOUT:g}s")
        try:
            with socket.create_connection(("database", 5432), timeout=5) as link:
                yield link.makefile("rw")
        finally:
            self._free.release()


pool = Pool()


def pay():
    for attempt in range(1, ATTEMPTS + 1):
        if attempt > 1:
            log.warning("Retrying database connection (attempt %d)%s", attempt, trace_words())
        try:
            with (
                pool.connection() as link,
                tracer.start_as_current_span("INSERT payments", kind=SpanKind.CLIENT, attributes={"db.system": "postgresql"}),
            ):
                link.write(f"{TRANSACTION}\n")
                link.flush()
                answer = link.readline().strip()
                if answer == "ok":
                    return 200, "paid"
                raise DatabaseError(answer or "closed")
        except (DatabaseError, OSError) as fault:
            log.error("Failed to connect to database: %s%s", fault, trace_words())
    log.error("Payment processing failed due to DB connection error%s", trace_words())
    return 500, "no payment"


def trace_words():
    return f" trace_id={trace.get_current_span().get_span_context().trace_id:032x}"


def ask(url, request_id):
    headers = {"x-request-id": request_id}
    inject(headers)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.read().decode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        told = {name.lower(): value for name, value in self.headers.items()}
        with tracer.start_as_current_span(f"GET {self.path}", context=extract(told), kind=SpanKind.SERVER) as span:
            status, text = self.answer(told.get("x-request-id", ""))
            span.set_attribute("http.status_code", status)
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, request_id):
        if ROLE == "payment":
            return pay()
        if ROLE == "stock":
            time.sleep(0.15)
            return (503, "busy") if random.random() < FAILS else (200, "7 left")
        if self.path.startswith("/stock"):
            return ask("http://stock/", request_id)
        return ask("http://payment-service/pay", request_id)

    def log_message(self, *_):
        pass


class Database(socketserver.StreamRequestHandler):
    """Takes so many connections, and locks the table for as long as a transaction lasts."""

    slots = threading.Semaphore(MAX_CONNECTIONS)

    def handle(self):
        if not self.slots.acquire(blocking=False):
            log.error("FATAL: sorry, too many clients already")
            self.wfile.write(b"too many clients already\n")
            return
        try:
            seconds = float(self.rfile.readline() or b"0")
            time.sleep(seconds)
            if seconds > 0.5:
                log.warning("slow query: INSERT payments took %.0f ms", seconds * 1000)
            self.wfile.write(b"ok\n")
        finally:
            self.slots.release()


class DatabaseServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


log.info("%s listens", ROLE)
if ROLE == "database":
    DatabaseServer(("0.0.0.0", 5432), Database).serve_forever()
else:
    ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
