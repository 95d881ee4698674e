"""Check the pod of a Pod, or of a workload's template, in Kubernetes' words.

In: PodSpec.           Out: problems.    Source: Kubernetes pkg/apis/core/validation.
Before: check/at.py    After: check/workload.py, check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.names import environment_fault, label_fault, subdomain_fault
from lateen.api.pod import Container, ContainerPort, EnvVar, PodSpec, Probe, Volume
from lateen.base.problem import Problem
from lateen.check.at import At, between, one_of, port_number
from lateen.check.ephemerals import FIELD as EPHEMERALS
from lateen.check.ephemerals import check_ephemeral, check_targets
from lateen.check.placing import check_placing
from lateen.check.podparts import (
    check_container_parts,
    check_init_container,
    check_volume_parts,
    relative_path,
)
from lateen.check.service import IP_PROTOCOLS, port_name_fault

DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
SCHEMES = ("HTTP", "HTTPS")
_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")
_VALUE_SOURCES = ("configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef")


def check_pod_spec(spec: PodSpec, at: At) -> Iterator[Problem]:
    """Every fault of a pod's spec; `at` points at it."""
    if not spec.containers:
        yield at.key("containers").required()
    yield from _volumes(spec.volumes, at.key("volumes"))
    volumes = {volume.name for volume in spec.volumes}
    names: set[str] = set()
    for field, containers in (
        ("initContainers", spec.init_containers),
        ("containers", spec.containers),
        (EPHEMERALS, spec.ephemeral_containers),
    ):
        for index, container in enumerate(containers):
            here = at.key(field).item(index)
            yield from _container(container, volumes, here)
            if field == "initContainers":
                yield from check_init_container(container, here)
            if field == EPHEMERALS:
                yield from check_ephemeral(container, here)
            if container.name in names:
                yield here.key("name").error(f'Duplicate value: "{container.name}"')
            names.add(container.name)
    yield from check_targets(spec, at.key(EPHEMERALS))
    yield from between(at.key("activeDeadlineSeconds"), spec.active_deadline_seconds, 1)
    yield from one_of(at.key("restartPolicy"), spec.restart_policy, RESTART_POLICIES)
    yield from one_of(at.key("dnsPolicy"), spec.dns_policy, DNS_POLICIES)
    grace = spec.termination_grace_period_seconds
    yield from between(at.key("terminationGracePeriodSeconds"), grace, 0)
    yield from check_placing(spec, at)
    account = spec.service_account_name
    if account and (words := subdomain_fault(account)):
        yield at.key("serviceAccountName").invalid(account, words)
    for name, value in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        if value and (words := label_fault(value)):
            yield at.key(name).invalid(value, words)


def _volumes(volumes: tuple[Volume, ...], at: At) -> Iterator[Problem]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        here = at.item(index)
        if words := label_fault(volume.name):
            yield here.key("name").invalid(volume.name, words)
        if volume.name in names:
            yield here.key("name").error(f'Duplicate value: "{volume.name}"')
        names.add(volume.name)
        fields = set(volume.__struct_fields__) - {"name"}
        sources = [f for f in fields if getattr(volume, f) is not None]
        if not sources:
            yield here.error("Required value: must specify a volume type")
        elif len(sources) > 1:
            yield here.error("Forbidden: may not specify more than 1 volume type")
        if volume.config_map and not volume.config_map.name:
            yield here.key("configMap", "name").required()
        if volume.secret and not volume.secret.secret_name:
            yield here.key("secret", "secretName").required()
        for name, given in (("configMap", volume.config_map), ("secret", volume.secret)):
            for number, item in enumerate(given.items if given else ()):
                yield from relative_path(
                    item.path, here.key(name, "items").item(number).key("path")
                )
        yield from check_volume_parts(volume, here)


def _container(container: Container, volumes: set[str], at: At) -> Iterator[Problem]:
    if not container.name:
        yield at.key("name").required()
    elif words := label_fault(container.name):
        yield at.key("name").invalid(container.name, words)
    if container.name == "istio-proxy" and container.image != "auto":
        yield at.key("name").warning("istio-proxy is the name of the proxy lateen adds to each pod")
    if not container.image.strip():
        yield at.key("image").required()
    yield from _ports(container.ports, at.key("ports"))
    for index, variable in enumerate(container.env):
        yield from _variable(variable, at.key("env").item(index))
    for index, source in enumerate(container.env_from):
        here = at.key("envFrom").item(index)
        if (source.config_map_ref is None) == (source.secret_ref is None):
            yield here.error("must specify one of: `configMapRef` or `secretRef`")
        if source.prefix and (words := environment_fault(source.prefix)):
            yield here.key("prefix").invalid(source.prefix, words)
    yield from _mounts(container, volumes, at.key("volumeMounts"))
    for name, probe in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if probe:
            yield from _probe(probe, container, name, at.key(name))
    yield from check_container_parts(container, at)


