"""Turn a Pod into something a node can run, with nothing left to look up.

In: a Pod, its ConfigMaps and Secrets, built images, its proxy.    Out: PodRun, or Waiting and why.
Before: build/, cluster/        After: stages/nodes.py, node/
Source: core/v1 PodSpec; "Define Environment Variables for a Container".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lateen.api.config import ConfigMap, Secret
from lateen.api.objects import Obj
from lateen.api.pod import (
    Container,
    EnvVar,
    KeyToPath,
    Pod,
    Volume,
)
from lateen.base.origin import ObjectKey
from lateen.build.built import Built, expand_references, resolve_argv
from lateen.node.protocol import (
    ContainerRun,
    Mount,
    PodRun,
    ProxyRun,
    VolumeFile,
    VolumeRun,
    VolumeTarget,
)

Lookup = Callable[[ObjectKey], Obj | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why a pod cannot be run yet: a container status reason of Kubernetes, and words."""

    reason: str
    message: str


class _Missing(Exception):
    """A reference that leads nowhere; becomes Waiting."""


def slot_of(uid: str) -> str:
    """The short, unique name of a pod's folder under the run directory."""
    return hashlib.blake2b(uid.encode(), digest_size=4).hexdigest()


def is_gateway_container(container: Container) -> bool:
    """Whether the container stands for the proxy itself, as in Istio's gateway injection."""
    return container.image == "auto"


def pod_run(
    obj: Obj, *, lookup: Lookup, images: Mapping[str, Built], proxy: ProxyRun | None
) -> PodRun | Waiting:
    """Resolve everything; Waiting with CreateContainerConfigError names what is missing."""
    pod = obj.typed
    assert isinstance(pod, Pod)  # noqa: S101 - the caller lists pods
    namespace = pod.metadata.namespace
    try:
        return PodRun(
            uid=pod.metadata.uid,
            slot=slot_of(pod.metadata.uid),
            namespace=namespace,
            name=pod.metadata.name,
            address=pod.status.pod_ip,
            hostname=pod.spec.hostname or pod.metadata.name,
            service_account=pod.spec.service_account_name or "default",
            restart_policy=pod.spec.restart_policy,
            grace_seconds=pod.spec.termination_grace_period_seconds,
            proxy=proxy,
            containers=tuple(
                _container(c, pod, lookup, images[c.image])
                for c in pod.spec.containers
                if not is_gateway_container(c)
            ),
            volumes=tuple(_volume(v, namespace, lookup) for v in pod.spec.volumes),
            search=(f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"),
        )
    except _Missing as missing:
        return Waiting(reason="CreateContainerConfigError", message=str(missing))


def _container(container: Container, pod: Pod, lookup: Lookup, built: Built) -> ContainerRun:
    env = dict(built.env) | _environment(container, pod, lookup)
    argv = resolve_argv(built, container.command, container.args, env)
    if not argv:
        raise _Missing(f"container {container.name}: neither its image nor the pod names a command")
    return ContainerRun(
        name=container.name,
        image=container.image,
        argv=argv,
        cwd=container.working_dir or built.cwd,
        env=tuple(env.items()),
        mounts=tuple(Mount(source=s, target=t, read_only=r) for s, t, r in built.mounts),
        volumes=tuple(
            VolumeTarget(name=m.name, path=m.mount_path, sub_path=m.sub_path, read_only=bool(m.read_only))
            for m in container.volume_mounts
        ),
        ports=tuple((p.name, p.container_port) for p in container.ports if p.name),
        liveness=container.liveness_probe,
        readiness=container.readiness_probe,
        startup=container.startup_probe,
    )


def _environment(container: Container, pod: Pod, lookup: Lookup) -> dict[str, str]:
    namespace = pod.metadata.namespace
    env: dict[str, str] = {}
    for source in container.env_from:
        for kind, ref in (("ConfigMap", source.config_map_ref), ("Secret", source.secret_ref)):
            if ref is None:
                continue
            content = _content(kind, namespace, ref.name, lookup)
            if content is None and not ref.optional:
                raise _Missing(f'{kind.lower()} "{ref.name}" not found')
            for key, value in (content or {}).items():
                env[source.prefix + key] = value.decode("utf-8", "replace")
    for variable in container.env:
        given = _variable(variable, pod, lookup, env)
        if given is not None:
            env[variable.name] = given
    return env


def _variable(variable: EnvVar, pod: Pod, lookup: Lookup, earlier: Mapping[str, str]) -> str | None:
    source = variable.value_from
    if source is None:
        return expand_references(variable.value, earlier)
    if source.field_ref is not None:
        return _field(pod, source.field_ref.field_path)
    refs = (("ConfigMap", source.config_map_key_ref), ("Secret", source.secret_key_ref))
    for kind, ref in refs:
        if ref is None:
            continue
        content = _content(kind, pod.metadata.namespace, ref.name, lookup)
        if content is None:
            if ref.optional:
                return None
            raise _Missing(f'{kind.lower()} "{ref.name}" not found')
        if ref.key not in content:
            if ref.optional:
                return None
            raise _Missing(
                f"couldn't find key {ref.key} in {kind} {pod.metadata.namespace}/{ref.name}"
            )
        return content[ref.key].decode("utf-8", "replace")
    return ""


def _field(pod: Pod, path: str) -> str:
    simple = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name or "default",
        "status.podIP": pod.status.pod_ip,
        "status.podIPs": pod.status.pod_ip,
        "status.hostIP": pod.status.host_ip,
    }
    if path in simple:
        return simple[path]
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    if keyed:
        table = pod.metadata.labels if keyed[1] == "labels" else pod.metadata.annotations
        return table.get(keyed[2], "")
    raise _Missing(f"fieldRef {path} is not a field a container can be given")


def _content(kind: str, namespace: str, name: str, lookup: Lookup) -> dict[str, bytes] | None:
    obj = lookup(ObjectKey(group="", kind=kind, namespace=namespace, name=name))
    if obj is None:
        return None
    assert isinstance(obj.typed, ConfigMap | Secret)  # noqa: S101 - the key says so
    return obj.typed.content()


def _volume(volume: Volume, namespace: str, lookup: Lookup) -> VolumeRun:
    if volume.config_map is not None:
        found = volume.config_map
        return _files(
            volume.name, "ConfigMap", namespace, found.name, found.items,
            found.default_mode, found.optional, lookup,
        )  # fmt: skip
    if volume.secret is not None:
        secret = volume.secret
        return _files(
            volume.name, "Secret", namespace, secret.secret_name, secret.items,
            secret.default_mode, secret.optional, lookup,
        )  # fmt: skip
    return VolumeRun(name=volume.name, empty_dir=True)


def _files(
    volume: str, kind: str, namespace: str, name: str, items: tuple[KeyToPath, ...],
    mode: int, optional: bool, lookup: Lookup,
) -> VolumeRun:  # fmt: skip
    content = _content(kind, namespace, name, lookup)
    if content is None:
        if optional:
            return VolumeRun(name=volume)
        raise _Missing(f'{kind.lower()} "{name}" not found')
    if not items:
        files = tuple(VolumeFile(path=k, content=v, mode=mode) for k, v in sorted(content.items()))
        return VolumeRun(name=volume, files=files)
    missing = [i.key for i in items if i.key not in content]
    if missing and not optional:
        raise _Missing(f"references non-existent {kind.lower()} key: {missing[0]}")
    return VolumeRun(
        name=volume,
        files=tuple(
            VolumeFile(path=i.path, content=content[i.key], mode=mode if i.mode is None else i.mode)
            for i in items
            if i.key in content
        ),
    )
