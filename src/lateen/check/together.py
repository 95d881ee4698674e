"""Check objects against one another.

In: objects, and what exists besides them.    Out: problems with Istio's codes and levels.
Before: check/routing.py, check/selecting.py     After: check/admission.py, cli (analyze)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from lateen.api.batch import Job
from lateen.api.codes import (
    CONFLICTING_GATEWAYS,
    CONFLICTING_MESH_HOSTS,
    INVALID_CREDENTIAL,
    REFERENCE_NOT_FOUND,
    SUBSET_WITHOUT_PODS,
)
from lateen.api.destinationrule import DestinationRule
from lateen.api.envoyfilter import EnvoyFilter
from lateen.api.gateway import Gateway
from lateen.api.ingress import Ingress
from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.security import AuthorizationPolicy, PeerAuthentication
from lateen.api.service import Service
from lateen.api.sets import DaemonSet, StatefulSet
from lateen.api.telemetry import Telemetry
from lateen.api.virtualservice import VirtualService
from lateen.api.workload import Deployment, ReplicaSet
from lateen.base.problem import Level, Problem
from lateen.check.at import At
from lateen.check.ingress import check_ingress_references
from lateen.check.inventory import OWN_HOSTS, OWN_WORKLOADS, Inventory, Workload, inventory_of
from lateen.check.routing import (
    check_destination_rule_references,
    check_gateway_conflicts,
    check_gateway_references,
    check_mesh_hosts,
    check_virtual_service_references,
)
from lateen.check.selecting import (
    check_attachment,
    check_identities,
    check_mesh_settings,
    check_pod_references,
    check_selector,
    check_service_pods,
)

_BETWEEN_OBJECTS = frozenset(
    {
        REFERENCE_NOT_FOUND,
        CONFLICTING_MESH_HOSTS,
        CONFLICTING_GATEWAYS,
        INVALID_CREDENTIAL,
        SUBSET_WITHOUT_PODS,
    }
)


def check_together(
    objects: Sequence[Obj],
    *,
    about: Sequence[Obj] | None = None,
    extra_hosts: Collection[str] = OWN_HOSTS,
    extra_workloads: Sequence[Workload] = OWN_WORKLOADS,
) -> tuple[Problem, ...]:
    """Problems between objects.

    `objects` is everything there is; `about` the objects to look at (all of `objects` unless given),
    which need not be among them. `extra_hosts` (full names) and `extra_workloads` are there without
    an object; unless given, lateen's own ingress gateway.
    """
    inventory = inventory_of(objects, extra_hosts=extra_hosts, extra_workloads=extra_workloads)
    asked = objects if about is None else about
    found = [problem for obj in asked for problem in _references(obj, inventory)]
    keys = {obj.key for obj in asked}
    own = {obj.key: obj for obj in (*objects, *asked)}
    everything = tuple(own.values())
    for problem in (*check_mesh_hosts(everything), *check_gateway_conflicts(everything)):
        if problem.origin.key in keys:
            found.append(problem)
    return tuple(found)


def _references(obj: Obj, inventory: Inventory) -> Iterator[Problem]:
    at = At(obj)
    match obj.typed:
        case VirtualService() as typed:
            yield from check_virtual_service_references(typed, at, inventory)
        case DestinationRule() as typed:
            yield from check_destination_rule_references(typed, at, inventory)
        case Gateway() as typed:
            yield from check_gateway_references(typed, at, inventory)
        case AuthorizationPolicy() as typed:
            yield from check_selector(typed.spec.selector, at, inventory)
            yield from check_attachment(typed.spec.target_refs, at, inventory)
            yield from check_identities(typed, at, inventory)
            yield from check_mesh_settings(typed, at, inventory)
        case PeerAuthentication() as typed:
            yield from check_selector(typed.spec.selector, at, inventory)
        case RequestAuthentication() | Telemetry() as typed:
            yield from check_selector(typed.spec.selector, at, inventory)
            yield from check_attachment(typed.spec.target_refs, at, inventory)
        case EnvoyFilter() as typed:
            yield from check_attachment(typed.spec.target_refs, at, inventory)
        case Service() as typed:
            yield from check_service_pods(typed, at, inventory)
        case Ingress() as typed:
            yield from check_ingress_references(typed, at, inventory)
        case (
            Deployment(spec=spec)
            | ReplicaSet(spec=spec)
            | Job(spec=spec)
            | StatefulSet(spec=spec)
            | DaemonSet(spec=spec)
        ):
            yield from check_pod_references(
                spec.template.spec, at.key("spec", "template", "spec"), inventory
            )
        case Pod(spec=pod):
            yield from check_pod_references(pod, at.key("spec"), inventory)
        case _:
            return


def refuses(problem: Problem) -> bool:
    """Whether a problem keeps its object from being stored.

    Every error in an object taken alone does. Of the errors between objects only a VirtualService's
    dangling destination does (host, subset or port): stored, it would replace routes that work.
    """
    if problem.level is not Level.ERROR:
        return False
    if problem.code not in _BETWEEN_OBJECTS:
        return True
    key = problem.origin.key
    routes = key is not None and key.kind == "VirtualService"
    return routes and ".destination." in problem.origin.field
