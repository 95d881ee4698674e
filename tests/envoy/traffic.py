"""Put what one proxy is sent into a real Envoy, with pods behind it, and send it requests.

In: a case's plan, `requests.yaml`.    Out: what its walkers and the real Envoy make of each request.

Everything listens on Unix sockets, so that cases need no ports and no privilege. What only redirection
could give (the address dialled) is told by choosing the listener; tunnels through the border end at
a pod named after the host outside.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from cryptography import x509

from lateen.envoy import names
from lateen.envoy.emit import emit
from lateen.envoy.resources import Resources
from lateen.envoy.tls import emit_root, emit_secret
from lateen.explain.request import Request, Way
from lateen.ir.plan import ProxyPlan, Role
from lateen.translate.hosts import full_host
from lateen.world.model import World
from tests.envoy import pki, pods, real
from tests.envoy.test_accepted import bootstrap

Json = dict[str, Any]
AUTHORITY = pki.Authority()
STRANGERS = pki.Authority()  # whom nobody knows
WAIT = 10.0
_DIALLED = "dialled"  # the pod at whatever address a client dialled
_GIVEN = ("kubernetes://", "file-")  # how the names of users' secrets begin
_STANDARD = {"http": 80, "https": 443, "tcp": 0, "tls": 443}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request of a case and what is to become of it (see `tests/cases/traffic/README.md`).

    `sender` is the pod whose proxy it meets; `inbound`: on its way into the pod.
    """

    sender: str
    inbound: bool
    method: str
    scheme: str
    host: str
    port: int
    authority: str
    path: str
    headers: Mapping[str, str]
    expected: Json


def _asked(entry: Json, proxy: str) -> Asked:
    method, _, url = entry["ask"].rpartition(" ")
    parts = urlsplit(url)
    assert parts.hostname, entry
    return Asked(
        sender=entry.get("into") or entry.get("from", proxy),
        inbound="into" in entry,
        method=method or "GET",
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or _STANDARD[parts.scheme],
        authority=entry.get("authority", parts.netloc),
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=entry.get("headers", {}),
        expected={
            k: v
            for k, v in entry.items()
            if k not in {"ask", "from", "into", "authority", "headers"}
        },
    )


def requests_of(folder: Path, proxy: str) -> tuple[Asked, ...]:
    """The requests of a case."""
    text = (folder / "requests.yaml").read_text(encoding="utf-8")
    return tuple(_asked(entry, proxy) for entry in yaml.safe_load(text))


def address_of(world: World, plan: ProxyPlan, asked: Asked) -> str:
    """The address a client dials for the request's host; "" if the name is not in the mesh."""
    found = world.service(full_host(asked.host, plan.proxy.namespace), plan.proxy.namespace)
    if found is None or not found.addresses:
        return asked.host if asked.host.replace(".", "").isdigit() else ""
    return found.addresses[0]


def made_up(world: World, plan: ProxyPlan, asked: Asked) -> Request:
    """The request as the walkers take it."""
    edge = Way.GATEWAY if plan.proxy.role is Role.GATEWAY else Way.OUTBOUND
    return Request(
        way=Way.INBOUND if asked.inbound else edge,
        port=asked.port,
        method=asked.method,
        path=asked.path,
        authority=asked.authority,
        headers=tuple((k.lower(), v) for k, v in asked.headers.items()),
        address=address_of(world, plan, asked),
        tls=asked.scheme in ("https", "tls"),
        raw=asked.scheme in ("tcp", "tls"),
        peer=asked.expected.get("client", ""),
    )


@cache
def certificate(name: str) -> pki.Pair:
    """A certificate for an identity (a URI) or a host name, made once."""
    if "://" in name:
        return AUTHORITY.identity(name)
    return AUTHORITY.sign(name[:60], x509.DNSName(name))


@cache
def roots(folder: Path) -> Path:
    """The test's root certificate as a file."""
    path = folder / "roots.pem"
    path.write_bytes(AUTHORITY.root)
    return path


def _at(asked: Asked, address: str) -> str:
    return f"{address}_{asked.port}"


def _match(chain: Json) -> Json:
    found: Json = chain.get("filter_chain_match", {})
    return found


def _ranges(chain: Json) -> list[str]:
    ranges = _match(chain).get("prefix_ranges", [])
    return [f"{each['address_prefix']}/{each['prefix_len']}" for each in ranges]


def _for_port(chains: list[Json], port: int) -> list[Json]:
    own = [each for each in chains if _match(each).get("destination_port") == port]
    return own or [each for each in chains if "destination_port" not in _match(each)]


def _for_address(chains: list[Json], address: str) -> list[Json]:
    """Those for the narrowest network with the address, else those for all."""
    lengths = {
        ip_network(each).prefixlen: each
        for chain in chains
        for each in _ranges(chain)
        if ip_address(address) in ip_network(each)
    }
    if not lengths:
        return [each for each in chains if not _ranges(each)]
    return [each for each in chains if lengths[max(lengths)] in _ranges(each)]


