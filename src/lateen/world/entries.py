"""What ServiceEntries find by labels: pods of the mesh, and WorkloadEntries.

In: ServiceEntry and WorkloadEntry objects, pods.    Out: endpoints and instances by entry.
Before: world/model.py                               After: world/build.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.serviceentry import ServiceEntry, WorkloadEntry
from lateen.world.model import EntryEndpoint, Instance, Workload
from lateen.world.services import endpoint_of, identities_in

Named = tuple[str, str]  # namespace and name


def selected_endpoints(
    entries: Iterable[Obj], workload_entries: Iterable[Obj], trust_domain: str
) -> dict[Named, tuple[EntryEndpoint, ...]]:
    """The WorkloadEntries that each ServiceEntry selects, as its endpoints."""
    known = sorted(workload_entries, key=lambda obj: obj.key)
    found: dict[Named, tuple[EntryEndpoint, ...]] = {}
    for obj in entries:
        selector = cast("ServiceEntry", obj.typed).spec.workload_selector
        if selector:
            made = (
                _endpoint(each, obj.key.namespace, selector.labels, trust_domain) for each in known
            )
            found[obj.key.namespace, obj.key.name] = tuple(each for each in made if each)
    return found


def _endpoint(
    obj: Obj, namespace: str, labels: Mapping[str, str], trust_domain: str
) -> EntryEndpoint | None:
    entry = cast("WorkloadEntry", obj.typed)
    own = {**obj.meta.labels, **entry.spec.labels}
    if (
        obj.key.namespace != namespace
        or not entry.spec.address
        or not labels.items() <= own.items()
    ):
        return None
    return endpoint_of(entry.spec, own, identities_in(namespace, trust_domain))


def selected_pods(
    entries: Iterable[Obj], pods: Iterable[Obj], workloads: Mapping[Named, Workload]
) -> dict[Named, tuple[Instance, ...]]:
    """The pods that each ServiceEntry selects, at the ports it gives."""
    ready = {(obj.key.namespace, obj.key.name): _ready(obj) for obj in pods}
    found: dict[Named, tuple[Instance, ...]] = {}
    for obj in entries:
        spec = cast("ServiceEntry", obj.typed).spec
        if not spec.workload_selector:
            continue
        wanted = spec.workload_selector.labels.items()
        ports = tuple((port.name, port.target_port or port.number) for port in spec.ports)
        chosen = tuple(
            Instance(address=pod.address, ports=ports, ready=ready.get(key, False), workload=pod)
            for key, pod in workloads.items()
            if key[0] == obj.key.namespace
            and pod.address
            and not pod.ended
            and wanted <= pod.labels.items()
        )
        if chosen:
            found[obj.key.namespace, obj.key.name] = chosen
    return found


def _ready(obj: Obj) -> bool:
    """Whether a pod is ready; one that says nothing of it is while it runs."""
    status = cast("Pod", obj.typed).status
    said = next((c.status for c in status.conditions if c.type == "Ready"), None)
    return status.phase == "Running" if said is None else said == "True"
