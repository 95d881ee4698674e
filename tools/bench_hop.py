"""Measure what a hop through two of lateen's proxies adds, against two Envoys with next to no configuration.

In: --requests, --strict.    Out: latencies and CPU: direct, by hand-written mTLS, by lateen's, and their ratios.
Before: -        After: docs/benchmarks.md

All of it is on the loopback, one request at a time on a connection that stays open, the ways in turn, so that whatever
else the machine does meets them alike: first a request by each, which finds the caches full of others' work as a request
that comes singly does, then a few dozen by each, as under load. CPU is that of the two Envoys, all their
threads; it is steadier than the clock. lateen's are measured as they are at so many requests a second, when the
observer has told the first of them to trace a share (the same call to the same socket, with the share that it would
reckon), with traces of all, as below 100 a second, and without what is told of requests by default: traces, access
logs (metrics stay).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import socketserver
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.envoy import pki, plans, real
from tests.envoy.apps import free_port
from tests.envoy.test_accepted import bootstrap
from tools.bench import Figure, missed

from lateen.envoy import names
from lateen.envoy.emit import emit
from lateen.envoy.tls import emit_root, emit_secret
from lateen.ir.backends import Backend, BackendId, Endpoint, EndpointSet, InMesh, MeshMtls, Wire
from lateen.ir.plan import HttpOut, Inbound, InboundPort, Mtls, ProxyPlan, Speech
from lateen.ir.routes import RouteTable, VirtualHost
from lateen.ir.telemetry import AccessLog, Reports, Telemetry
from lateen.stages.tracing import PATH
from lateen.telemetry.admin import tell_admin
from lateen.telemetry.traces.shares import Shares

Json = dict[str, Any]
CALLER, CALLEE = "spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/api"
ASKED = b"GET / HTTP/1.1\r\nhost: web\r\n\r\n"
SAID = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
WARM_UP = 300  # requests of each way that are not counted
TURNS = {
    "singly": 1,
    "one after another": 25,
}  # requests of one way until it is the next one's turn
_TYPE = "type.googleapis.com/envoy.extensions."


AS_IT_IS = Telemetry()
_LINES = Reports(logs=(AccessLog(),), tracing=None)
UNTRACED = Telemetry(client=_LINES, server=_LINES)
_SILENT = Reports(logs=(), tracing=None)
SILENT = Telemetry(client=_SILENT, server=_SILENT)


class App(socketserver.BaseRequestHandler):
    """Says `ok` to whatever comes."""

    def handle(self) -> None:
        """Serve one connection."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = b""
        while part := self.request.recv(65536):
            got += part
            while b"\r\n\r\n" in got:
                got = got.partition(b"\r\n\r\n")[2]
                self.request.sendall(SAID)


class Server(socketserver.ThreadingTCPServer):
    """Ends with the process."""

    daemon_threads = True


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._link = socket.create_connection(("127.0.0.1", port), 10)
        self._link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> float:
        """Microseconds for one request."""
        began = time.perf_counter()
        self._link.sendall(ASKED)
        got = self._link.recv(65536)
        while not got.endswith(b"ok"):
            part = self._link.recv(65536)
            if not part:
                raise SystemExit("the connection was closed")
            got += part
        took = time.perf_counter() - began
        if not got.startswith(b"HTTP/1.1 200"):
            raise SystemExit(got.decode(errors="replace"))
        return took * 1e6

    def close(self) -> None:
        """End the connection."""
        self._link.close()


def by_hand(folder: Path, listen: int, to: int, tls: Mapping[str, Json]) -> Json:
    """A bootstrap with one HTTP listener and one cluster; `tls`: transport sockets of either."""
    router = {"name": "router", "typed_config": {"@type": _TYPE + "filters.http.router.v3.Router"}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "next"}}
    manager = {
        "@type": _TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "x", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    chain: Json = {"filters": [{"name": "http", "typed_config": manager}]}
    cluster = {
        "name": "next",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "next",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(to)}}]}],
        },
    }
    if "listener" in tls:
        chain["transport_socket"] = tls["listener"]
    if "cluster" in tls:
        cluster["transport_socket"] = tls["cluster"]
    listener = {"name": "in", "address": _address(listen), "filter_chains": [chain]}
    return {
        "admin": {"address": {"pipe": {"path": str(folder / "a.sock"), "mode": 384}}},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _tls(kind: str, authority: pki.Authority, identity: str, **more: Any) -> Json:
    pair = authority.identity(identity)
    common = {
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_3",
            "tls_maximum_protocol_version": "TLSv1_3",
        },
        "tls_certificates": [
            {
                "certificate_chain": {"inline_string": pair.certificate.decode()},
                "private_key": {"inline_string": pair.key.decode()},
            }
        ],
        "validation_context": {"trusted_ca": {"inline_string": authority.root.decode()}},
    }
    made = {"@type": f"{_TYPE}transport_sockets.tls.v3.{kind}", "common_tls_context": common}
    return {"name": "tls", "typed_config": made | more}


