"""Advise on what workloads leave out: resources, probes, versions of images, ports that are there.

In: Survey.                       Out: problems LAT0401 to LAT0405, LAT0410, LAT0411.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from lateen.api.codes import (
    LATEST_IMAGE,
    NO_LIVENESS,
    NO_MEMORY_LIMIT,
    NO_READINESS,
    NO_REQUESTS,
    PROBE_PORT,
    TARGET_PORT,
)
from lateen.api.limits import LimitRange
from lateen.api.pod import Container, Probe
from lateen.api.service import Service
from lateen.base.problem import Problem
from lateen.check.advice.survey import Pods, Survey
from lateen.check.at import At

PROXY = "istio-proxy"
AUTO = "auto"  # the image of a gateway that injection fills in


def advise_on_workloads(survey: Survey) -> Iterator[Problem]:
    """What the containers of every template leave out."""
    requested, limited = _defaults(survey)
    for pods in survey.pods:
        for index, container in enumerate(pods.spec.containers):
            if container.name == PROXY or container.image == AUTO:
                continue
            here = pods.at.key("containers").item(index)
            yield from _requests(container, requested.get(pods.namespace, frozenset()), here)
            if "memory" not in limited.get(pods.namespace, ()):
                yield from _limits(container, here)
            yield from _image(container, here)
            yield from _probe_ports(container, here)
        if pods.runs_on and survey.in_front_of(pods):
            yield from _probes(pods)


def _defaults(survey: Survey) -> tuple[Mapping[str, Set[str]], Mapping[str, Set[str]]]:
    """What LimitRanges request, and what they limit, for containers that say nothing; by namespace."""
    requested: dict[str, set[str]] = {}
    limited: dict[str, set[str]] = {}
    for obj, ranges in survey.of(LimitRange):
        for item in ranges.spec.limits:
            if item.type == "Container":
                given = item.default_request.keys() | item.default.keys()
                requested.setdefault(obj.key.namespace, set()).update(given)
                limited.setdefault(obj.key.namespace, set()).update(item.default)
    return requested, limited


def _requests(container: Container, defaults: Set[str], at: At) -> Iterator[Problem]:
    given = container.resources.requests.keys() | container.resources.limits.keys() | defaults
    if missing := [name for name in ("cpu", "memory") if name not in given]:
        words = (
            f'container "{container.name}" requests no {" and no ".join(missing)}: it is placed as if'
            " it needed none, and goes first when that runs out"
        )
        fix = f"requests: {{{', '.join(f'{name}: {_USUAL[name]}' for name in missing)}}}"
        yield at.key("resources", "requests").info(words, fix, code=NO_REQUESTS)


def _limits(container: Container, at: At) -> Iterator[Problem]:
    if "memory" not in container.resources.limits:
        words = (
            f'container "{container.name}" has no memory limit: a leak takes its neighbours along'
        )
        here = at.key("resources", "limits")
        yield here.info(words, "limits: {memory: 256Mi}", code=NO_MEMORY_LIMIT)


_USUAL = {"cpu": "100m", "memory": "128Mi"}


def _image(container: Container, at: At) -> Iterator[Problem]:
    image = container.image
    if not image or "@" in image:
        return
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        words = f'image "{image}" has {"no tag" if not tag else "the tag latest"}: what runs depends on when it was pulled, and nothing can be rolled back to'
        yield at.key("image").warning(words, "name a version, or a digest", LATEST_IMAGE)


def _probes(pods: Pods) -> Iterator[Problem]:
    containers = [c for c in pods.spec.containers if c.name != PROXY and c.image != AUTO]
    if not containers:
        return
    here = pods.at.key("containers").item(pods.spec.containers.index(containers[0]))
    if not any(c.readiness_probe for c in containers):
        words = "no readiness probe: a Service sends it requests before it can answer them"
        yield here.info(words, _probe_of(containers[0], "readinessProbe"), code=NO_READINESS)
    if not any(c.liveness_probe for c in containers):
        words = "no liveness probe: when it hangs, nobody starts it again"
        yield here.info(words, _probe_of(containers[0], "livenessProbe"), code=NO_LIVENESS)


def _probe_of(container: Container, name: str) -> str:
    port = container.ports[0].container_port if container.ports else 8080
    return f"{name}: {{httpGet: {{path: /healthz, port: {port}}}}}"


def _probe_ports(container: Container, at: At) -> Iterator[Problem]:
    named = {port.name for port in container.ports if port.name}
    for field, probe in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        found = _named_port(probe)
        if found and found[1] not in named:
            words = f'container "{container.name}" has no port named "{found[1]}": the probe fails always'
            fix = f"its ports are named: {', '.join(sorted(named))}" if named else "give a number"
            here = at.key(field, found[0], "port")
            yield here.warning(words, fix, PROBE_PORT)


def _named_port(probe: Probe | None) -> tuple[str, str] | None:
    """The action's field and the name of its port; None for a number."""
    for field, action in (
        ("httpGet", probe.http_get if probe else None),
        ("tcpSocket", probe.tcp_socket if probe else None),
    ):
        if action and isinstance(action.port, str) and not action.port.isdigit():
            return field, action.port
    return None


def advise_on_target_ports(survey: Survey) -> Iterator[Problem]:
    """A Service of one port, and pods that declare one, and the two are not the same.

    A container may listen on ports it does not declare, so where there are more of them nothing is said.
    """
    for obj, service in survey.of(Service):
        pods = survey.behind(service, obj.key.namespace)
        if not pods or len(service.spec.ports) != 1 or any(_declares_nothing(p) for p in pods):
            continue
        declared = {
            p.container_port for each in pods for c in each.spec.containers for p in c.ports
        }
        port = service.spec.ports[0]
        target = port.port if port.target_port is None else port.target_port
        if isinstance(target, str) or len(declared) != 1 or target in declared:
            continue
        (only,) = declared
        words = f"its pods declare port {only}, and it leads to {target}"
        field = "port" if port.target_port is None else "targetPort"
        here = At(obj).key("spec", "ports").item(0).key(field)
        yield here.warning(words, f"targetPort: {only}", TARGET_PORT)


def _declares_nothing(pods: Pods) -> bool:
    """A container that declares no port may listen on any; so may a proxy that is filled in later."""
    return any(not c.ports or c.image == AUTO for c in pods.spec.containers)
