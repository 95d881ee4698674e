"""Check one Service, ConfigMap or Secret, in Kubernetes' words.

In: the object.        Out: problems.    Source: Kubernetes pkg/apis/core/validation.
Before: check/at.py    After: check/objects.py
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED, PORT_NAME_CONVENTION
from lateen.api.config import ConfigMap, Secret
from lateen.api.names import (
    config_key_fault,
    label_fault,
    label_faults,
    qualified_fault,
    subdomain_fault,
)
from lateen.api.service import Service, ServicePort, ServiceSpec
from lateen.base.problem import Problem
from lateen.check.at import At, one_of, port_number
from lateen.check.certificates import CERTIFICATE, KEY, REVOKED, STAPLE, extra_fault, pair_fault
from lateen.check.gateway import PROTOCOLS
from lateen.check.hosts import is_ip
from lateen.check.meshconfig import check_mesh_config

SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
IP_PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
NODE_PORTS = (30000, 32767)
_MAX_AFFINITY = 86400  # seconds
_MAX_BYTES = 1024 * 1024


def check_service(service: Service, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = service.spec, at.key("spec")
    yield from one_of(at.key("type"), spec.type, SERVICE_TYPES)
    headless = spec.cluster_ip == "None"
    if not spec.ports and not headless and spec.type != "ExternalName":
        yield at.key("ports").required()
    names: set[str] = set()
    numbers: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        here = at.key("ports").item(index)
        yield from _port(port, len(spec.ports) > 1, here)
        if port.name and port.name in names:
            yield here.key("name").error(f'Duplicate value: "{port.name}"')
        if (port.protocol, port.port) in numbers:
            yield here.error(f"Duplicate value: {port.protocol} {port.port}")
        names.add(port.name)
        numbers.add((port.protocol, port.port))
    for key, text, words in label_faults(spec.selector):
        yield at.key("selector", key).invalid(text, words)
    yield from _address(spec, at)
    yield from _sharing(spec, at)


def _sharing(spec: ServiceSpec, at: At) -> Iterator[Problem]:
    """How connections are shared out among the endpoints."""
    yield from one_of(at.key("sessionAffinity"), spec.session_affinity, AFFINITIES)
    if (config := spec.session_affinity_config) is not None:
        here = at.key("sessionAffinityConfig")
        seconds = config.client_ip.timeout_seconds
        if spec.session_affinity == "None":
            words = "must not be set when session affinity is None"
            yield here.error(f"Forbidden: {words}")
        elif not 0 < seconds <= _MAX_AFFINITY:
            words = f"must be greater than 0 and less than {_MAX_AFFINITY}"
            yield here.key("clientIP", "timeoutSeconds").invalid(seconds, words)
    policies = ("Cluster", "Local")
    yield from one_of(at.key("internalTrafficPolicy"), spec.internal_traffic_policy, policies)
    if not spec.external_traffic_policy:
        return
    here = at.key("externalTrafficPolicy")
    if spec.type in ("NodePort", "LoadBalancer"):
        yield from one_of(here, spec.external_traffic_policy, policies)
    else:
        words = "may only be set for externally-accessible services"
        yield here.invalid(spec.external_traffic_policy, words)


def _port(port: ServicePort, several: bool, at: At) -> Iterator[Problem]:
    if several and not port.name:
        yield at.key("name").required()
    if port.name and (words := label_fault(port.name)):
        yield at.key("name").invalid(port.name, words)
    yield from port_number(at.key("port"), port.port)
    yield from one_of(at.key("protocol"), port.protocol, IP_PROTOCOLS)
    if port.protocol in ("UDP", "SCTP"):
        words = f"{port.protocol} is not yet carried by lateen: this port is not reachable here"
        yield at.key("protocol").warning(words, code=NOT_YET_HONOURED)
    if port.node_port and not NODE_PORTS[0] <= port.node_port <= NODE_PORTS[1]:
        words = "provided port is not in the valid range. The range of valid ports is {}-{}"
        yield at.key("nodePort").invalid(port.node_port, words.format(*NODE_PORTS))
    if isinstance(port.target_port, int):
        yield from port_number(at.key("targetPort"), port.target_port)
    elif isinstance(port.target_port, str) and (words := port_name_fault(port.target_port)):
        yield at.key("targetPort").invalid(port.target_port, words)
    if port.app_protocol and (words := qualified_fault(port.app_protocol)):
        yield at.key("appProtocol").invalid(port.app_protocol, words)
    if port.protocol == "TCP" and port.app_protocol is None and not _tells_protocol(port.name):
        words = (
            f"Port name {port.name} (port: {port.port}, targetPort: {port.target_port or port.port})"
            " doesn't follow the naming convention of Istio port"
        )
        yield at.key("name").info(words, f"name: http-{port.name}", code=PORT_NAME_CONVENTION)


def _tells_protocol(name: str) -> bool:
    """Whether a name is `PROTOCOL` or `PROTOCOL-…`; a port without a name claims nothing."""
    low = name.lower()
    return not name or any(low == known or low.startswith(f"{known}-") for known in PROTOCOLS)


def port_name_fault(name: str) -> str | None:
    """A port's name as pods declare it and Services refer to it (IANA_SVC_NAME)."""
    if len(name) > 15:
        return "must be no more than 15 characters"
    if label_fault(name) or "--" in name:
        return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not any(c.isalpha() for c in name):
        return "must contain at least one letter (a-z)"
    return None