def _ports(ports: tuple[ContainerPort, ...], at: At) -> Iterator[Problem]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        here = at.item(index)
        yield from port_number(here.key("containerPort"), port.container_port)
        yield from one_of(here.key("protocol"), port.protocol, IP_PROTOCOLS)
        if port.name and (words := port_name_fault(port.name)):
            yield here.key("name").invalid(port.name, words)
        if port.name and port.name in names:
            yield here.key("name").error(f'Duplicate value: "{port.name}"')
        names.add(port.name)


def _variable(variable: EnvVar, at: At) -> Iterator[Problem]:
    if not variable.name:
        yield at.key("name").required()
    elif words := environment_fault(variable.name):
        yield at.key("name").invalid(variable.name, words)
    if variable.value_from is None:
        return
    if variable.value:
        yield at.key("valueFrom").invalid("", "may not be specified when `value` is not empty")
    source = variable.value_from
    given = [f for f in source.__struct_fields__ if getattr(source, f) is not None]
    if len(given) != 1:
        words = f"must specify one of: {', '.join(f'`{s}`' for s in _VALUE_SOURCES[:4])}"
        yield at.key("valueFrom").invalid("", words)


def _mounts(container: Container, volumes: set[str], at: At) -> Iterator[Problem]:
    paths: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        here = at.item(index)
        if mount.name not in volumes:
            yield here.key("name").error(f'Not found: "{mount.name}"', "declare it in volumes")
        if not mount.mount_path:
            yield here.key("mountPath").required()
        if mount.mount_path in paths:
            yield here.key("mountPath").invalid(mount.mount_path, "must be unique")
        paths.add(mount.mount_path)
        yield from relative_path(mount.sub_path, here.key("subPath"))


def _probe(probe: Probe, container: Container, name: str, at: At) -> Iterator[Problem]:
    handlers = (probe.http_get, probe.tcp_socket, probe.exec, probe.grpc)
    given = [n for n, h in zip(_HANDLERS, handlers, strict=True) if h is not None]
    if not given:
        yield at.error("Required value: must specify a handler type", "give httpGet, or tcpSocket")
    for extra in given[1:]:
        yield at.key(extra).error("Forbidden: may not specify more than 1 handler type")
    for field, value, low in (
        ("initialDelaySeconds", probe.initial_delay_seconds, 0),
        ("periodSeconds", probe.period_seconds, 1),
        ("timeoutSeconds", probe.timeout_seconds, 1),
        ("successThreshold", probe.success_threshold, 1),
        ("failureThreshold", probe.failure_threshold, 1),
    ):
        yield from between(at.key(field), value, low)
    if name != "readinessProbe" and probe.success_threshold > 1:
        yield at.key("successThreshold").invalid(probe.success_threshold, "must be 1")
    if probe.http_get:
        here = at.key("httpGet")
        yield from _probe_port(probe.http_get.port, container, here.key("port"))
        yield from one_of(here.key("scheme"), probe.http_get.scheme, SCHEMES)
        if not probe.http_get.path.startswith("/"):
            words = f'"{probe.http_get.path}" is taken as "/{probe.http_get.path}"'
            yield here.key("path").warning(words)
    if probe.tcp_socket:
        yield from _probe_port(probe.tcp_socket.port, container, at.key("tcpSocket", "port"))
    if probe.exec and not probe.exec.command:
        yield at.key("exec", "command").required()
    if probe.grpc:
        yield from port_number(at.key("grpc", "port"), probe.grpc.port)


def _probe_port(port: int | str, container: Container, at: At) -> Iterator[Problem]:
    if isinstance(port, int):
        yield from port_number(at, port)
    elif words := port_name_fault(port):
        yield at.invalid(port, words)
    elif port not in {p.name for p in container.ports}:
        yield at.warning(f'container "{container.name}" has no port named "{port}"')
