"""Pods for a configuration under test: listeners of the same Envoy, each on a Unix socket of its own.

In: addresses, names, certificates.    Out: Envoy's JSON.

A pod answers HTTP of any version, in the clear or inside TLS, and tells in headers who it is and what
it got; to anything else it says its name. A request can ask for trouble: `x-fail: N`
makes the first N attempts fail with 503, `x-envoy-fault-delay-request: MS` makes the answer late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUnixStreamServer
from threading import Thread
from typing import Any

from tests.envoy import pki

Json = dict[str, Any]
_TYPE = "type.googleapis.com/envoy.extensions."
_TOLD = {
    "x-path": "%REQ(:PATH)%",
    "x-host": "%REQ(:AUTHORITY)%",
    "x-method": "%REQ(:METHOD)%",
    "x-protocol": "%PROTOCOL%",
    "x-sni": "%REQUESTED_SERVER_NAME%",
    "x-peer": "%DOWNSTREAM_PEER_URI_SAN%",
    "x-attempt": "%REQ(X-ENVOY-ATTEMPT-COUNT)%",
}
_HTTP_ALPN = ["istio-http", "h2", "http/1.1"]
_MOST_FAILURES = 5


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One address of a cluster: who answers there, and with which certificate."""

    name: str
    socket: Path
    certificate: pki.Pair


def extension(name: str, kind: str, **fields: Any) -> Json:
    """A named extension; `kind` is its type without the common beginning."""
    return {"name": name, "typed_config": {"@type": _TYPE + kind, **fields}}


def _add(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _failing(attempt: int) -> Json:
    wanted = {"range_match": {"start": attempt, "end": _MOST_FAILURES + 1}}
    count = {"name": "x-envoy-attempt-count", "string_match": {"exact": str(attempt)}}
    match = {"prefix": "/", "headers": [{"name": "x-fail", **wanted}, count]}
    return {"match": match, "direct_response": {"status": 503}}


def _http(pod: Pod, told: Iterable[str], log: Path) -> Json:
    said = {"x-pod": pod.name} | _TOLD | {f"x-got-{name}": f"%REQ({name})%" for name in told}
    good = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    host = {
        "name": "pod",
        "domains": ["*"],
        "routes": [*(_failing(n) for n in range(1, _MOST_FAILURES + 1)), good],
        "response_headers_to_add": [_add(name, value) for name, value in said.items()],
        "include_request_attempt_count": False,
    }
    line = f"{pod.name} %REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(:PATH)%\n"
    written = extension(
        "envoy.access_loggers.file",
        "access_loggers.file.v3.FileAccessLog",
        path=str(log),
        log_format={"text_format_source": {"inline_string": line}},
    )
    late = extension(
        "envoy.filters.http.fault",
        "filters.http.fault.v3.HTTPFault",
        delay={"header_delay": {}, "percentage": {"numerator": 100}},
    )
    router = extension("envoy.filters.http.router", "filters.http.router.v3.Router")
    return extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="pod",
        server_name="pod",
        generate_request_id=False,
        forward_client_cert_details="ALWAYS_FORWARD_ONLY",
        route_config={"virtual_hosts": [host]},
        http_filters=[late, router],
        access_log=[written],
    )


def _tls(pod: Pod, root: bytes, alpn: Sequence[str]) -> Json:
    """TLS that asks for a client certificate and takes none as well."""
    pair = {
        "certificate_chain": {"inline_string": pod.certificate.certificate.decode()},
        "private_key": {"inline_string": pod.certificate.key.decode()},
    }
    common: Json = {
        "tls_certificates": [pair],
        "validation_context": {"trusted_ca": {"inline_string": root.decode()}},
        "alpn_protocols": list(alpn),
    }
    return extension(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=common,
    )


def greeting(pod: Pod, how: str) -> Path:
    """The socket of whoever speaks for the pod where no HTTP is spoken."""
    return pod.socket.with_name(f"{pod.socket.name}-{how}")


def clusters(pod: Pod) -> list[Json]:
    """The way to those who speak for the pod."""
    made = []
    for how in ("tls", "raw"):
        address = {"pipe": {"path": str(greeting(pod, how))}}
        places = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        name = greeting(pod, how).name
        assignment = {"cluster_name": name, "endpoints": places}
        made.append({"name": name, "type": "STATIC", "load_assignment": assignment})
    return made


def _tcp(pod: Pod, how: str) -> Json:
    return extension(
        "envoy.filters.network.tcp_proxy",
        "filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix="pod",
        cluster=greeting(pod, how).name,
    )


class _Greeter(BaseRequestHandler):
    """Says what it was told to, and waits for the other side to hang up."""

    words = b""

    def handle(self) -> None:
        self.request.sendall(self.words)
        self.request.recv(1)


@contextmanager
def greeting_for(pods: Iterable[Pod]) -> Iterator[None]:
    """Someone to speak for each pod where no HTTP is spoken: its name, and whether it ended TLS."""
    with ExitStack() as stack:
        for pod in pods:
            for how in ("tls", "raw"):
                words = {"words": f"{pod.name} {how}".encode()}
                speaker = type("Speaker", (_Greeter,), words)
                server = ThreadingUnixStreamServer(str(greeting(pod, how)), speaker)
                server.daemon_threads = True
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
                Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield


def listener(pod: Pod, root: bytes, told: Iterable[str], log: Path) -> Json:
    """What stands at one pod's address."""
    http = _http(pod, told, log)
    inside_tls, plain = _tcp(pod, "tls"), _tcp(pod, "raw")
    http_names = ["http/1.0", "http/1.1", "h2c"]
    chains = [
        {
            "filter_chain_match": {
                "transport_protocol": "tls",
                "application_protocols": _HTTP_ALPN,
            },
            "transport_socket": _tls(pod, root, ["h2", "http/1.1"]),
            "filters": [http],
        },
        {
            "filter_chain_match": {"transport_protocol": "tls"},
            "transport_socket": _tls(pod, root, []),
            "filters": [inside_tls],
        },
        {
            "filter_chain_match": {
                "transport_protocol": "raw_buffer",
                "application_protocols": http_names,
            },
            "filters": [http],
        },
        {"filter_chain_match": {"transport_protocol": "raw_buffer"}, "filters": [plain]},
    ]
    inspectors = [
        extension(f"envoy.filters.listener.{kind}", f"filters.listener.{kind}.v3.{name}")
        for kind, name in (("tls_inspector", "TlsInspector"), ("http_inspector", "HttpInspector"))
    ]
    return {
        "name": f"pod {pod.name} {pod.socket.name}",
        "address": {"pipe": {"path": str(pod.socket)}},
        "listener_filters": inspectors,
        "listener_filters_timeout": "0.2s",
        "continue_on_listener_filters_timeout": True,
        "filter_chains": chains,
    }
