"""Check hooks, resources and the volumes that are not a single ConfigMap or Secret.

In: parts of a PodSpec.    Out: problems.    Source: Kubernetes pkg/apis/core/validation.
Before: check/at.py        After: check/pod.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.pod import (
    SPIFFE_DRIVER,
    Container,
    DownwardFile,
    LifecycleHandler,
    ResourceRequirements,
    Volume,
    VolumeProjection,
)
from lateen.api.quantity import QUANTITY_FORM, Quantity, exact
from lateen.base.problem import Problem
from lateen.check.at import At, between, one_of, port_number

MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
HOST_PATH_TYPES = (
    "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File",
    "Socket", "CharDevice", "BlockDevice",
)  # fmt: skip
_SHORTEST_TOKEN_SECONDS = 600
_HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")


def check_init_container(container: Container, at: At) -> Iterator[Problem]:
    """What an init container may not have: probes and hooks belong to sidecars."""
    yield from one_of(at.key("restartPolicy"), container.restart_policy, ("", "Always"))
    if container.restart_policy == "Always":
        return
    for name, given in (
        ("lifecycle", container.lifecycle),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if given is not None:
            words = "Forbidden: may not be set for init containers without restartPolicy=Always"
            yield at.key(name).error(words)


def check_container_parts(container: Container, at: At) -> Iterator[Problem]:
    """Hooks, resources and where the last message is left."""
    if container.lifecycle is not None:
        for name, hook in (
            ("postStart", container.lifecycle.post_start),
            ("preStop", container.lifecycle.pre_stop),
        ):
            if hook is not None:
                yield from _hook(hook, at.key("lifecycle", name))
    yield from check_resources(container.resources, at.key("resources"))
    policy = container.termination_message_policy
    yield from one_of(at.key("terminationMessagePolicy"), policy, MESSAGE_POLICIES)


def check_resources(resources: ResourceRequirements, at: At) -> Iterator[Problem]:
    """Quantities in their form, and no request above its limit."""
    for name, given in (("limits", resources.limits), ("requests", resources.requests)):
        for resource, quantity in given.items():
            yield from _quantity(quantity, at.key(name, resource))
    for resource, asked in resources.requests.items():
        limit = resources.limits.get(resource)
        if limit is not None and _above(asked, limit):
            words = f"must be less than or equal to {resource} limit of {limit}"
            yield at.key("requests").invalid(str(asked), words)


def check_volume_parts(volume: Volume, at: At) -> Iterator[Problem]:
    """hostPath, persistentVolumeClaim, downwardAPI and projected."""
    if volume.host_path is not None:
        here = at.key("hostPath")
        if not volume.host_path.path:
            yield here.key("path").required()
        if ".." in volume.host_path.path.split("/"):
            yield here.key("path").invalid(volume.host_path.path, "must not contain '..'")
        yield from one_of(here.key("type"), volume.host_path.type, HOST_PATH_TYPES)
    claim = volume.persistent_volume_claim
    if claim is not None and not claim.claim_name:
        yield at.key("persistentVolumeClaim", "claimName").required()
    if volume.downward_api is not None:
        yield from _downward(volume.downward_api.items, at.key("downwardAPI", "items"))
    if volume.csi is not None:
        here = at.key("csi", "driver")
        if not volume.csi.driver:
            yield here.required()
        elif volume.csi.driver != SPIFFE_DRIVER:
            words = f"no driver {volume.csi.driver} is here; the volume is an empty folder"
            yield here.warning(words, f"{SPIFFE_DRIVER} is", NOT_YET_HONOURED)
    if volume.projected is not None:
        for index, source in enumerate(volume.projected.sources):
            yield from _projection(source, at.key("projected", "sources").item(index))


def relative_path(path: str, at: At) -> Iterator[Problem]:
    """A path inside a volume."""
    if path.startswith("/"):
        yield at.invalid(path, "must be a relative path")
    if ".." in path.split("/"):
        yield at.invalid(path, "must not contain '..'")


def _hook(hook: LifecycleHandler, at: At) -> Iterator[Problem]:
    handlers = (hook.exec, hook.http_get, hook.tcp_socket, hook.sleep)
    given = [n for n, h in zip(_HOOKS, handlers, strict=True) if h is not None]
    if not given:
        yield at.error("Required value: must specify a handler type")
    for extra in given[1:]:
        yield at.key(extra).error("Forbidden: may not specify more than 1 handler type")
    if hook.exec is not None and not hook.exec.command:
        yield at.key("exec", "command").required()
    if hook.http_get is not None and isinstance(hook.http_get.port, int):
        yield from port_number(at.key("httpGet", "port"), hook.http_get.port)
    if hook.sleep is not None:
        yield from between(at.key("sleep", "seconds"), hook.sleep.seconds, 0)


def _quantity(quantity: Quantity, at: At) -> Iterator[Problem]:
    try:
        if exact(quantity) < 0:
            yield at.invalid(str(quantity), "must be greater than or equal to 0")
    except ValueError:
        yield at.invalid(str(quantity), QUANTITY_FORM)


def _above(asked: Quantity, limit: Quantity) -> bool:
    try:
        return exact(asked) > exact(limit)
    except ValueError:
        return False


def _projection(source: VolumeProjection, at: At) -> Iterator[Problem]:
    for name, keys in (("configMap", source.config_map), ("secret", source.secret)):
        if keys is None:
            continue
        if not keys.name:
            yield at.key(name, "name").required()
        for number, item in enumerate(keys.items):
            yield from relative_path(item.path, at.key(name, "items").item(number).key("path"))
    if source.downward_api is not None:
        yield from _downward(source.downward_api.items, at.key("downwardAPI", "items"))
    token = source.service_account_token
    if token is not None:
        here = at.key("serviceAccountToken")
        yield from relative_path(token.path, here.key("path"))
        if not token.path:
            yield here.key("path").required()
        if token.expiration_seconds < _SHORTEST_TOKEN_SECONDS:
            words = "may not specify a duration less than 10 minutes"
            yield here.key("expirationSeconds").invalid(token.expiration_seconds, words)


def _downward(items: tuple[DownwardFile, ...], at: At) -> Iterator[Problem]:
    for number, item in enumerate(items):
        here = at.item(number)
        yield from relative_path(item.path, here.key("path"))
        if (item.field_ref is None) == (item.resource_field_ref is None):
            yield here.error("must specify one of: `fieldRef` or `resourceFieldRef`")
