"""Tell what an object asks for from what is said of it: Istio's settings have a status of ours.

In: objects and events of the store.    Out: editions; whether an event can change any traffic.
Before: store/interface.py              After: stages/quarantining.py, stages/programming.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lateen.api.meshconfig import NAME, NAMESPACE
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.store.interface import Event, EventType

SETTINGS = frozenset(
    {
        "Gateway",
        "VirtualService",
        "DestinationRule",
        "ServiceEntry",
        "Sidecar",
        "EnvoyFilter",
        "WorkloadEntry",
        "PeerAuthentication",
        "AuthorizationPolicy",
        "RequestAuthentication",
        "Telemetry",
    }
)
_NO_TRAFFIC = frozenset(
    {
        "ConfigMap",
        "ControllerRevision",
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Endpoints",
        "Event",
        "HorizontalPodAutoscaler",
        "Job",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "PriorityClass",
        "ReplicaSet",
        "StatefulSet",
        "StorageClass",
        "VerticalPodAutoscaler",
    }
)


def _is_mesh_config(key: ObjectKey) -> bool:
    """Whether it is the ConfigMap of Istio's settings for the whole mesh."""
    return (key.kind, key.namespace, key.name) == ("ConfigMap", NAMESPACE, NAME)


Edition = tuple[
    str, int
]  # metadata.uid and metadata.generation: another one asks for something else


def edition_of(obj: Obj) -> Edition:
    """The same for as long as an object's spec is; a status does not change it."""
    return str(obj.meta.uid), obj.meta.generation


def editions_of(objects: Iterable[Obj]) -> Mapping[ObjectKey, Edition]:
    """The editions of Istio's settings among the objects."""
    return {obj.key: edition_of(obj) for obj in objects if obj.key.kind in SETTINGS}


@dataclass(kw_only=True)
class Traffic:
    """Which changes of the store matter to what proxies should run."""

    _seen: dict[ObjectKey, Edition] = field(default_factory=dict)

    def changes(self, event: Event) -> bool:
        """Whether this event can; a new status of a VirtualService cannot, a pod's can."""
        key = event.obj.key
        if key.kind not in SETTINGS:
            return key.kind not in _NO_TRAFFIC or _is_mesh_config(key)
        before = self._seen.pop(key, None)
        if event.type is EventType.DELETED:
            return True
        self._seen[key] = edition_of(event.obj)
        return before != self._seen[key]
