"""Check one Sidecar as Istio does before it takes one.

In: Sidecar.           Out: problems.    Source: Istio ValidateSidecar.
Before: check/at.py    After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.names import label_fault, label_faults
from lateen.api.sidecar import (
    UNIX,
    IstioEgressListener,
    IstioIngressListener,
    OutboundTrafficPolicy,
    Sidecar,
    SidecarPort,
    SidecarSpec,
)
from lateen.base.problem import Problem
from lateen.check.at import At, one_of, port_number
from lateen.check.destinationrule import check_pool
from lateen.check.gateway import HTTP, PROTOCOLS
from lateen.check.hosts import fqdn_fault, is_ip, wildcard_host_fault
from lateen.check.routeparts import check_destination

_MODES = ("ALLOW_ANY", "REGISTRY_ONLY")
_CAPTURES = ("DEFAULT", "IPTABLES", "NONE")
_HOSTS = ("", "127.0.0.1", "0.0.0.0", "[::1]", "[::]")  # noqa: S104 - where an app may answer
_NO_FILES = "the files of an app and of its proxy are apart: a socket needs a name without a file"


def check_sidecar(sidecar: Sidecar, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = sidecar.spec, at.key("spec")
    if spec.workload_selector:
        here = at.key("workloadSelector", "labels")
        if not spec.workload_selector.labels:
            yield here.required("the pods it is for")
        for key, text, words in label_faults(spec.workload_selector.labels):
            yield here.key(key).invalid(text, words)
    if not (spec.ingress or spec.egress or spec.outbound_traffic_policy) and (
        spec.inbound_connection_pool is None
    ):
        yield at.error("sidecar: empty configuration provided")
    yield from _unique(spec, at)
    for index, way_in in enumerate(spec.ingress):
        yield from _ingress(way_in, at.key("ingress").item(index))
    for index, way_out in enumerate(spec.egress):
        here = at.key("egress").item(index)
        if way_out.port is None and index < len(spec.egress) - 1:
            words = "sidecar: the egress listener with empty port should be the last listener"
            yield here.error(words)
        yield from _egress(way_out, here)
    if spec.inbound_connection_pool:
        yield from check_pool(spec.inbound_connection_pool, at.key("inboundConnectionPool"))
    if spec.outbound_traffic_policy:
        yield from _elsewhere(spec.outbound_traffic_policy, at.key("outboundTrafficPolicy"))


def _unique(spec: SidecarSpec, at: At) -> Iterator[Problem]:
    """A port or a socket stands once on each side."""
    ways: dict[str, tuple[IstioIngressListener | IstioEgressListener, ...]]
    ways = {"ingress": spec.ingress, "egress": spec.egress}
    for name, listeners in ways.items():
        seen: set[int | str] = set()
        for index, each in enumerate(listeners):
            place = (each.port.number or each.bind) if each.port else ""
            if place and place in seen:
                words = "sidecar: ports on IP bound listeners must be unique"
                yield at.key(name).item(index).key("port").error(words)
            seen.add(place)


def _ingress(listener: IstioIngressListener, at: At) -> Iterator[Problem]:
    yield from _port(listener.port, at.key("port"))
    yield from port_number(at.key("port", "number"), listener.port.number)
    yield from one_of(at.key("captureMode"), listener.capture_mode, _CAPTURES)
    if listener.bind and not is_ip(listener.bind):
        yield at.key("bind").error(f"{listener.bind} is not a valid IP address")
    if listener.default_endpoint:
        yield from _endpoint(listener.default_endpoint, at.key("defaultEndpoint"))
    elif listener.capture_mode == "NONE":
        words = "without a defaultEndpoint the proxy would send this port's requests to itself"
        yield at.key("defaultEndpoint").warning(words, "defaultEndpoint: 127.0.0.1:PORT")
    if listener.tls:
        words = (
            "no effect, as in Istio unless ENABLE_TLS_ON_SIDECAR_INGRESS is set: the port has the mesh's"
            " mTLS; TLS of one's own ends at a gateway"
        )
        yield at.key("tls").warning(words, "a Gateway with this tls", NOT_YET_HONOURED)
    if pool := listener.connection_pool:
        yield from check_pool(pool, at.key("connectionPool"))
        if pool.http and listener.port.protocol.lower() not in HTTP:
            words = f"only tcp settings apply: the protocol is {listener.port.protocol}"
            yield at.key("connectionPool", "http").warning(words)


def _endpoint(text: str, at: At) -> Iterator[Problem]:
    if text.startswith(UNIX):
        if not text.startswith(f"{UNIX}@"):
            yield at.warning(_NO_FILES, "unix://@NAME")
        return
    host, _, port = text.rpartition(":")
    if host not in _HOSTS or ":" not in text:
        yield at.error(
            "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,"
            "[::]:port,unix://filepath or unset"
        )
    elif not port.isdecimal():
        yield at.error(f"sidecar: defaultEndpoint port ({port}) is not a number")
    else:
        yield from port_number(at, int(port))


def _egress(listener: IstioEgressListener, at: At) -> Iterator[Problem]:
    yield from one_of(at.key("captureMode"), listener.capture_mode, _CAPTURES)
    if listener.port:
        yield from _port(listener.port, at.key("port"))
    if listener.port and not listener.port.number:
        if not listener.bind.startswith(UNIX):
            words = "sidecar: ports with 0 value must have a unix domain socket bind address"
            yield at.key("bind").error(words)
        else:
            words = "a Unix socket to call at is not carried: these hosts are called nowhere"
            yield at.key("bind").warning(words, code=NOT_YET_HONOURED)
        if listener.capture_mode == "IPTABLES":
            words = "sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners"
            yield at.key("captureMode").error(words)
    else:
        if listener.port:
            yield from port_number(at.key("port", "number"), listener.port.number)
        if listener.bind and not is_ip(listener.bind):
            yield at.key("bind").error(f"{listener.bind} is not a valid IP address")
    hosts = at.key("hosts")
    if not listener.hosts:
        yield hosts.error("sidecar: egress listener must contain at least one host")
    for number, host in enumerate(listener.hosts):
        yield from _host(host, hosts.item(number))


def _port(port: SidecarPort, at: At) -> Iterator[Problem]:
    if port.name and label_fault(port.name):
        yield at.key("name").error(f'invalid port name: "{port.name}"')
    if port.protocol.lower() not in PROTOCOLS:
        yield at.key("protocol").error(f"unsupported protocol: {port.protocol}")
    if port.target_port:
        yield at.key("targetPort").error("targetPort has no impact on Sidecars", "leave it out")


def _elsewhere(policy: OutboundTrafficPolicy, at: At) -> Iterator[Problem]:
    yield from one_of(at.key("mode"), policy.mode, _MODES)
    if proxy := policy.egress_proxy:
        here = at.key("egressProxy")
        if policy.mode != "ALLOW_ANY":
            words = "sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy"
            yield here.error(words, "mode: ALLOW_ANY")
        if fault := fqdn_fault(proxy.host):
            yield here.key("host").error(fault)
        if proxy.port is None:
            yield here.key("port").required("sidecar: egress_proxy port must be non-nil")
        yield from check_destination(proxy, here)


def _host(host: str, at: At) -> Iterator[Problem]:
    namespace, slash, name = host.partition("/")
    if not slash or not namespace or not name:
        yield at.error(
            "host must be of form namespace/dnsName", 'such as "./*" or "istio-system/*"'
        )
        return
    if namespace not in ("*", ".", "~") and label_fault(namespace):
        yield at.error(f'invalid namespace value "{namespace}"')
    if fault := wildcard_host_fault(name):
        yield at.error(fault)
