"""What the controllers would make of objects, if every pod they want ran: a cluster without processes.

In: the objects of files.    Out: Pretended: those objects, Pods, EndpointSlices and all else that follows.
Before: cluster/applying.py, cluster/controlling.py        After: stages/drafts.py

Equal objects give equal results, and what one object leads to does not depend on the others: pods'
names follow from what owns them, addresses from names. So two sets of files can be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from typing import Any

from msgspec import Struct

from lateen.api.decode import restore
from lateen.api.objects import Obj
from lateen.api.pod import ContainerState, ContainerStateRunning, ContainerStatus, PodStatus
from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.base.problem import Problem
from lateen.cluster.addresses import PODS, SERVICES
from lateen.cluster.applying import apply_files
from lateen.cluster.controllers import CONTROLLERS
from lateen.cluster.controlling import Controllers
from lateen.cluster.namespaces import undeclared
from lateen.cluster.naming import suffixed
from lateen.cluster.nodes import Machine
from lateen.cluster.pods import is_active, pod_of
from lateen.cluster.podstatus import merge_report
from lateen.cluster.services import service_of
from lateen.store.memory import MemoryStore

_START = datetime(2026, 1, 1, tzinfo=UTC)
_SINCE = _START - timedelta(days=1)  # all pods have been ready longer than any minReadySeconds
_ROOM = Machine(cores=1 << 20, memory=1 << 60)  # nobody asks here whether there is room
_KEPT_BACK = 16
_JUDGES = frozenset({"ResourceQuota", "ValidatingAdmissionPolicy"})
_READ = frozenset(kind for controller in CONTROLLERS for kind in controller.reads)
_MADE_NAMES = frozenset({"ReplicaSet", "DaemonSet", "Job"})


class Pretended(Struct, frozen=True, kw_only=True):
    """All objects there would be, by key, and what is to be said of those that were given."""

    objects: tuple[Obj, ...]
    problems: tuple[Problem, ...]


def pretend(objects: Sequence[Obj]) -> Pretended:
    """Let the controllers work on sound objects until nothing is left to do; all pods run and are ready."""
    clock = FakeClock(_START)
    numbers = count(1)
    store = MemoryStore(
        clock=clock, make_uid=lambda: f"00000000-0000-4000-8000-{next(numbers):012}"
    )
    trees, problems = undeclared(objects, ())
    beside = _looked_at_by_nobody(objects)
    worked_on = [obj for obj in objects if obj.key not in beside]
    applied = apply_files(store, [*(restore(t, None, 0) for t in trees), *worked_on], clock)
    controllers = Controllers(store=store, clock=clock, machine=_ROOM)
    controllers.settle()
    given = {obj.key: obj for obj in objects}
    names = _all_running(store, controllers, given)
    services = store.list(group="", kind="Service")
    lacking = [s for s in services if _was_given_an_address(s, given.get(s.key))]
    used = {service_of(s).spec.cluster_ip for s in services if s not in lacking}
    addresses = _addresses(SERVICES, (_path(s) for s in lacking), used)
    made = [_as_named(obj, names, addresses) for obj in store.list() if obj.key.kind != "Event"]
    return Pretended(
        objects=tuple(sorted([*made, *beside.values()], key=lambda obj: obj.key)),
        problems=(*problems, *applied.problems),
    )


def _looked_at_by_nobody(objects: Sequence[Obj]) -> Mapping[ObjectKey, Obj]:
    """Those that nothing is made of and nobody judges: they stay as they are."""
    kinds = {obj.key.kind for obj in objects}
    if kinds & _JUDGES:
        return {}
    return {obj.key: obj for obj in objects if obj.key.kind not in _READ}


def _all_running(
    store: MemoryStore, controllers: Controllers, given: Mapping[ObjectKey, Obj]
) -> Mapping[tuple[str, str], str]:
    """Have every pod run, those too that are made only once others run; the names they are to have."""
    while True:
        pods = store.list(group="", kind="Pod")
        names = _names(pods)
        _run(store, names, given)
        controllers.settle()
        if {pod.key for pod in store.list(group="", kind="Pod")} <= {pod.key for pod in pods}:
            return names


def _run(
    store: MemoryStore, names: Mapping[tuple[str, str], str], given: Mapping[ObjectKey, Obj]
) -> None:
    """Every pod gets its address (a written one keeps the one it has), runs, and is ready."""
    pods = [pod for pod in store.list(group="", kind="Pod") if is_active(pod)]
    paths = {
        pod.key: f"{pod.key.namespace}/{names[pod.key.namespace, pod.key.name]}" for pod in pods
    }
    written = {k: pod_of(given[k]).status.pod_ip for k in paths if k in given}
    own = {k: address for k, address in written.items() if address}
    addresses = _addresses(PODS, (p for k, p in paths.items() if k not in own), own.values())
    with store.transaction():
        for pod in pods:
            state = ContainerState(running=ContainerStateRunning())
            containers = tuple(
                ContainerStatus(name=c.name, image=c.image, ready=True, started=True, state=state)
                for c in pod_of(pod).spec.containers
            )
            report = PodStatus(phase="Running", container_statuses=containers)
            address = own.get(pod.key) or addresses[paths[pod.key]]
            status = merge_report(pod, report, _SINCE)
            status |= {"podIP": address, "podIPs": [{"ip": address}]}
            store.put_status(pod.key, status)


def _names(pods: Iterable[Obj]) -> dict[tuple[str, str], str]:
    """The name each pod is to have: for one whose name was made up, one that tells of its owner alone."""
    made: dict[tuple[str, str], str] = {}
    counts: dict[tuple[str, str], int] = {}
    for pod in pods:
        key = pod.key.namespace, pod.key.name
        owner = next((o for o in pod.meta.owner_references if o.controller), None)
        if owner is None or owner.kind not in _MADE_NAMES:
            made[key] = pod.key.name
            continue
        whose = pod.key.namespace, owner.name
        counts[whose] = number = counts.get(whose, 0) + 1
        made[key] = suffixed(owner.name, f"{pod.key.namespace}/{owner.name}/{number}", ())
    return made


def _addresses(
    network: IPv4Network, paths: Iterable[str], used: Iterable[str] = ()
) -> dict[str, str]:
    """An address for each path, that follows from the path alone unless two fall on the same one."""
    first = int(network.network_address) + _KEPT_BACK
    room = network.num_addresses - 2 * _KEPT_BACK
    taken = {int(IPv4Address(address)) for address in used if address.count(".") == 3}
    found: dict[str, str] = {}
    for path in sorted(paths):
        digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
        start = int.from_bytes(digest)
        number = next(n for step in count() if (n := first + (start + step) % room) not in taken)
        taken.add(number)
        found[path] = str(IPv4Address(number))
    return found


def _path(obj: Obj) -> str:
    return f"{obj.key.namespace}/{obj.key.name}"


def _was_given_an_address(service: Obj, written: Obj | None) -> bool:
    now = service_of(service).spec.cluster_ip
    before = service_of(written).spec.cluster_ip if written else ""
    return now not in ("", "None") and not before


def _as_named(obj: Obj, names: Mapping[tuple[str, str], str], addresses: Mapping[str, str]) -> Obj:
    """An object with pods' names and Services' addresses as they are to be."""
    match obj.key.kind:
        case "Pod":
            meta = {**obj.raw["metadata"], "name": names[obj.key.namespace, obj.key.name]}
            return restore({**obj.raw, "metadata": meta}, obj.places, obj.revision)
        case "EndpointSlice" if obj.key.group == "discovery.k8s.io":
            endpoints = [_endpoint(each, obj.key.namespace, names) for each in obj.raw["endpoints"]]
            return restore({**obj.raw, "endpoints": endpoints}, obj.places, obj.revision)
        case "Service" if address := addresses.get(_path(obj)):
            spec = {**obj.raw["spec"], "clusterIP": address, "clusterIPs": [address]}
            return restore({**obj.raw, "spec": spec}, obj.places, obj.revision)
    return obj


def _endpoint(
    endpoint: Mapping[str, Any], namespace: str, names: Mapping[tuple[str, str], str]
) -> Mapping[str, Any]:
    pod = endpoint.get("targetRef") or {}
    key = pod.get("namespace", namespace), pod.get("name", "")
    return {**endpoint, "targetRef": {**pod, "name": names[key]}} if key in names else endpoint
