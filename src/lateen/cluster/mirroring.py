"""Mirror Endpoints that somebody wrote for a Service without a selector, as EndpointSlices.

In: Endpoints, its Service, the slices made of it.    Out: actions.
Before: cluster/endpoints.py        After: world/services.py
Source: kubernetes pkg/controller/endpointslicemirroring. IPv6 addresses are left out, as pods have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lateen.api.objects import Obj
from lateen.api.service import EndpointAddress, Endpoints, EndpointSubset
from lateen.base.errors import Bug
from lateen.cluster.actions import CONTROLLERS, Action, DeleteObject, PutObject
from lateen.cluster.children import owner_reference
from lateen.cluster.endpoints import MANAGED_BY
from lateen.cluster.naming import suffixed
from lateen.cluster.observing import SERVICE_NAME
from lateen.cluster.plain import plain_tree
from lateen.cluster.services import service_of

MIRROR = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"


def reconcile_mirrors(
    written: Obj, services: Sequence[Obj], slices: Sequence[Obj]
) -> tuple[Action, ...]:
    """Make the slices say what was written; none where the Service is absent or selects its pods."""
    left = {s.key.name: s for s in slices}
    actions: list[Action] = []
    for subset in _endpoints(written).subsets if _is_mirrored(written, services) else ():
        name = next(iter(left), "")
        known = left.pop(name, None)
        taken = {s.key.name for s in slices} | {a.raw["metadata"]["name"] for a in _puts(actions)}
        tree = _tree(written, subset, name or suffixed(written.key.name, written.meta.uid, taken))
        if known is None:
            actions.append(PutObject(raw=tree, source=CONTROLLERS))
        elif (made := {**known.raw, **tree, "metadata": _metadata(known, tree)}) != known.raw:
            actions.append(PutObject(raw=made))
    return (*actions, *(DeleteObject(key=spare.key) for spare in left.values()))


def _puts(actions: Sequence[Action]) -> list[PutObject]:
    return [action for action in actions if isinstance(action, PutObject)]


def _endpoints(written: Obj) -> Endpoints:
    if not isinstance(written.typed, Endpoints):
        raise Bug(f"{written.key} is no Endpoints")
    return written.typed


def _is_mirrored(written: Obj, services: Sequence[Obj]) -> bool:
    if written.meta.deletion_timestamp or written.meta.labels.get(SKIP) == "true":
        return False
    return any(
        not service_of(s).spec.selector and service_of(s).spec.type != "ExternalName"
        for s in services
    )


def _tree(written: Obj, subset: EndpointSubset, name: str) -> dict[str, Any]:
    endpoints = [
        *(_endpoint(address, ready=True) for address in subset.addresses),
        *(_endpoint(address, ready=False) for address in subset.not_ready_addresses),
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "generateName": f"{written.key.name}-",
            "namespace": written.key.namespace,
            "labels": {
                **written.meta.labels,
                SERVICE_NAME: written.key.name,
                MANAGED_BY: MIRROR,
            },
            "ownerReferences": [owner_reference(written)],
        },
        "addressType": "IPv4",
        "endpoints": [each for each in endpoints if ":" not in each["addresses"][0]],
        "ports": [{**plain_tree(port), "protocol": port.protocol} for port in subset.ports],
    }


def _endpoint(address: EndpointAddress, *, ready: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"addresses": [address.ip], "conditions": {"ready": ready}}
    if address.hostname:
        made["hostname"] = address.hostname
    if address.node_name:
        made["nodeName"] = address.node_name
    if address.target_ref:
        made["targetRef"] = plain_tree(address.target_ref)
    return made


def _metadata(known: Obj, tree: dict[str, Any]) -> dict[str, Any]:
    return {**known.raw["metadata"], **tree["metadata"]}
