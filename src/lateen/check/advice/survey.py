"""Lay out a set of objects for those who advise on it: by kind, pods with their templates, who selects whom.

In: objects.                     Out: Survey.
Before: check/inventory.py       After: every other file of check/advice/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeVar, cast

from msgspec import Struct

from lateen.api.batch import CronJob, Job
from lateen.api.config import Namespace
from lateen.api.fields import Api
from lateen.api.meta import LabelSelector, ObjectMeta
from lateen.api.objects import Obj
from lateen.api.pod import Pod, PodSpec
from lateen.api.service import Service
from lateen.api.sets import DaemonSet, StatefulSet
from lateen.api.workload import Deployment, ReplicaSet
from lateen.check.at import At
from lateen.check.inventory import Inventory, inventory_of

INJECT = "sidecar.istio.io/inject"
T = TypeVar("T", bound=Api)


class Pods(Struct, frozen=True, kw_only=True):
    """The pods of one template. `at` points at their spec; `replicas` is None where nobody says how many."""

    obj: Obj
    at: At
    meta: ObjectMeta
    spec: PodSpec
    replicas: int | None
    injected: bool

    @property
    def namespace(self) -> str:
        """Where they are."""
        return self.obj.key.namespace

    @property
    def labels(self) -> Mapping[str, str]:
        """What selectors compare."""
        return self.meta.labels

    @property
    def runs_on(self) -> bool:
        """Whether they serve until they are taken away, other than those of a Job."""
        return self.obj.key.kind not in ("Job", "CronJob")


class Survey:
    """A set of objects, laid out; everything in it stands in the order of the files."""

    def __init__(self, objects: Sequence[Obj]) -> None:
        self.objects = tuple(objects)
        self._by_kind: dict[type[Api], list[tuple[Obj, Api]]] = defaultdict(list)
        for obj in self.objects:
            self._by_kind[type(obj.typed)].append((obj, obj.typed))

    def of(self, kind: type[T]) -> Sequence[tuple[Obj, T]]:
        """The objects of a kind, with their structs."""
        return cast("Sequence[tuple[Obj, T]]", self._by_kind.get(kind, ()))

    @cached_property
    def inventory(self) -> Inventory:
        """What others refer to."""
        return inventory_of(self.objects)

    @cached_property
    def namespaces(self) -> Mapping[str, Obj]:
        """Those that are declared."""
        return {obj.key.name: obj for obj, _ in self.of(Namespace)}

    @cached_property
    def pods(self) -> Sequence[Pods]:
        """The pods of every template."""
        return [pods for obj in self.objects if (pods := self._pods(obj))]

    @cached_property
    def _pods_in(self) -> Mapping[str, Sequence[Pods]]:
        found: dict[str, list[Pods]] = defaultdict(list)
        for pods in self.pods:
            found[pods.namespace].append(pods)
        return found

    def pods_in(self, namespace: str) -> Sequence[Pods]:
        """Those of a namespace."""
        return self._pods_in.get(namespace, ())

    def selected(self, labels: Mapping[str, str], namespace: str | None) -> Sequence[Pods]:
        """Pods with the labels, in a namespace or (None) in all."""
        inside = self.pods if namespace is None else self.pods_in(namespace)
        if labels and namespace is not None:
            inside = self._labelled.get((namespace, *next(iter(labels.items()))), ())
        return [pods for pods in inside if labels.items() <= pods.labels.items()]

    @cached_property
    def _labelled(self) -> Mapping[tuple[str, str, str], Sequence[Pods]]:
        """By namespace, label and its value."""
        found: dict[tuple[str, str, str], list[Pods]] = defaultdict(list)
        for pods in self.pods:
            for key, value in pods.labels.items():
                found[pods.namespace, key, value].append(pods)
        return found

    def behind(self, service: Service, namespace: str) -> Sequence[Pods]:
        """The pods of a Service."""
        if not service.spec.selector or service.spec.type == "ExternalName":
            return ()
        return self.selected(service.spec.selector, namespace)

    @cached_property
    def _fronts(self) -> Mapping[int, Sequence[tuple[Obj, Service]]]:
        found: dict[int, list[tuple[Obj, Service]]] = defaultdict(list)
        for obj, service in self.of(Service):
            for pods in self.behind(service, obj.key.namespace):
                found[id(pods)].append((obj, service))
        return found

    def in_front_of(self, pods: Pods) -> Sequence[tuple[Obj, Service]]:
        """The Services that lead to pods of this survey."""
        return self._fronts.get(id(pods), ())

    def matching(self, selector: LabelSelector, namespace: str) -> Sequence[Pods]:
        """The pods a Kubernetes selector takes in."""
        return [pods for pods in self.pods_in(namespace) if selector.matches(pods.labels)]

    def _pods(self, obj: Obj) -> Pods | None:
        at = At(obj).key("spec")
        inner = at.key("template", "spec")
        match obj.typed:
            case Pod(metadata=meta, spec=spec):
                return self._made(obj, at, meta, spec, 1)
            case Deployment(spec=work) | ReplicaSet(spec=work) | StatefulSet(spec=work):
                template = work.template
                return self._made(obj, inner, template.metadata, template.spec, work.replicas)
            case DaemonSet(spec=work) | Job(spec=work):
                return self._made(obj, inner, work.template.metadata, work.template.spec, None)
            case CronJob(spec=cron):
                template = cron.job_template.spec.template
                here = at.key("jobTemplate", "spec", "template", "spec")
                return self._made(obj, here, template.metadata, template.spec, None)
        return None

    def _made(
        self, obj: Obj, at: At, meta: ObjectMeta, spec: PodSpec, replicas: int | None
    ) -> Pods:
        injected = self._injects(obj.key.namespace, meta)
        return Pods(obj=obj, at=at, meta=meta, spec=spec, replicas=replicas, injected=injected)

    def _injects(self, namespace: str, meta: ObjectMeta) -> bool:
        said = meta.labels.get(INJECT) or meta.annotations.get(INJECT)
        if said:
            return said.lower() != "false"
        home = self.namespaces.get(namespace)
        return home is None or home.meta.labels.get("istio-injection") != "disabled"
