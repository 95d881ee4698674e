"""Turn a pod's volumes into what a node can show: files, folders, places of this machine.

In: Volume, the Pod, its ConfigMaps, Secrets and claims, tokens.    Out: VolumeRun, or BadReference.
Before: stages/fieldrefs.py        After: stages/resolving.py
Source: core/v1 Volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from lateen.api.config import ConfigMap, Secret
from lateen.api.objects import Obj
from lateen.api.pod import (
    SPIFFE_DRIVER,
    DownwardFile,
    KeyToPath,
    Pod,
    TokenProjection,
    Volume,
    VolumeProjection,
)
from lateen.base.origin import ObjectKey
from lateen.node.protocol import HostPath, VolumeFile, VolumeRun
from lateen.stages.fieldrefs import BadReference, field_text, resource_text

Lookup = Callable[[ObjectKey], Obj | None]
TokenFor = Callable[[Pod, TokenProjection], str]
_TOKEN_MODE = 0o600
_ACCOUNT_TOKEN_SECONDS = 3607
ACCOUNT_VOLUME = "kube-api-access"


class VolumeSources(Struct, frozen=True, kw_only=True):
    """Where content comes from. `kept` is the folder lateen keeps claims' folders in; `identity`
    the folder with a pod's Workload API; `token` gives the same token until it is time for another."""

    lookup: Lookup
    kept: str = ""
    identity: Callable[[Pod], str] = lambda _: ""
    token: TokenFor | None = None


def volume_run(volume: Volume, pod: Pod, sources: VolumeSources) -> VolumeRun:
    """One volume; raises BadReference."""
    name, namespace = volume.name, pod.metadata.namespace
    if (config := volume.config_map) is not None:
        content = _Keys("ConfigMap", config.name, config.items, config.optional)
        files = content.files(namespace, config.default_mode, sources.lookup)
    elif (secret := volume.secret) is not None:
        content = _Keys("Secret", secret.secret_name, secret.items, secret.optional)
        files = content.files(namespace, secret.default_mode, sources.lookup)
    elif (downward := volume.downward_api) is not None:
        files = _downward(downward.items, pod, downward.default_mode)
    elif (projected := volume.projected) is not None:
        parts = [_project(s, pod, projected.default_mode, sources) for s in projected.sources]
        files = tuple({file.path: file for part in parts for file in part}.values())
    elif (host := volume.host_path) is not None:
        return VolumeRun(name=name, host=HostPath(path=host.path, type=host.type))
    elif (claim := volume.persistent_volume_claim) is not None:
        return _claimed(name, namespace, claim.claim_name, sources)
    elif (csi := volume.csi) is not None and csi.driver == SPIFFE_DRIVER:
        return VolumeRun(name=name, kept=sources.identity(pod))
    else:
        return VolumeRun(name=name, empty_dir=True)
    return VolumeRun(name=name, files=files)


def account_volume(pod: Pod, sources: VolumeSources) -> VolumeRun | None:
    """What every pod is given of its service account, unless the pod or the account declines.

    Source: kubernetes plugin/pkg/admission/serviceaccount, `TokenVolumeSource`.
    """
    name = pod.spec.service_account_name or "default"
    namespace = pod.metadata.namespace
    account = sources.lookup(
        ObjectKey(group="", kind="ServiceAccount", namespace=namespace, name=name)
    )
    if account is None or sources.token is None:
        return None
    wanted = pod.spec.automount_service_account_token
    if wanted is None:
        wanted = account.raw.get("automountServiceAccountToken")
    if wanted is False:
        return None
    asked = TokenProjection(path="token", expiration_seconds=_ACCOUNT_TOKEN_SECONDS)
    files = {"token": sources.token(pod, asked).encode(), "namespace": namespace.encode()}
    authority = content_of("ConfigMap", namespace, "kube-root-ca.crt", sources.lookup)
    files |= {key: text for key, text in (authority or {}).items() if key == "ca.crt"}
    return VolumeRun(
        name=ACCOUNT_VOLUME,
        files=tuple(VolumeFile(path=path, content=text) for path, text in sorted(files.items())),
    )


