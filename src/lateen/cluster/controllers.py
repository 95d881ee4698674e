"""The list of controllers: what each reads, what it looks at, and the pure step it is.

In: Observed.    Out: CONTROLLERS.
Before: every controller of cluster/        After: cluster/controlling.py
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.meshconfig import NAMESPACE, mesh_config_in
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import PROVIDED, Action
from lateen.cluster.adopting import OWNERS, reconcile_owners
from lateen.cluster.budgets import reconcile_budget
from lateen.cluster.claims import provided_classes, reconcile_claims, release_claims
from lateen.cluster.cronjobs import reconcile_cronjob
from lateen.cluster.daemonsets import reconcile_daemonset
from lateen.cluster.definitions import reconcile_definitions, release_definitions
from lateen.cluster.deployments import reconcile_deployment
from lateen.cluster.endpoints import has_endpoints, reconcile_endpoints
from lateen.cluster.events import forget_events
from lateen.cluster.evicting import evict_intolerant, reconcile_taints
from lateen.cluster.foreground import reconcile_foreground
from lateen.cluster.garbage import collect
from lateen.cluster.gateways import gateway_objects, reconcile_gateways
from lateen.cluster.ingressclasses import are_served, provided_ingress_classes
from lateen.cluster.jobpods import release_orphans
from lateen.cluster.jobs import reconcile_job
from lateen.cluster.listing import reconcile_listing
from lateen.cluster.mirroring import reconcile_mirrors
from lateen.cluster.namespaces import reconcile_leaving, reconcile_namespaces
from lateen.cluster.nodes import provided_nodes
from lateen.cluster.observing import SERVICE_NAME, Observed
from lateen.cluster.ownapi import reconcile_api, reconcile_authority
from lateen.cluster.quotas import reconcile_quotas
from lateen.cluster.replicasets import reconcile_replicaset
from lateen.cluster.roles import reconcile_sums
from lateen.cluster.scheduling import Scene, schedule
from lateen.cluster.services import allocate, service_of
from lateen.cluster.statefulsets import reconcile_statefulset

_WITH_REPLICAS = ("Deployment", "ReplicaSet", "StatefulSet")
Inputs = tuple[tuple[Obj, ...], ...]
# A pod they kept out may come when they change.
BOUNDS = ("ResourceQuota", "LimitRange", "PriorityClass")


class PerObject(Struct, frozen=True, kw_only=True):
    """A controller that looks at one object of `kind` at a time, and at what belongs to it."""

    kind: str
    reads: frozenset[str]
    inputs: Callable[[Observed, Obj], Inputs]
    reconcile: Callable[[Obj, Inputs, datetime], tuple[Action, ...]]


class Whole(Struct, frozen=True, kw_only=True):
    """A controller that looks at everything of the kinds it reads (none named: at all kinds)."""

    reads: frozenset[str]
    reconcile: Callable[[Observed, datetime], tuple[Action, ...]]
    on_deletion_only: bool = False


def _deployment_inputs(observed: Observed, deployment: Obj) -> Inputs:
    replicasets = observed.owned("ReplicaSet", deployment)
    return replicasets, tuple(p for r in replicasets for p in observed.owned("Pod", r))


def _endpoint_inputs(observed: Observed, service: Obj) -> Inputs:
    typed, namespace = service_of(service), service.key.namespace
    pods: tuple[Obj, ...] = ()
    if has_endpoints(typed):
        pods = observed.selected("Pod", namespace, typed.spec.selector)
    label = {SERVICE_NAME: service.key.name}
    return pods, observed.selected("EndpointSlice", namespace, label), observed.all("Node")


def _listing_inputs(observed: Observed, service: Obj) -> Inputs:
    label = {SERVICE_NAME: service.key.name}
    key = replace(service.key, kind="Endpoints")
    written = observed.get(key)
    slices = observed.selected("EndpointSlice", service.key.namespace, label)
    return slices, (written,) if written else ()


def _mirror_inputs(observed: Observed, written: Obj) -> Inputs:
    key = ObjectKey(
        group="", kind="Service", namespace=written.key.namespace, name=written.key.name
    )
    service = observed.get(key)
    return (service,) if service else (), observed.owned("EndpointSlice", written)


def _stateful_inputs(observed: Observed, owner: Obj) -> Inputs:
    return (
        observed.owned("Pod", owner),
        observed.owned("ControllerRevision", owner),
        observed.all("PersistentVolumeClaim", owner.key.namespace),
    )


def _budget_inputs(observed: Observed, budget: Obj) -> Inputs:
    namespace = budget.key.namespace
    sets = (s for kind in _WITH_REPLICAS for s in observed.all(kind, namespace))
    return observed.all("Pod", namespace), tuple(sets)


def _claims(observed: Observed, now: datetime) -> tuple[Action, ...]:
    claims, volumes = observed.all("PersistentVolumeClaim"), observed.all("PersistentVolume")
    classes = observed.all("StorageClass")
    return reconcile_claims(claims, volumes, classes, observed.volumes, now)


def _namespaces(observed: Observed, _: datetime) -> tuple[Action, ...]:
    accounts = {a.key for a in observed.all("ServiceAccount")}
    return reconcile_namespaces(observed.all("Namespace"), accounts)


def _leaving(observed: Observed, _: datetime) -> tuple[Action, ...]:
    return reconcile_leaving(observed.all("Namespace"), observed.everything)


def _claiming(
    child: str, owners: tuple[str, ...]
) -> Callable[[Observed, datetime], tuple[Action, ...]]:
    return lambda observed, _: reconcile_owners(
        observed.all(child), [owner for kind in owners for owner in observed.all(kind)]
    )


def _scheduled(observed: Observed, now: datetime) -> tuple[Action, ...]:
    scene = Scene(
        pods=observed.all("Pod"),
        nodes=observed.all("Node"),
        classes=observed.all("PriorityClass"),
        namespaces=observed.all("Namespace"),
        budgets=observed.all("PodDisruptionBudget"),
    )
    return schedule(scene, now)


def _gateways(observed: Observed, _: datetime) -> tuple[Action, ...]:
    written = [d for d in observed.all("Deployment") if observed.source_of(d.key) != PROVIDED]
    mesh = mesh_config_in(observed.all("ConfigMap", NAMESPACE))
    ingresses = are_served(observed.all("Ingress"), observed.all("IngressClass"), mesh)
    wanted = gateway_objects(observed.all("Gateway"), written, ingresses=ingresses)
    return reconcile_gateways(wanted, observed.get, observed.source_of)


def _own_api(observed: Observed, _: datetime) -> tuple[Action, ...]:
    return reconcile_api(observed.get) if observed.authority else ()


def _authority(observed: Observed, _: datetime) -> tuple[Action, ...]:
    if not observed.authority:
        return ()
    return reconcile_authority(observed.all("Namespace"), observed.authority, observed.get)


CONTROLLERS: tuple[PerObject | Whole, ...] = (
    Whole(reads=frozenset({"Namespace", "ServiceAccount"}), reconcile=_namespaces),
    Whole(reads=frozenset({"Namespace", "Service", "EndpointSlice"}), reconcile=_own_api),
    Whole(reads=frozenset({"Namespace", "ConfigMap"}), reconcile=_authority),
    Whole(reads=frozenset(), reconcile=_leaving),
    Whole(
        reads=frozenset(),
        reconcile=lambda observed, _: collect(observed.everything(), observed.get),
        on_deletion_only=True,
    ),
    Whole(
        reads=frozenset(),
        reconcile=lambda observed, _: reconcile_foreground(observed.everything()),
    ),
    Whole(
        reads=frozenset(
            {
                "Gateway",
                "Ingress",
                "IngressClass",
                "ConfigMap",
                "Deployment",
                "Service",
                "ServiceAccount",
            }
        ),
        reconcile=_gateways,
    ),
    Whole(
        reads=frozenset({"Namespace", "IngressClass"}),
        reconcile=lambda observed, _: provided_ingress_classes(observed.all("IngressClass")),
    ),
    Whole(
        reads=frozenset({"Event"}),
        reconcile=lambda observed, now: forget_events(observed.all("Event"), now),
    ),
    Whole(
        reads=frozenset({"CustomResourceDefinition"}),
        reconcile=lambda observed, now: reconcile_definitions(
            observed.all("CustomResourceDefinition"), now
        ),
    ),
    Whole(
        reads=frozenset(),
        reconcile=lambda observed, _: release_definitions(
            observed.all("CustomResourceDefinition"), observed.everything()
        ),
        on_deletion_only=True,
    ),
    Whole(
        reads=frozenset(),
        reconcile=lambda observed, _: reconcile_quotas(
            observed.all("ResourceQuota"), observed.everything
        ),
    ),
    Whole(
        reads=frozenset({"ClusterRole"}),
        reconcile=lambda observed, _: reconcile_sums(observed.all("ClusterRole")),
    ),
    *(
        Whole(reads=frozenset({child, *owners}), reconcile=_claiming(child, owners))
        for child, owners in OWNERS.items()
    ),
    # Before the Deployments, so that these never count on pods that are no longer available.
    PerObject(
        kind="ReplicaSet",
        reads=frozenset({"ReplicaSet", "Pod", *BOUNDS}),
        inputs=lambda observed, replicaset: (observed.owned("Pod", replicaset),),
        reconcile=lambda replicaset, inputs, now: reconcile_replicaset(replicaset, inputs[0], now),
    ),
    PerObject(
        kind="Deployment",
        reads=frozenset({"Deployment", "ReplicaSet", "Pod"}),
        inputs=_deployment_inputs,
        reconcile=lambda deployment, inputs, now: reconcile_deployment(
            deployment, inputs[0], inputs[1], now
        ),
    ),
    PerObject(
        kind="StatefulSet",
        reads=frozenset(
            {"StatefulSet", "Pod", "ControllerRevision", "PersistentVolumeClaim", *BOUNDS}
        ),
        inputs=_stateful_inputs,
        reconcile=lambda owner, inputs, now: reconcile_statefulset(
            owner, inputs[0], inputs[1], {claim.key.name for claim in inputs[2]}, now
        ),
    ),
    PerObject(
        kind="PodDisruptionBudget",
        reads=frozenset({"PodDisruptionBudget", "Pod", *_WITH_REPLICAS}),
        inputs=_budget_inputs,
        reconcile=lambda budget, inputs, now: reconcile_budget(budget, inputs[0], inputs[1], now),
    ),
    Whole(
        reads=frozenset({"Namespace", "StorageClass"}),
        reconcile=lambda observed, _: provided_classes(observed.all("StorageClass")),
    ),
    Whole(
        reads=frozenset({"PersistentVolumeClaim", "PersistentVolume", "StorageClass"}),
        reconcile=_claims,
    ),
    Whole(
        reads=frozenset({"PersistentVolumeClaim", "Pod"}),
        reconcile=lambda observed, _: release_claims(
            observed.all("PersistentVolumeClaim"), observed.all("Pod")
        ),
    ),
    PerObject(
        kind="CronJob",
        reads=frozenset({"CronJob", "Job"}),
        inputs=lambda observed, cronjob: (observed.owned("Job", cronjob),),
        reconcile=lambda cronjob, inputs, now: reconcile_cronjob(cronjob, inputs[0], now),
    ),
    PerObject(
        kind="Job",
        reads=frozenset({"Job", "Pod", *BOUNDS}),
        inputs=lambda observed, job: (observed.owned("Pod", job),),
        reconcile=lambda job, inputs, now: reconcile_job(job, inputs[0], now),
    ),
    Whole(
        reads=frozenset({"Job", "Pod"}),
        reconcile=lambda observed, _: release_orphans(observed.all("Pod"), observed.all("Job")),
    ),
    PerObject(
        kind="DaemonSet",
        reads=frozenset({"DaemonSet", "Pod", "ControllerRevision", "Node", *BOUNDS}),
        inputs=lambda observed, owner: (
            observed.owned("Pod", owner),
            observed.owned("ControllerRevision", owner),
            observed.all("Node"),
        ),
        reconcile=lambda owner, inputs, now: reconcile_daemonset(
            owner, inputs[0], inputs[1], inputs[2], now
        ),
    ),
    Whole(
        reads=frozenset({"Namespace", "Node"}),
        reconcile=lambda observed, now: provided_nodes(
            observed.all("Node"), observed.machine, observed.source_of, now
        ),
    ),
    Whole(
        reads=frozenset({"Node"}),
        reconcile=lambda observed, now: reconcile_taints(observed.all("Node"), now),
    ),
    Whole(
        reads=frozenset({"Pod", "Node"}),
        reconcile=lambda observed, now: evict_intolerant(
            observed.all("Pod"), observed.all("Node"), now
        ),
    ),
    Whole(reads=frozenset({"Pod", "Node", "PriorityClass"}), reconcile=_scheduled),
    Whole(
        reads=frozenset({"Service"}),
        reconcile=lambda observed, _: allocate(observed.all("Service")),
    ),
    PerObject(
        kind="Endpoints",
        reads=frozenset({"Endpoints", "Service", "EndpointSlice"}),
        inputs=_mirror_inputs,
        reconcile=lambda written, inputs, _: reconcile_mirrors(written, *inputs),
    ),
    PerObject(
        kind="Service",
        reads=frozenset({"Service", "Pod", "EndpointSlice", "Node"}),
        inputs=_endpoint_inputs,
        reconcile=lambda service, inputs, _: reconcile_endpoints(service, *inputs),
    ),
    PerObject(
        kind="Service",
        reads=frozenset({"Service", "EndpointSlice", "Endpoints"}),
        inputs=_listing_inputs,
        reconcile=lambda service, inputs, _: reconcile_listing(service, *inputs),
    ),
)