def _unplaced(chain: Json) -> Json:
    kept = {
        key: each
        for key, each in _match(chain).items()
        if key not in ("destination_port", "prefix_ranges")
    }
    return chain | {"filter_chain_match": kept}


@dataclass(kw_only=True)
class Rig:
    """The configuration of one proxy, on its way to a real Envoy."""

    folder: Path
    world: World
    plan: ProxyPlan
    resources: Resources
    told: frozenset[str]
    asked: tuple[Asked, ...]
    found: dict[str, pods.Pod] = field(default_factory=dict)

    def pod(self, address: str, port: int) -> Json:
        """The place of a pod, which is made when first asked for."""
        at = f"{address}:{port}"
        if at not in self.found:
            owner = next((w for w in self.world.workloads.values() if w.address == address), None)
            self.found[at] = pods.Pod(
                name=owner.name if owner else at.removesuffix(":0"),
                socket=self.folder / f"p{len(self.found)}",
                certificate=certificate(owner.identity if owner else address),
            )
        return {"pipe": {"path": str(self.found[at].socket)}}

    def here(self, value: Any) -> Any:
        """A piece of a cluster with every address in it led to a pod."""
        if isinstance(value, list):
            return [self.here(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "socket_address" in value:
            place = value["socket_address"]
            return self.pod(place["address"], place["port_value"])
        if value.get("pipe", {}).get("path", "").startswith("@"):
            return self.pod(value["pipe"]["path"], 0)
        if "envoy_internal_address" in value:
            host, _, port = value["envoy_internal_address"]["endpoint_id"].rpartition(":")
            return self.pod(host, int(port))
        if value.get("name") == "envoy.transport_sockets.internal_upstream":
            return self.here(value["typed_config"]["transport_socket"])
        return {key: self.here(each) for key, each in value.items()}

    def cluster(self, cluster: Json) -> Json:
        """A cluster of the plan, without what needs a privilege or a network."""
        made: Json = self.here({k: v for k, v in cluster.items() if k != "upstream_bind_config"})
        looked_up = made.pop("cluster_type", None)
        if looked_up or made.get("type") == "ORIGINAL_DST":
            made |= {"type": "STATIC", "lb_policy": "ROUND_ROBIN"}
            port = made.pop("original_dst_lb_config", {}).get("upstream_port_override", 0)
            endpoint = {"endpoint": {"address": self.pod(_DIALLED, port)}}
            places = [{"lb_endpoints": [endpoint]}]
            made["load_assignment"] = {"cluster_name": "x", "endpoints": places}
        return made

    def listener(self, listener: Json) -> Json:
        """A listener of the plan, at a socket of its own."""
        unwanted = {"bind_to_port", "use_original_dst", "address"}
        made = {key: each for key, each in listener.items() if key not in unwanted}
        made["listener_filters"] = [
            each
            for each in listener.get("listener_filters", ())
            if not each["name"].endswith(("original_dst", "proxy_protocol"))
        ]
        return made | {"address": {"pipe": {"path": self.socket(listener["name"])}}}

    def entrance(self, listener: Json, asked: Asked, address: str) -> Json:
        """A listener as connections to one address and port meet it.

        A Unix socket has neither, so that the chains for others are taken out by hand.
        """
        chains = _for_port(listener["filter_chains"], asked.port)
        name = f"{names.VIRTUAL_INBOUND}-{asked.port}" if asked.inbound else _at(asked, address)
        made = self.listener(listener | {"name": name})
        made["filter_chains"] = [_unplaced(each) for each in _for_address(chains, address)]
        for inspector in made["listener_filters"]:
            inspector.pop("filter_disabled", None)
        return made

    def entrances(self, listener: Json) -> Iterator[Json]:
        """Further faces of a listener whose chains look at the address or port dialled."""
        made: dict[str, Json] = {}
        for asked in self.asked:
            address = address_of(self.world, self.plan, asked)
            inbound = listener["name"] == names.VIRTUAL_INBOUND
            wild = listener["name"] == names.wildcard_listener(asked.port)
            placed = any(_ranges(each) for each in listener["filter_chains"])
            if inbound if asked.inbound else wild and placed and address:
                face = self.entrance(listener, asked, address)
                made[face["name"]] = face
        yield from made.values()

    def socket(self, listener: str) -> str:
        """Where a listener of the plan listens."""
        return str(self.folder / f"l-{listener}")

    def config(self) -> Json:
        """The whole configuration."""
        own = certificate(self.plan.proxy.identity)
        secrets = (
            emit_secret("default", own.certificate, own.key),
            emit_root("ROOTCA", AUTHORITY.root),
        )
        start = bootstrap(self.plan.proxy, self.folder)
        made = real.add_static(start, self.resources, *secrets)
        _put_certificates(made)
        static = made["static_resources"]
        ours = {name for each in self.resources.values() for name in each}
        given = static["listeners"]
        static["listeners"] = [
            self.listener(each)
            for each in given
            if each["name"] in ours and each["name"] != names.VIRTUAL_INBOUND
        ] + [each for each in given if "internal_listener" in each]
        static["listeners"] += [
            face for each in given if each["name"] in ours for face in self.entrances(each)
        ]
        static["clusters"] = [
            self.cluster(each) if each["name"] in ours else each for each in static["clusters"]
        ]
        log = self.folder / "pods.log"
        for pod in self.found.values():
            static["listeners"].append(pods.listener(pod, AUTHORITY.root, self.told, log))
            static["clusters"] += pods.clusters(pod)
        return made


def _put_certificates(config: Json) -> None:
    """Real certificates for gateways' Secrets, each for a host named as the Secret."""
    for secret in config["static_resources"]["secrets"]:
        if "tls_certificate" in secret and secret["name"].startswith(_GIVEN):
            path = secret["name"].partition("~")[0].removesuffix(".crt")
            pair = certificate(path.rpartition("/")[2])
            secret["tls_certificate"] = {
                "certificate_chain": {"inline_string": pair.certificate.decode()},
                "private_key": {"inline_string": pair.key.decode()},
            }
        elif "validation_context" in secret and secret["name"].startswith(_GIVEN):
            secret["validation_context"]["trusted_ca"] = {"inline_string": AUTHORITY.root.decode()}


@contextmanager
def running(world: World, plan: ProxyPlan, folder: Path, asked: tuple[Asked, ...]) -> Iterator[Rig]:
    """A real Envoy with the plan, and pods that can answer what is asked."""
    told = frozenset(name for each in asked for name in each.expected.get("got", {}))
    resources = emit(plan, system_roots=str(roots(folder)))
    rig = Rig(folder=folder, world=world, plan=plan, resources=resources, told=told, asked=asked)
    config = rig.config()
    raw = any(each.scheme in ("tcp", "tls") for each in asked)
    with pods.greeting_for(rig.found.values() if raw else ()), real.running(config, folder):
        yield rig


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a client saw. `pod`: who answered; `closed`: nobody did; `seconds`: after how long."""

    status: int = 0
    pod: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    certificate: str = ""
    closed: bool = False
    seconds: float = 0.0


class _Link(http.client.HTTPConnection):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__("pod", timeout=WAIT)
        self.sock = sock

    def connect(self) -> None:
        """It is connected already."""


def _dial(rig: Rig, request: Request, asked: Asked) -> socket.socket:
    wanted = (
        f"{names.VIRTUAL_INBOUND}-{asked.port}" if asked.inbound else "",
        f"{request.address}_{asked.port}",
        names.wildcard_listener(asked.port),
        names.VIRTUAL_OUTBOUND,
    )
    there = [rig.socket(name) for name in wanted if Path(rig.socket(name)).exists()]
    if not there:
        raise ConnectionRefusedError(wanted)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(WAIT)
    link.connect(there[0])
    from_mesh = asked.inbound and "client" in asked.expected
    if asked.scheme not in ("https", "tls") and not from_mesh:
        return link
    context = ssl.create_default_context(cadata=AUTHORITY.root.decode())
    context.check_hostname = False
    if "client" in asked.expected:
        own = asked.expected["client"]
        stranger = asked.expected.get("stranger")
        pair = STRANGERS.identity(own) if stranger else certificate(own)
        both = rig.folder / "client.pem"
        both.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(both)
    if from_mesh:
        context.set_alpn_protocols(["istio" if request.raw else "istio-http"])
    return context.wrap_socket(link, server_hostname=asked.authority.partition(":")[0])


def _names_in(link: socket.socket) -> str:
    """The first name in the server's certificate."""
    if not isinstance(link, ssl.SSLSocket):
        return ""
    found = link.getpeercert() or {}
    return str(next((pair[1] for pair in found.get("subjectAltName", ())), ""))


def send(rig: Rig, request: Request, asked: Asked) -> Seen:
    """Send one request and tell what came back."""
    try:
        with closing(_dial(rig, request, asked)) as link:
            served = _names_in(link)
            if asked.scheme in ("tcp", "tls"):
                return _said(link, served)
            return _answered(_Link(link), asked, served)
    except (OSError, http.client.HTTPException):
        return Seen(closed=True)


def _said(link: socket.socket, served: str) -> Seen:
    """What a pod says of itself: it speaks first, so nothing is sent to it."""
    heard = link.recv(4096)
    pod, _, how = heard.decode().partition(" ")
    return Seen(pod=pod, body=how, certificate=served, closed=not heard)


def _answered(link: _Link, asked: Asked, served: str) -> Seen:
    link.putrequest(asked.method, asked.path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"host": asked.authority, **asked.headers}.items():
        link.putheader(name, str(value))
    link.endheaders()
    asked_at = time.monotonic()
    answer = link.getresponse()
    seconds = time.monotonic() - asked_at
    headers = {name.lower(): value for name, value in answer.getheaders()}
    body = answer.read().decode()
    pod = headers.get("x-pod", "")
    return Seen(
        status=answer.status,
        pod=pod,
        headers=headers,
        body=body,
        certificate=served,
        seconds=seconds,
    )
