"""List the pods behind each Service, as EndpointSlices.

In: a Service, the pods it selects, its slices, the nodes.    Out: actions.
Before: cluster/services.py        After: world/, stages/running.py
Source: kubernetes pkg/controller/endpointslice. A slice for each set of port numbers: a targetPort given
by name may be another number in another pod. Slices are not split at 100 endpoints.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.service import EndpointPort, Service, ServicePort
from lateen.base.locality import ZONE
from lateen.cluster.actions import CONTROLLERS, Action, DeleteObject, PutObject
from lateen.cluster.children import owner_reference
from lateen.cluster.naming import suffixed
from lateen.cluster.observing import SERVICE_NAME
from lateen.cluster.plain import plain_tree
from lateen.cluster.pods import is_done, is_ready, is_terminating, pod_of
from lateen.cluster.services import service_of

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"

_Ports = tuple[EndpointPort, ...]


def has_endpoints(service: Service) -> bool:
    """Whether its endpoints follow from its selector; else whoever wrote it lists them himself."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def reconcile_endpoints(
    service: Obj, pods: Sequence[Obj], slices: Sequence[Obj], nodes: Sequence[Obj] = ()
) -> tuple[Action, ...]:
    """Make the slices say what the pods are; slices somebody else manages are left alone."""
    ours = [s for s in slices if s.meta.labels.get(MANAGED_BY) == CONTROLLER]
    typed = service_of(service)
    if service.meta.deletion_timestamp or not has_endpoints(typed):
        return tuple(DeleteObject(key=s.key) for s in ours)
    groups = _by_ports(typed, pods)
    zones = {node.key.name: node.meta.labels.get(ZONE, "") for node in nodes}
    actions: list[Action] = []
    names = _named(service, groups, ours)
    for ports, name in names.items():
        endpoints = [_endpoint(typed, pod, zones) for pod in groups[ports]]
        tree = _tree(service, name, ports, sorted(endpoints, key=lambda e: str(e["addresses"])))
        known = next((s for s in ours if s.key.name == name), None)
        if known is None:
            actions.append(PutObject(raw=tree, source=CONTROLLERS))
        elif (made := {**known.raw, **tree, "metadata": _kept(known, tree)}) != known.raw:
            actions.append(PutObject(raw=made))
    spare = (s.key for s in ours if s.key.name not in names.values())
    return (*actions, *(DeleteObject(key=key) for key in spare))


def _by_ports(service: Service, pods: Sequence[Obj]) -> Mapping[_Ports, list[Obj]]:
    groups: defaultdict[_Ports, list[Obj]] = defaultdict(list)
    for obj in pods:
        if pod_of(obj).status.pod_ip and not is_done(obj):
            groups[_ports(service, pod_of(obj))].append(obj)
    if not groups:
        groups[_ports(service, None)] = []
    return groups


def _ports(service: Service, pod: Pod | None) -> _Ports:
    """The ports on this pod; a name no container of it has is left out, as in Kubernetes."""
    numbers = ((port, _number(port, pod)) for port in service.spec.ports)
    return tuple(
        EndpointPort(
            port=number, name=port.name, protocol=port.protocol, app_protocol=port.app_protocol
        )
        for port, number in numbers
        if number is not None
    )


def _number(port: ServicePort, pod: Pod | None) -> int | None:
    target = port.target_port
    if target is None or target in (0, ""):
        return port.port
    if isinstance(target, int):
        return target
    if target.isdecimal():
        return int(target)
    named = [p for c in pod.spec.containers for p in c.ports] if pod else []
    matching = (p.container_port for p in named if (p.name, p.protocol) == (target, port.protocol))
    return next(matching, None)


def _named(
    service: Obj, groups: Mapping[_Ports, list[Obj]], slices: Sequence[Obj]
) -> dict[_Ports, str]:
    """A name for each group: of the slice that has its ports already, else of one left over, else new."""
    names: dict[_Ports, str] = {}
    left = {s.key.name: _words(s.raw.get("ports")) for s in slices}
    order = sorted(groups, key=str)
    for ports in order:
        wanted = _words([_port_tree(p) for p in ports])
        if found := next((n for n, known in left.items() if known == wanted), None):
            names[ports] = found
            del left[found]
    for ports in order:
        if ports in names:
            continue
        if left:
            names[ports] = next(iter(left))
            del left[names[ports]]
        else:
            names[ports] = suffixed(service.key.name, service.meta.uid, set(names.values()))
    return names


def _words(ports: Any) -> str:
    return repr(ports or [])


def _port_tree(port: EndpointPort) -> dict[str, Any]:
    return {**plain_tree(port), "protocol": port.protocol}


def _endpoint(service: Service, obj: Obj, zones: Mapping[str, str]) -> dict[str, Any]:
    pod, terminating = pod_of(obj), is_terminating(obj)
    anyway = service.spec.publish_not_ready_addresses
    serving = is_ready(obj)
    made: dict[str, Any] = {
        "addresses": [pod.status.pod_ip],
        "conditions": {
            "ready": anyway or (serving and not terminating),
            "serving": anyway or serving,
            "terminating": terminating,
        },
        "nodeName": pod.spec.node_name,
        "targetRef": {
            "kind": "Pod",
            "namespace": obj.key.namespace,
            "name": obj.key.name,
            "uid": obj.meta.uid,
        },
    }
    if zone := zones.get(pod.spec.node_name):
        made["zone"] = zone
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        made["hostname"] = pod.spec.hostname
    return made


def _tree(
    service: Obj, name: str, ports: _Ports, endpoints: list[dict[str, Any]]
) -> dict[str, Any]:
    labels = {**service.meta.labels, SERVICE_NAME: service.key.name, MANAGED_BY: CONTROLLER}
    if service_of(service).spec.cluster_ip == "None":
        labels["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "generateName": f"{service.key.name}-",
            "namespace": service.key.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [_port_tree(port) for port in ports],
    }


def _kept(known: Obj, tree: Mapping[str, Any]) -> dict[str, Any]:
    return {**known.raw["metadata"], **tree["metadata"]}