def _address(spec: ServiceSpec, at: At) -> Iterator[Problem]:
    if spec.type == "ExternalName":
        if not spec.external_name:
            yield at.key("externalName").required()
        elif words := subdomain_fault(spec.external_name.removesuffix(".")):
            yield at.key("externalName").invalid(spec.external_name, words)
        if spec.cluster_ip not in ("", "None"):
            yield at.key("clusterIP").error("Forbidden: may not be set for ExternalName services")
        return
    if spec.cluster_ip not in ("", "None") and not is_ip(spec.cluster_ip):
        words = "must be empty, 'None', or a valid IP address"
        yield at.key("clusterIP").invalid(spec.cluster_ip, words)
    if spec.cluster_ip == "None" and spec.type in ("NodePort", "LoadBalancer"):
        words = f"may not be set to 'None' for {spec.type} services"
        yield at.key("clusterIP").invalid("None", words)


def check_config_map(config: ConfigMap, at: At) -> Iterator[Problem]:
    """Keys, base64, and the bound of 1 MiB."""
    yield from _keys("data", config.data, at)
    yield from _keys("binaryData", config.binary_data, at)
    for key in config.data.keys() & config.binary_data.keys():
        words = "duplicate of key present in binaryData"
        yield at.key("data", key).invalid(key, words)
    for key, value in config.binary_data.items():
        yield from _base64(value, at.key("binaryData", key))
    held = sum(len(v.encode()) for v in config.data.values())
    held += sum(len(v) * 3 // 4 for v in config.binary_data.values())
    if held > _MAX_BYTES:
        yield at.key("data").error(f"Too long: may not be more than {_MAX_BYTES} bytes")
    yield from check_mesh_config(config, at)


def check_secret(secret: Secret, at: At) -> Iterator[Problem]:
    """Keys, base64, the keys its type needs, and the bound of 1 MiB."""
    yield from _keys("data", secret.data, at)
    for key, value in secret.data.items():
        yield from _base64(value, at.key("data", key))
    if secret.type == "kubernetes.io/tls":
        yield from _pair(secret.data, at)
    yield from _extras(secret.data, at)
    if sum(len(v) * 3 // 4 for v in secret.data.values()) > _MAX_BYTES:
        yield at.key("data").error(f"Too long: may not be more than {_MAX_BYTES} bytes")


def _pair(data: dict[str, str], at: At) -> Iterator[Problem]:
    missing = [key for key in (CERTIFICATE, KEY) if key not in data]
    for key in missing:
        yield at.key("data", key).required()
    if missing:
        return
    try:
        certificate, private = (base64.b64decode(data[key]) for key in (CERTIFICATE, KEY))
    except ValueError:
        return  # reported as no base64
    if fault := pair_fault(certificate, private):
        yield at.key("data", fault[0]).error(fault[1])


def _extras(data: dict[str, str], at: At) -> Iterator[Problem]:
    """What is beside certificates under these names is meant for proxies, which refuse nonsense."""
    for name, beside in ((REVOKED, ("ca.crt", "cacert")), (STAPLE, ("tls.crt", "cert"))):
        if name in data and any(key in data for key in beside):
            try:
                content = base64.b64decode(data[name])
            except ValueError:
                continue  # reported as no base64
            if words := extra_fault(name, content):
                yield at.key("data", name).error(words)


def _keys(name: str, entries: dict[str, str], at: At) -> Iterator[Problem]:
    for key in entries:
        if words := config_key_fault(key):
            yield at.key(name, key).invalid(key, words)
        elif key in (".", "..") or key.startswith(".."):
            yield at.key(name, key).invalid(key, "must not start with '..' or be '.'")


def _base64(value: str, at: At) -> Iterator[Problem]:
    try:
        base64.b64decode("".join(value.split("\n")), validate=True)
    except (binascii.Error, ValueError):
        yield at.error(
            "wanted base64", "use stringData (Secret) or data (ConfigMap) for plain text"
        )
