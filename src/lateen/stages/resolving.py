"""Turn a Pod into something a node can run, with nothing left to look up.

In: a Pod, its ConfigMaps and Secrets, built images, its proxy.    Out: PodRun, or Waiting and why.
Before: stages/fieldrefs.py, stages/podvolumes.py        After: stages/running.py
Source: core/v1 PodSpec; "Define Environment Variables for a Container".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from lateen.api.objects import Obj
from lateen.api.pod import (
    Container,
    EnvVar,
    EphemeralContainer,
    Pod,
    ResourceRequirements,
    VolumeMount,
)
from lateen.api.quantity import milli, whole
from lateen.build.built import Built, expand_references, resolve_argv
from lateen.node.protocol import (
    ContainerRun,
    Limits,
    Mount,
    PodRun,
    ProxyRun,
    VolumeRun,
    VolumeTarget,
)
from lateen.stages.fieldrefs import BadReference, field_text, resource_text
from lateen.stages.podvolumes import (
    Lookup,
    VolumeSources,
    account_volume,
    content_of,
    volume_run,
)
from lateen.stages.spanvariables import span_variables

ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


class Waiting(Struct, frozen=True, kw_only=True):
    """Why a pod cannot be run yet: a container status reason of Kubernetes, and words."""

    reason: str
    message: str


def slot_of(uid: str) -> str:
    """The short, unique name of a pod's folder under the run directory."""
    return hashlib.blake2b(uid.encode(), digest_size=4).hexdigest()


def is_gateway_container(container: Container) -> bool:
    """Whether the container stands for the proxy itself, as in Istio's gateway injection."""
    return container.image == "auto"


