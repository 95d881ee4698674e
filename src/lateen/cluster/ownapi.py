"""The API as pods see it: Service `kubernetes`, where it leads, and the certificate to know it by.

In: what is there of it, the namespaces.    Out: actions.
Before: cluster/namespaces.py        After: cluster/controllers.py; stages/podvolumes.py mounts the certificate
Source: kubernetes pkg/controlplane/controller/kubernetesservice, pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lateen.api.objects import Obj
from lateen.base import layout
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import PROVIDED, Action, PutObject
from lateen.cluster.addresses import API, HOST
from lateen.cluster.observing import SERVICE_NAME

NAME, NAMESPACE = "kubernetes", "default"
PORT = 443
API_NAMES = (
    NAME,
    f"{NAME}.{NAMESPACE}",
    f"{NAME}.{NAMESPACE}.svc",
    f"{NAME}.{NAMESPACE}.svc.cluster.local",
)
CONFIG_MAP = "kube-root-ca.crt"
_ABOUT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints "
    "such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed."
)

Get = Callable[[ObjectKey], Obj | None]


def reconcile_api(get: Get) -> tuple[Action, ...]:
    """Make Service `kubernetes` and its EndpointSlice, and give back what somebody changed of them."""
    metadata = {
        "name": NAME,
        "namespace": NAMESPACE,
        "labels": {"component": "apiserver", "provider": "kubernetes"},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": "ClusterIP",
            "clusterIP": API,
            "clusterIPs": [API],
            "ports": [
                {"name": "https", "protocol": "TCP", "port": PORT, "targetPort": layout.API_PORT}
            ],
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
        },
    }
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {SERVICE_NAME: NAME},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [HOST], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": layout.API_PORT, "protocol": "TCP"}],
    }
    return (*_mended("", service, get), *_mended("discovery.k8s.io", piece, get))


def reconcile_authority(namespaces: Iterable[Obj], authority: str, get: Get) -> tuple[Action, ...]:
    """Give each namespace ConfigMap `kube-root-ca.crt` with the PEM by which its pods know the API."""
    made: list[Action] = []
    for namespace in namespaces:
        if namespace.meta.deletion_timestamp is None:
            tree = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": CONFIG_MAP,
                    "namespace": namespace.key.name,
                    "annotations": {"kubernetes.io/description": _ABOUT},
                },
                "data": {"ca.crt": authority},
            }
            made += _mended("", tree, get)
    return tuple(made)


def _mended(group: str, wanted: dict[str, Any], get: Get) -> tuple[Action, ...]:
    """Put an object that is not there; of one that is, all but its metadata as it should be."""
    meta = wanted["metadata"]
    key = ObjectKey(
        group=group, kind=wanted["kind"], namespace=meta["namespace"], name=meta["name"]
    )
    live = get(key)
    if live is None:
        return (PutObject(raw=wanted, source=PROVIDED),)
    if all(live.raw.get(field) == wanted[field] for field in wanted if field != "metadata"):
        return ()
    return (PutObject(raw={**live.raw, **wanted, "metadata": live.raw["metadata"]}),)
