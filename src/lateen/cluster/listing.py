"""List the pods behind each Service once more, as Endpoints: what older clients read.

In: a Service, its EndpointSlices, the Endpoints of its name.    Out: actions.
Before: cluster/endpoints.py        After: cluster/controllers.py
Source: kubernetes pkg/controller/endpoint. Nothing here reads them: traffic goes by the slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lateen.api.objects import Obj
from lateen.api.service import Endpoint, EndpointSlice
from lateen.cluster.actions import CONTROLLERS, Action, PutObject
from lateen.cluster.children import owner_reference
from lateen.cluster.endpoints import CONTROLLER, MANAGED_BY, has_endpoints
from lateen.cluster.plain import plain_tree
from lateen.cluster.services import service_of

_LABEL = "endpoints.kubernetes.io/managed-by"
_HEADLESS = "service.kubernetes.io/headless"
_MOST = 1000  # addresses of one object
_OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"


def reconcile_listing(
    service: Obj, slices: Sequence[Obj], written: Sequence[Obj]
) -> tuple[Action, ...]:
    """Make the Endpoints say what the slices of the Service's own pods say."""
    typed = service_of(service)
    if service.meta.deletion_timestamp or not has_endpoints(typed):
        return ()
    labels = {**service.meta.labels, _LABEL: "endpoint-controller"}
    if typed.spec.cluster_ip == "None":
        labels[_HEADLESS] = ""
    subsets, complete = _subsets(slices, anyway=typed.spec.publish_not_ready_addresses)
    tree: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": service.key.name,
            "namespace": service.key.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
            **({} if complete else {"annotations": {_OVER_CAPACITY: "truncated"}}),
        },
        **({"subsets": subsets} if subsets else {}),
    }
    if not written:
        return (PutObject(raw=tree, source=CONTROLLERS),)
    kept = {name: value for name, value in written[0].raw.items() if name != "subsets"}
    metadata = {**written[0].raw["metadata"], **tree["metadata"]}
    made = {**kept, **tree, "metadata": metadata}
    return () if made == written[0].raw else (PutObject(raw=made),)


def _subsets(slices: Sequence[Obj], *, anyway: bool) -> tuple[list[dict[str, Any]], bool]:
    """A subset for each set of ports; whether all addresses found room."""
    made: list[dict[str, Any]] = []
    left = _MOST
    complete = True
    for piece in _own(slices):
        shown = [e for e in piece.endpoints if anyway or not e.conditions.terminating]
        complete = complete and len(shown) <= left
        shown = shown[:left]
        left -= len(shown)
        ready = [_address(e) for e in shown if e.conditions.ready]
        others = [_address(e) for e in shown if not e.conditions.ready]
        if shown:
            subset: dict[str, Any] = {"addresses": ready} if ready else {}
            subset |= {"notReadyAddresses": others} if others else {}
            ports = [{**plain_tree(p), "protocol": p.protocol} for p in piece.ports]
            made.append(subset | ({"ports": ports} if ports else {}))
    return made, complete


def _own(slices: Sequence[Obj]) -> Iterator[EndpointSlice]:
    for obj in sorted(slices, key=lambda s: s.key.name):
        if obj.meta.labels.get(MANAGED_BY) == CONTROLLER and isinstance(obj.typed, EndpointSlice):
            yield obj.typed


def _address(endpoint: Endpoint) -> dict[str, Any]:
    made: dict[str, Any] = {"ip": endpoint.addresses[0]}
    if endpoint.hostname:
        made["hostname"] = endpoint.hostname
    if endpoint.node_name:
        made["nodeName"] = endpoint.node_name
    if endpoint.target_ref:
        made["targetRef"] = {"kind": "Pod", **plain_tree(endpoint.target_ref)}
    return made
