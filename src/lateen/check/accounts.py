"""Give a new pod the volume by which its programs reach the API as its service account.

In: a pod's tree, its namespace's objects.    Out: the tree with the volume and a mount in each container.
Before: api/pod.py        After: cluster/newpods.py, apiserver/reviewing.py
Source: kubernetes plugin/pkg/admission/serviceaccount.

A pod alone in a file is as the file has it: stages/podvolumes.py shows it the same files without a volume to name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
AUTHORITY = "kube-root-ca.crt"
VOLUME_PREFIX = "kube-api-access-"
_SECONDS = 3607  # as Kubernetes asks, to tell its own from what somebody wrote
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LISTS = ("initContainers", "containers")

Get = Callable[[ObjectKey], Obj | None]


def with_account(tree: dict[str, Any], key: ObjectKey, get: Get) -> dict[str, Any]:
    """The pod with its account's token, unless it or the account declines or it has one already.

    Without the account, or the certificate of an API to reach, it stays as it is.
    """
    spec: Mapping[str, Any] = tree["spec"]
    name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    account = get(ObjectKey(group="", kind="ServiceAccount", namespace=key.namespace, name=name))
    authority = ObjectKey(group="", kind="ConfigMap", namespace=key.namespace, name=AUTHORITY)
    if account is None or get(authority) is None:
        return tree
    wanted = spec.get("automountServiceAccountToken")
    if wanted is None:
        wanted = account.raw.get("automountServiceAccountToken")
    if wanted is False or all(_is_mounted(c) for field in _LISTS for c in spec.get(field) or ()):
        return tree
    volume = VOLUME_PREFIX + _suffix(f"{key.namespace}/{key.name}")
    mounted = {
        field: [c if _is_mounted(c) else _mounting(c, volume) for c in spec[field]]
        for field in _LISTS
        if spec.get(field)
    }
    volumes = [*(spec.get("volumes") or ()), _volume(volume)]
    return tree | {"spec": {**spec, **mounted, "volumes": volumes}}


def _is_mounted(container: Mapping[str, Any]) -> bool:
    return any(
        m["mountPath"].rstrip("/") == MOUNT_PATH for m in container.get("volumeMounts") or ()
    )


def _mounting(container: Mapping[str, Any], volume: str) -> dict[str, Any]:
    mount = {"name": volume, "mountPath": MOUNT_PATH, "readOnly": True}
    return {**container, "volumeMounts": [*(container.get("volumeMounts") or ()), mount]}


def _volume(name: str) -> dict[str, Any]:
    authority = {"name": AUTHORITY, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": _SECONDS, "path": "token"}},
        {"configMap": authority},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}


def _suffix(name: str) -> str:
    """Five letters of Kubernetes' own, the same for the same pod."""
    digest = hashlib.blake2b(name.encode(), digest_size=5).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest)