@contextmanager
def pair_by_hand(folder: Path, authority: pki.Authority, app: int) -> Iterator[int]:
    """Two Envoys that do mTLS and nothing else; gives the caller's port."""
    front, between = free_port(), free_port()
    theirs = _tls("DownstreamTlsContext", authority, CALLEE, require_client_certificate=True)
    ours = _tls("UpstreamTlsContext", authority, CALLER, sni="web")
    with ExitStack() as stack:
        for name, config in (
            ("callee", by_hand(folder / "callee", between, app, {"listener": theirs})),
            ("caller", by_hand(folder / "caller", front, between, {"cluster": ours})),
        ):
            stack.enter_context(real.running(config, folder / name))
        yield front


@contextmanager
def pair_of_lateen(
    folder: Path, authority: pki.Authority, app: int, telemetry: Telemetry
) -> Iterator[int]:
    """Two Envoys as lateen configures the proxies of two pods; gives the caller's port."""
    front, between = free_port(), free_port()
    web = BackendId(host="web", port=80)
    backend = Backend(
        id=web,
        discovery=InMesh(),
        wire=Wire.HTTP1,
        security=MeshMtls(identities=(CALLEE,), sni="web"),
        origin=plans.SERVICE,
    )
    endpoint = Endpoint(address="127.0.0.1", port=between, mtls=True, workload="api")
    routes = (plans.route("web", plans.forward(web)),)
    host = VirtualHost(name="web:80", domains=("web",), routes=routes, origin=plans.RULES)
    caller = ProxyPlan(
        proxy=plans.SIDECAR,
        telemetry=telemetry,
        outbound=(HttpOut(port=80, table="80", origin=plans.SERVICE),),
        tables=(RouteTable(name="80", hosts=(host,)),),
        backends=(backend,),
        endpoints=(EndpointSet(id=web, endpoints=(endpoint,)),),
    )
    port = InboundPort(port=between, speech=Speech.HTTP, mtls=Mtls.STRICT, origin=plans.SERVICE)
    inbound = Inbound(ports=(port,), otherwise=Mtls.STRICT)
    callee = ProxyPlan(proxy=plans.SIDECAR, telemetry=telemetry, inbound=inbound)
    with ExitStack() as stack:
        for name, plan, identity, ports, apps in (
            ("callee", callee, CALLEE, {names.VIRTUAL_INBOUND: between}, {names.inbound_cluster(between): app}),
            ("caller", caller, CALLER, {"0.0.0.0_80": front}, {}),
        ):  # fmt: skip
            own = authority.identity(identity)
            secrets = (
                emit_secret(names.SECRET_OWN, own.certificate, own.key),
                emit_root(names.SECRET_ROOT, authority.root),
            )
            (folder / name).mkdir(parents=True)
            config = real.add_static(bootstrap(plans.SIDECAR, folder / name), emit(plan), *secrets)
            stack.enter_context(real.running(real.on_loopback(config, ports, apps), folder / name))
        yield front


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to the app: where to ask, and the processes between."""

    port: int
    envoys: frozenset[int] = frozenset()

    def cpu(self) -> float:
        """Microseconds of CPU its Envoys have used."""
        threads = (t for pid in self.envoys for t in Path(f"/proc/{pid}/task").iterdir())
        return sum(int((t / "schedstat").read_text().split()[0]) for t in threads) / 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """Microseconds of each request by one way, sorted, and of CPU for each."""

    micros: list[float]
    cpu: float

    def part(self, share: float) -> float:
        """The value below which that share of them is."""
        return self.micros[min(len(self.micros) - 1, int(len(self.micros) * share))]


def children() -> frozenset[int]:
    """The processes this one has started."""
    own, found = str(os.getpid()), set()
    for folder in Path("/proc").iterdir():
        try:
            said = (folder / "stat").read_text() if folder.name.isdigit() else ""
        except OSError:  # it has ended
            continue
        if said and said.rpartition(")")[2].split()[1] == own:
            found.add(int(folder.name))
    return frozenset(found)


def measure(ways: Mapping[str, Way], requests: int, turn: int) -> dict[str, Took]:
    """Ask by all ways in turn."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    before: dict[str, float] = {}
    with ExitStack() as stack:
        clients = {n: stack.enter_context(closing(Client(w.port))) for n, w in ways.items()}
        for number in range(-WARM_UP // turn, requests // turn):
            if number == 0:
                before = {name: way.cpu() for name, way in ways.items()}
            for name, client in clients.items():
                micros = [client.ask() for _ in range(turn)]
                if number >= 0:
                    took[name] += micros
        return {
            name: Took(micros=sorted(took[name]), cpu=(way.cpu() - before[name]) / len(took[name]))
            for name, way in ways.items()
        }


def told(way: Way, folder: Path) -> int:
    """Tell the first proxy of a way what the observer would of as many requests a second as it can do; the percentage."""
    shares = Shares()
    with closing(Client(way.port)) as client:
        micros = statistics.median(client.ask() for _ in range(WARM_UP))
    shares.count(("shop", "web-1"), int(1e6 / micros))
    (share,) = shares.changes({("shop", "web-1")}).values()
    asyncio.run(tell_admin(folder / "admin.sock", f"{PATH}{share}"))
    return share


def show(took: Mapping[str, Took], how: str) -> tuple[Figure, ...]:
    """Print the table."""
    for name, each in took.items():
        print(
            f"{name:<36} p50 {each.part(0.5):6.0f} us, p99 {each.part(0.99):6.0f} us, "
            f"mean {statistics.fmean(each.micros):6.0f} us, CPU {each.cpu:6.0f} us"
        )
    direct, hand, *ours = took.values()
    names_ = list(took)[2:]
    figures = []
    for name, each in zip(names_, ours, strict=True):
        print(f"a hop adds, against one by hand: {name}")
        for word, share in (("p50", 0.5), ("p99", 0.99)):
            added = [way.part(share) - direct.part(share) for way in (hand, each)]
            ratio = added[1] / added[0]
            print(f"  {word} {added[1]:4.0f} us against {added[0]:4.0f} us: ratio {ratio:.2f}")
            what = f"added by a hop, {word}, {name}, {how}"
            figures.append(Figure(what=what, measured=ratio, aim=1.1, unit="x"))
        print(
            f"  CPU {each.cpu:4.0f} us against {hand.cpu:4.0f} us: ratio {each.cpu / hand.cpu:.2f}"
        )
    return tuple(figures)


def main() -> int:
    """Start both pairs and an app, and measure."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--requests", type=int, default=10_000)
    options.add_argument("--strict", action="store_true", help="exit with 1 when an aim is missed")
    given = options.parse_args()
    authority = pki.Authority()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lth", dir="/tmp")))
        app = stack.enter_context(Server(("127.0.0.1", 0), App))
        threading.Thread(target=app.serve_forever, daemon=True).start()
        stack.callback(app.shutdown)
        port = app.server_address[1]
        ways = {"direct": Way(port=int(port))}
        for name, folder, telemetry in (
            ("two Envoys, mTLS by hand", "hand", None),
            ("two of lateen", "lateen", AS_IT_IS),
            ("two of lateen, all traced", "traced", AS_IT_IS),
            ("two of lateen, no traces", "untraced", UNTRACED),
            ("two of lateen, no traces, no log", "silent", SILENT),
        ):
            (home / folder).mkdir()
            before = children()
            pair = (
                pair_by_hand(home / folder, authority, int(port))
                if telemetry is None
                else pair_of_lateen(home / folder, authority, int(port), telemetry)
            )
            ways[name] = Way(port=stack.enter_context(pair), envoys=children() - before)
        share = told(ways["two of lateen"], home / "lateen" / "caller")
        print(f"of the requests by two of lateen {share} % are traced")
        figures: tuple[Figure, ...] = ()
        for how, turn in TURNS.items():
            print(f"requests that come {how}")
            figures += show(measure(ways, given.requests, turn), how)
    late = missed(figures) if given.strict else ()
    for figure in late:
        print(f"aim missed: {figure}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
