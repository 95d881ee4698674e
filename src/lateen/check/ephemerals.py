"""Check ephemeral containers: what they may have, and that they only ever come.

In: PodSpec; a pod's tree before and after.    Out: problems.
Before: check/at.py        After: check/pod.py, check/workload.py, apiserver/ephemerals.py
Source: Kubernetes pkg/apis/core/validation, validateEphemeralContainers, ValidatePodEphemeralContainersUpdate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.api.pod import Container, PodSpec, ResourceRequirements
from lateen.base.problem import Problem
from lateen.check.at import At

FIELD = "ephemeralContainers"


def check_ephemeral(container: Container, at: At) -> Iterator[Problem]:
    """What a container may not have that comes to look and serves nobody."""
    for name, given in (
        ("ports", container.ports),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
        ("lifecycle", container.lifecycle),
        ("resources", container.resources != ResourceRequirements()),
        ("restartPolicy", container.restart_policy),
    ):
        if given:
            yield at.key(name).error("Forbidden: cannot be set for an Ephemeral Container")
    for index, mount in enumerate(container.volume_mounts):
        if mount.sub_path:
            here = at.key("volumeMounts").item(index).key("subPath")
            yield here.error("Forbidden: cannot be set for an Ephemeral Container")


def check_targets(spec: PodSpec, at: At) -> Iterator[Problem]:
    """That each container whose processes are to be seen is one of the pod's own."""
    names = {c.name for c in (*spec.containers, *spec.init_containers)}
    for index, container in enumerate(spec.ephemeral_containers):
        target = container.target_container_name
        if target and target not in names:
            yield at.item(index).key("targetContainerName").error(f'Not found: "{target}"')


def forbid_ephemerals(spec: PodSpec, at: At) -> Iterator[Problem]:
    """A template cannot have any: they come into pods that run."""
    if spec.ephemeral_containers:
        yield at.key(FIELD).error("Forbidden: ephemeral containers not allowed in pod template")


def check_coming(before: Mapping[str, Any], after: Mapping[str, Any], at: At) -> Iterator[Problem]:
    """Those that are there stay as they are; `at` points at the pod's spec."""
    wanted = {c["name"]: c for c in _ephemerals(after)}
    for container in _ephemerals(before):
        name = container["name"]
        if name not in wanted:
            words = f'Forbidden: existing ephemeral containers "{name}" may not be removed\n'
            yield at.key(FIELD).error(words)
        elif wanted[name] != container:
            words = f'Forbidden: existing ephemeral containers "{name}" may not be changed\n'
            yield at.key(FIELD).error(words)


def _ephemerals(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = (pod.get("spec") or {}).get(FIELD) or []
    return found
