"""Advise on Services and ServiceEntries: protocols that agree, ports that do.

In: Survey.                       Out: problems IST0116, IST0134, IST0137, IST0150, IST0177, LAT0208.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from lateen.api.codes import (
    ADDRESSES_REQUIRED,
    CONFLICTING_ENTRY_PROTOCOLS,
    CONFLICTING_PORTS,
    CONFLICTING_PROTOCOLS,
    EXTERNAL_NAME_PORT,
    NAME_AGAINST_PROTOCOL,
)
from lateen.api.gateway import Gateway
from lateen.api.service import Service, ServicePort
from lateen.api.serviceentry import ServiceEntry
from lateen.base.problem import Problem
from lateen.check.advice.survey import Survey
from lateen.check.at import At

_HTTP = frozenset({"http", "http2", "grpc", "grpc-web"})
_WORDS = (
    "grpc-web",
    "http2",
    "https",
    "http",
    "grpc",
    "tcp",
    "tls",
    "mongo",
    "mysql",
    "redis",
    "udp",
)
# Ports whose servers everybody knows, and that speak no HTTP.
_KNOWN = {
    1433: "SQL Server",
    3306: "MySQL",
    5432: "PostgreSQL",
    5672: "AMQP",
    6379: "Redis",
    9092: "Kafka",
    27017: "MongoDB",
}


def advise_on_shared_pods(survey: Survey) -> Iterator[Problem]:
    """Pods behind several Services: a port has one protocol, a target port one port."""
    for pods in survey.pods:
        fronts = survey.in_front_of(pods)
        ports = [(obj.key.name, port) for obj, service in fronts for port in service.spec.ports]
        if len({name for name, _ in ports}) < 2:
            continue
        at, name = At(pods.obj).key("metadata", "name"), pods.obj.key.name
        for number in sorted({port.port for _, port in ports}):
            same = [(who, port.protocol) for who, port in ports if port.port == number]
            if len({protocol for _, protocol in same}) > 1:
                shown = " ".join(sorted({who for who, _ in same}))
                words = f"{name} is behind several Services that give port {number} different protocols: [{shown}]"
                yield at.warning(words, code=CONFLICTING_PROTOCOLS)
        targets = {str(port.target_port or port.port) for _, port in ports}
        for target in sorted(targets):
            to = [(who, p.port) for who, p in ports if str(p.target_port or p.port) == target]
            numbers = sorted({number for _, number in to})
            services = sorted({who for who, _ in to})
            if len(numbers) > 1 and len(services) > 1:
                words = (
                    f"{name} is behind several Services {services} that lead different ports {numbers}"
                    f' to its port "{target}"'
                )
                yield at.warning(words, "one port number in all of them", CONFLICTING_PORTS)


def advise_on_port_names(survey: Survey) -> Iterator[Problem]:
    """A port's name says its protocol; what else is known of it should not say another."""
    for obj, service in survey.of(Service):
        at = At(obj).key("spec", "ports")
        external = service.spec.type == "ExternalName"
        for index, port in enumerate(service.spec.ports):
            here = at.item(index).key("name")
            if external and port.app_protocol is None and _said(port.name) in ("", "tcp"):
                words = "a port of an ExternalName Service that is TCP, or says nothing, takes every connection to its number"
                yield here.warning(words, "name: http, https or tls", EXTERNAL_NAME_PORT)
                continue
            if fault := _against(port):
                yield here.warning(*fault, NAME_AGAINST_PROTOCOL)
    for obj, gateway in survey.of(Gateway):
        for index, server in enumerate(gateway.spec.servers):
            said, protocol = _said(server.port.name), server.port.protocol.lower()
            if {said, protocol} in ({"http", "https"}, {"http", "tcp"}, {"https", "tcp"}):
                here = At(obj).key("spec", "servers").item(index).key("port", "name")
                words = f'the name "{server.port.name}" says {said}, the protocol {server.port.protocol}'
                yield here.warning(words, f"name: {protocol}", NAME_AGAINST_PROTOCOL)


def _said(name: str) -> str:
    """The protocol a name begins with; "" where it begins with none."""
    low = name.lower()
    return next((word for word in _WORDS if low == word or low.startswith(f"{word}-")), "")


def _against(port: ServicePort) -> tuple[str, str] | None:
    """Words and fix where a name and something else about its port do not agree."""
    said = _said(port.name)
    if port.protocol == "UDP" and said not in ("", "udp"):
        return f'the name "{port.name}" says {said}, but the port is UDP', "protocol: TCP"
    if port.app_protocol and said and said != port.app_protocol.lower():
        meant = port.app_protocol.lower()
        plain = {said, meant}
        if meant in _WORDS and plain not in (
            {"http", "http2"},
            {"http2", "grpc"},
            {"tls", "https"},
        ):
            words = (
                f'the name "{port.name}" says {said}, appProtocol says {meant}, which is what holds'
            )
            return words, f"name: {meant}"
    told = port.app_protocol.lower() if port.app_protocol else said
    if told in _HTTP and (server := _KNOWN.get(port.port)):
        words = f'port {port.port} is {server}\'s, and "{port.name}" says {told}: a proxy would read it as HTTP'
        return words, f"name: tcp-{server.lower().replace(' ', '')}"
    return None


def advise_on_entries(survey: Survey) -> Iterator[Problem]:
    """ServiceEntries whose TCP connections cannot be told from others, or that contradict each other."""
    protocols: dict[tuple[str, int], dict[str, list[At]]] = defaultdict(lambda: defaultdict(list))
    for obj, entry in survey.of(ServiceEntry):
        spec, at = entry.spec, At(obj).key("spec", "ports")
        allocated = spec.resolution != "NONE" and not any(h.startswith("*") for h in spec.hosts)
        for index, port in enumerate(spec.ports):
            here = at.item(index)
            for host in spec.hosts:
                protocols[host, port.number][port.protocol.upper()].append(here)
            if port.protocol.upper() in ("", "TCP") and not spec.addresses and not allocated:
                words = (
                    "without addresses nothing tells these TCP connections from others: every one to"
                    f" port {port.number} is taken for it"
                )
                yield here.warning(words, "addresses: [ADDRESS or BLOCK]", ADDRESSES_REQUIRED)
    for (host, number), found in protocols.items():
        if len(found) < 2:
            continue
        names = sorted({at.obj.key.name for places in found.values() for at in places})
        words = f"ServiceEntries {', '.join(names)} give {host}:{number} different protocols: {', '.join(sorted(found))}"
        for places in found.values():
            for at in places:
                yield at.key("protocol").warning(words, code=CONFLICTING_ENTRY_PROTOCOLS)