def pod_run(
    obj: Obj,
    *,
    sources: VolumeSources,
    images: Mapping[str, Built],
    proxy: ProxyRun | None,
    links: Mapping[str, str],
) -> PodRun | Waiting:
    """Resolve everything; Waiting with CreateContainerConfigError names what is missing.

    `links` are the variables that tell of Services.
    """
    pod = obj.typed
    assert isinstance(pod, Pod)  # noqa: S101 - the caller lists pods
    namespace = pod.metadata.namespace
    try:
        run = PodRun(
            uid=pod.metadata.uid,
            slot=slot_of(pod.metadata.uid),
            namespace=namespace,
            name=pod.metadata.name,
            address=pod.status.pod_ip,
            node=pod.spec.node_name,
            hostname=pod.spec.hostname or pod.metadata.name,
            service_account=pod.spec.service_account_name or "default",
            restart_policy=pod.spec.restart_policy,
            grace_seconds=pod.spec.termination_grace_period_seconds,
            proxy=proxy,
            init_containers=tuple(
                _container(c, pod, sources.lookup, images[c.image], links)
                for c in pod.spec.init_containers
            ),
            containers=tuple(
                _container(c, pod, sources.lookup, images[c.image], links)
                for c in pod.spec.containers
                if not is_gateway_container(c)
            ),
            ephemeral_containers=tuple(
                _ephemeral(c, pod, sources.lookup, images[c.image], links)
                for c in pod.spec.ephemeral_containers
                if c.image in images
            ),
            deadline_seconds=pod.spec.active_deadline_seconds,
            volumes=tuple(volume_run(v, pod, sources) for v in pod.spec.volumes),
            search=(f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"),
        )
        account = account_volume(pod, sources) if _lacks_account(run) else None
    except BadReference as missing:
        return Waiting(reason="CreateContainerConfigError", message=str(missing))
    return run if account is None else _with_account(run, account)


def _lacks_account(run: PodRun) -> bool:
    """Whether it was not given the volume when it came, as a pod that came before its account."""
    return not all(_has_account(c) for c in (*run.init_containers, *run.containers))


def _has_account(container: ContainerRun) -> bool:
    return any(target.path.rstrip("/") == ACCOUNT_PATH for target in container.volumes)


def _with_account(run: PodRun, account: VolumeRun) -> PodRun:
    """Show each container the files of its service account, unless something else is there."""

    def shown(container: ContainerRun) -> ContainerRun:
        if _has_account(container):
            return container
        target = VolumeTarget(name=account.name, path=ACCOUNT_PATH, read_only=True)
        return msgspec.structs.replace(container, volumes=(*container.volumes, target))

    return msgspec.structs.replace(
        run,
        init_containers=tuple(shown(container) for container in run.init_containers),
        containers=tuple(shown(container) for container in run.containers),
        volumes=(*run.volumes, account),
    )


def _container(
    container: Container, pod: Pod, lookup: Lookup, built: Built, links: Mapping[str, str]
) -> ContainerRun:
    env = dict(built.env) | _environment(container, pod, lookup, links)
    env |= span_variables(pod, env)
    argv = resolve_argv(built, container.command, container.args, env)
    if not argv:
        raise BadReference(
            f"container {container.name}: neither its image nor the pod names a command"
        )
    return ContainerRun(
        name=container.name,
        image=container.image,
        argv=argv,
        restart_policy=container.restart_policy,
        cwd=container.working_dir or built.cwd,
        env=tuple(env.items()),
        mounts=tuple(Mount(source=s, target=t, read_only=r) for s, t, r in built.mounts),
        volumes=tuple(_target(m, pod, env) for m in container.volume_mounts),
        ports=tuple((p.name, p.container_port) for p in container.ports if p.name),
        liveness=container.liveness_probe,
        readiness=container.readiness_probe,
        startup=container.startup_probe,
        lifecycle=container.lifecycle,
        message_path=container.termination_message_path,
        message_from_log=container.termination_message_policy == "FallbackToLogsOnError",
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        limits=_limits(container.resources),
    )


def _ephemeral(
    container: EphemeralContainer,
    pod: Pod,
    lookup: Lookup,
    built: Built,
    links: Mapping[str, str],
) -> ContainerRun:
    run = _container(container, pod, lookup, built, links)
    return msgspec.structs.replace(run, target=container.target_container_name)


def _target(mount: VolumeMount, pod: Pod, env: Mapping[str, str]) -> VolumeTarget:
    volume = next((v for v in pod.spec.volumes if v.name == mount.name), None)
    if volume is None:
        raise BadReference(f'volume "{mount.name}" not found')
    claim = volume.persistent_volume_claim
    if volume.host_path is not None:
        # This machine's own files: written to only where that is asked for in so many words.
        read_only = mount.read_only is not False
    elif volume.csi is not None:
        read_only = True
    else:
        read_only = bool(mount.read_only) or (claim is not None and claim.read_only)
    sub_path = mount.sub_path or expand_references(mount.sub_path_expr, env)
    return VolumeTarget(
        name=mount.name, path=mount.mount_path, sub_path=sub_path, read_only=read_only
    )


def _limits(resources: ResourceRequirements) -> Limits:
    limits, requests = resources.limits, resources.requests
    try:
        return Limits(
            memory=whole(limits.get("memory", 0)),
            cpu=milli(limits.get("cpu", 0)),
            shares=milli(requests.get("cpu", limits.get("cpu", 0))),
        )
    except ValueError as fault:
        raise BadReference(str(fault)) from None


def _environment(
    container: Container, pod: Pod, lookup: Lookup, links: Mapping[str, str]
) -> dict[str, str]:
    namespace = pod.metadata.namespace
    env = dict(links)
    for source in container.env_from:
        for kind, ref in (("ConfigMap", source.config_map_ref), ("Secret", source.secret_ref)):
            if ref is None:
                continue
            content = content_of(kind, namespace, ref.name, lookup)
            if content is None and not ref.optional:
                raise BadReference(f'{kind.lower()} "{ref.name}" not found')
            for key, value in (content or {}).items():
                env[source.prefix + key] = value.decode("utf-8", "replace")
    for variable in container.env:
        given = _variable(variable, container, pod, lookup, env)
        if given is not None:
            env[variable.name] = given
    return env


def _variable(
    variable: EnvVar, container: Container, pod: Pod, lookup: Lookup, earlier: Mapping[str, str]
) -> str | None:
    source = variable.value_from
    if source is None:
        return expand_references(variable.value, earlier)
    if source.field_ref is not None:
        return field_text(pod, source.field_ref.field_path)
    if source.resource_field_ref is not None:
        return resource_text(pod, source.resource_field_ref, container)
    refs = (("ConfigMap", source.config_map_key_ref), ("Secret", source.secret_key_ref))
    for kind, ref in refs:
        if ref is None:
            continue
        content = content_of(kind, pod.metadata.namespace, ref.name, lookup)
        if content is None:
            if ref.optional:
                return None
            raise BadReference(f'{kind.lower()} "{ref.name}" not found')
        if ref.key not in content:
            if ref.optional:
                return None
            raise BadReference(
                f"couldn't find key {ref.key} in {kind} {pod.metadata.namespace}/{ref.name}"
            )
        return content[ref.key].decode("utf-8", "replace")
    return ""
