"""Pods as traffic sees them: address, identity, workload, and whether they have a proxy.

In: Pod objects, namespace labels, the places of nodes.    Out: Workload.
Before: world/model.py                After: world/build.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from lateen.api.interception import interception_of
from lateen.api.meshconfig import MeshConfig, read_proxy_annotation
from lateen.api.meta import ObjectMeta
from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.proxydefaults import ANNOTATION, metadata_faults
from lateen.base.locality import NOWHERE, Locality, parse_locality
from lateen.world.model import Injection, Workload
from lateen.world.mounts import mounts_of

_INJECT = "sidecar.istio.io/inject"
_TEMPLATES = "inject.istio.io/templates"
_LOCALITY = "istio-locality"
_HASH = "pod-template-hash"
_NAMESPACE_SWITCH = "istio-injection"
_NO_SETTINGS = MeshConfig()


def workload_of(
    obj: Obj,
    namespace_labels: Mapping[str, str],
    trust_domain: str,
    places: Mapping[str, Locality],
    mesh: MeshConfig = _NO_SETTINGS,
) -> Workload:
    """Read one pod."""
    pod = cast("Pod", obj.typed)
    labels = pod.metadata.labels
    namespace = obj.key.namespace
    account = pod.spec.service_account_name or "default"
    return Workload(
        name=obj.key.name,
        namespace=namespace,
        uid=pod.metadata.uid,
        address=pod.status.pod_ip,
        labels=dict(sorted(labels.items())),
        service_account=account,
        identity=f"spiffe://{trust_domain}/ns/{namespace}/sa/{account}",
        workload=workload_name(pod.metadata, obj.key.name),
        app=labels.get("app") or labels.get("app.kubernetes.io/name", ""),
        version=labels.get("version") or labels.get("app.kubernetes.io/version", ""),
        injection=injection_of(pod, namespace_labels),
        ended=pod.status.phase in ("Succeeded", "Failed"),
        ports=tuple(
            (port.name, port.container_port)
            for container in pod.spec.containers
            for port in container.ports
            if port.protocol == "TCP"
        ),
        named_ports=tuple(
            (port.protocol, port.name, port.container_port)
            for container in pod.spec.containers
            for port in container.ports
            if port.name
        ),
        hostname=pod.spec.hostname,
        subdomain=pod.spec.subdomain,
        proxy_metadata=_proxy_metadata(pod.metadata.annotations, mesh),
        locality=_locality(labels, places.get(pod.spec.node_name, NOWHERE)),
        node=pod.spec.node_name,
        mounts=mounts_of(pod),
        proxy_settings=pod.metadata.annotations.get(ANNOTATION, ""),
        interception=interception_of(pod.metadata.annotations),
        origin=obj.origin(),
    )


def _proxy_metadata(
    annotations: Mapping[str, str], mesh: MeshConfig
) -> tuple[tuple[str, str], ...]:
    """The mesh's, with the pod's own in front. What cannot hold was told before, and is left out."""
    found = dict(mesh.default_config.proxy_metadata) if mesh.default_config else {}
    if text := annotations.get(ANNOTATION):
        found |= read_proxy_annotation(text)[0].proxy_metadata
    for name, _ in tuple(metadata_faults(found)):
        del found[name]
    return tuple(sorted(found.items()))


def _locality(labels: Mapping[str, str], of_node: Locality) -> Locality:
    """The node's, unless a label says another; in the label dots may stand for slashes."""
    said = labels.get(_LOCALITY, "")
    if not said:
        return of_node
    return parse_locality(said if "/" in said else said.replace(".", "/"))


def injection_of(pod: Pod, namespace_labels: Mapping[str, str]) -> Injection:
    """Which proxy a pod gets: one by default, unless it or its namespace declines.

    A pod whose container's image is `auto`, or that asks for Istio's `gateway` template, is a
    gateway: nothing but its proxy runs in it. Without an address there is nothing to proxy.
    """
    meta = pod.metadata
    if not pod.status.pod_ip:
        return Injection.NONE
    wish = meta.labels.get(_INJECT) or meta.annotations.get(_INJECT, "")
    if wish.lower() == "false":
        return Injection.NONE
    templates = meta.annotations.get(_TEMPLATES, "").split(",")
    if "gateway" in templates or any(c.image == "auto" for c in pod.spec.containers):
        return Injection.GATEWAY
    if namespace_labels.get(_NAMESPACE_SWITCH) == "disabled":
        return Injection.NONE
    return Injection.SIDECAR


def workload_name(meta: ObjectMeta, pod: str) -> str:
    """The name of what a pod belongs to: its Deployment, StatefulSet …, or its own."""
    owner = next((o for o in meta.owner_references if o.controller), None)
    owner = owner or next(iter(meta.owner_references), None)
    if owner is None:
        return pod
    if owner.kind != "ReplicaSet":
        return owner.name
    suffix = meta.labels.get(_HASH)
    if suffix:
        return owner.name.removesuffix(f"-{suffix}")
    return owner.name.rpartition("-")[0] or owner.name
