"""Which Secrets a pod's proxy would see as files, so that certificates can be named by path.

In: a Pod.               Out: Mounts.
Before: api/pod.py       After: world/workloads.py, translate/credentials.py

Source: Istio's annotations `sidecar.istio.io/userVolume` and `userVolumeMount`, and a container
`istio-proxy` that the pod declares itself. Nothing is mounted: what a path leads to is sent to Envoy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lateen.api.pod import Pod
from lateen.world.model import Mount

_VOLUMES = "sidecar.istio.io/userVolume"
_PLACES = "sidecar.istio.io/userVolumeMount"
_PROXY = "istio-proxy"


def mounts_of(pod: Pod) -> tuple[Mount, ...]:
    """Each folder of a Secret's files, the deepest first."""
    secrets = dict(_volumes(pod)) | dict(_written_volumes(pod))
    found = [
        Mount(path=path.rstrip("/"), secret=secrets[name][0], files=secrets[name][1])
        for name, path in (*_places(pod), *_written_places(pod))
        if name in secrets
    ]
    return tuple(sorted(found, key=lambda mount: (-len(mount.path), mount.path)))


_Files = tuple[str, tuple[tuple[str, str], ...]]  # a Secret, and its keys by file where they differ


def _volumes(pod: Pod) -> Iterator[tuple[str, _Files]]:
    for volume in pod.spec.volumes:
        if volume.secret:
            items = tuple((item.path, item.key) for item in volume.secret.items)
            yield volume.name, (volume.secret.secret_name, items)


def _places(pod: Pod) -> Iterator[tuple[str, str]]:
    for container in pod.spec.containers:
        if container.name == _PROXY:
            for mount in container.volume_mounts:
                yield mount.name, mount.mount_path


def _written_volumes(pod: Pod) -> Iterator[tuple[str, _Files]]:
    for name, volume in _annotation(pod, _VOLUMES).items():
        secret = volume.get("secret") if isinstance(volume, dict) else None
        if isinstance(secret, dict) and isinstance(secret.get("secretName"), str):
            items = secret.get("items") or []
            files = tuple(
                (str(each.get("path", "")), str(each.get("key", "")))
                for each in items
                if isinstance(each, dict)
            )
            yield name, (secret["secretName"], files)


def _written_places(pod: Pod) -> Iterator[tuple[str, str]]:
    for name, place in _annotation(pod, _PLACES).items():
        if isinstance(place, dict) and isinstance(place.get("mountPath"), str):
            yield name, place["mountPath"]


def _annotation(pod: Pod, key: str) -> dict[str, Any]:
    """A mapping written as JSON; an empty one for anything else."""
    try:
        found = json.loads(pod.metadata.annotations.get(key, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