def content_of(kind: str, namespace: str, name: str, lookup: Lookup) -> dict[str, bytes] | None:
    """The keys of a ConfigMap or Secret; None if it is not there."""
    obj = lookup(ObjectKey(group="", kind=kind, namespace=namespace, name=name))
    if obj is None:
        return None
    assert isinstance(obj.typed, ConfigMap | Secret)  # noqa: S101 - the key says so
    return obj.typed.content()


class _Keys(Struct, frozen=True):
    """Some or all keys of a ConfigMap or Secret."""

    kind: str
    name: str
    items: tuple[KeyToPath, ...]
    optional: bool

    def files(self, namespace: str, mode: int, lookup: Lookup) -> tuple[VolumeFile, ...]:
        content = content_of(self.kind, namespace, self.name, lookup)
        if content is None:
            if self.optional:
                return ()
            raise BadReference(f'{self.kind.lower()} "{self.name}" not found')
        if not self.items:
            return tuple(
                VolumeFile(path=key, content=value, mode=mode)
                for key, value in sorted(content.items())
            )
        missing = [item.key for item in self.items if item.key not in content]
        if missing and not self.optional:
            raise BadReference(f"references non-existent {self.kind.lower()} key: {missing[0]}")
        return tuple(
            VolumeFile(
                path=item.path,
                content=content[item.key],
                mode=mode if item.mode is None else item.mode,
            )
            for item in self.items
            if item.key in content
        )


def _downward(items: Iterable[DownwardFile], pod: Pod, mode: int) -> tuple[VolumeFile, ...]:
    return tuple(
        VolumeFile(
            path=item.path,
            content=_downward_text(item, pod).encode(),
            mode=mode if item.mode is None else item.mode,
        )
        for item in items
    )


def _downward_text(item: DownwardFile, pod: Pod) -> str:
    if item.resource_field_ref is not None:
        return resource_text(pod, item.resource_field_ref, None)
    return field_text(pod, item.field_ref.field_path) if item.field_ref is not None else ""


def _project(
    source: VolumeProjection, pod: Pod, mode: int, sources: VolumeSources
) -> tuple[VolumeFile, ...]:
    namespace = pod.metadata.namespace
    for kind, keys in (("ConfigMap", source.config_map), ("Secret", source.secret)):
        if keys is not None:
            content = _Keys(kind, keys.name, keys.items, keys.optional)
            return content.files(namespace, mode, sources.lookup)
    if source.downward_api is not None:
        return _downward(source.downward_api.items, pod, mode)
    asked = source.service_account_token
    if asked is None:
        return ()
    if sources.token is None:
        raise BadReference("service account tokens are not issued here")
    token = sources.token(pod, asked).encode()
    return (VolumeFile(path=asked.path, content=token, mode=_TOKEN_MODE),)


def _claimed(volume: str, namespace: str, name: str, sources: VolumeSources) -> VolumeRun:
    """The folder of the PersistentVolume a claim is bound to."""
    key = ObjectKey(group="", kind="PersistentVolumeClaim", namespace=namespace, name=name)
    claim = sources.lookup(key)
    if claim is None:
        raise BadReference(f'persistentvolumeclaim "{name}" not found')
    bound = str((claim.raw.get("spec") or {}).get("volumeName") or "")
    found = sources.lookup(ObjectKey(group="", kind="PersistentVolume", namespace="", name=bound))
    if found is None:
        raise BadReference("pod has unbound immediate PersistentVolumeClaims")
    spec = found.raw.get("spec") or {}
    for source in ("local", "hostPath"):
        path = str((spec.get(source) or {}).get("path") or "")
        if path and _is_kept(path, sources.kept):
            return VolumeRun(name=volume, kept=path)
        if path:
            return VolumeRun(name=volume, host=HostPath(path=path))
    raise BadReference(f'persistentvolume "{bound}" names no path of this machine')


def _is_kept(path: str, kept: str) -> bool:
    inside = bool(kept) and Path(path).is_relative_to(kept)
    return inside and ".." not in Path(path).parts and path != kept
