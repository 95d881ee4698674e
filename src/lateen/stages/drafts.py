"""The mesh that files would make, without starting anything: its world, and each proxy's plan.

In: paths, or objects.    Out: Draft: objects, World, ProxyPlan and Resources by proxy, problems.
Before: sources/files.py, check/admission.py, cluster/pretending.py        After: cli/, app/

`translate`, `explain`, `test`, `diff` and `analyze` all look at a Draft; nothing in it changes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from typing import TextIO

from lateen.api.decode import Decoded
from lateen.api.objects import Obj
from lateen.base.errors import NotFound
from lateen.base.problem import Problem
from lateen.check.admission import admit
from lateen.cluster.pretending import pretend
from lateen.envoy.memo import Memo
from lateen.envoy.resources import Resources
from lateen.ir.plan import ProxyPlan
from lateen.sources.files import Loaded, read_paths
from lateen.sources.project import read_project
from lateen.translate.plan import plan_for, proxy_of
from lateen.translate.plan import plans as plans_of
from lateen.world.build import world_of
from lateen.world.model import Injection, Workload, World
from lateen.world.needs import Needs

# kubectl's words for the kinds that make pods.
KINDS: Mapping[str, str] = {
    word: kind
    for kind, words in {
        "Pod": ("po", "pod", "pods"),
        "Deployment": ("deploy", "deployment", "deployments"),
        "StatefulSet": ("sts", "statefulset", "statefulsets"),
        "DaemonSet": ("ds", "daemonset", "daemonsets"),
        "ReplicaSet": ("rs", "replicaset", "replicasets"),
        "Job": ("job", "jobs"),
        "Service": ("svc", "service", "services"),
        "Gateway": ("gw", "gateway", "gateways"),
    }.items()
    for word in words
}
_INGRESS = "ingressgateway"  # Istio's label `istio` of the gateway that clients outside come to
PodKey = tuple[str, str]  # namespace, pod


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All objects there would be, the world they make, and what is wrong with what was read.

    `refused`: at least one object was left out for an error; `problems` says which and why.
    """

    objects: tuple[Obj, ...]
    world: World
    problems: tuple[Problem, ...] = ()
    refused: bool = False
    files: tuple[str, ...] = ()
    _alone: dict[PodKey, ProxyPlan] = field(default_factory=dict, repr=False)
    memo: Memo = field(default_factory=Memo, repr=False)  # of what was made for proxies

    @cached_property
    def plans(self) -> Mapping[PodKey, ProxyPlan]:
        """The plan of every proxy, by namespace and pod."""
        made = (planned.plan for planned in plans_of(self.world))
        return {(plan.proxy.namespace, plan.proxy.pod): plan for plan in made}

    def plan(self, workload: Workload) -> ProxyPlan | None:
        """The plan of one pod's proxy, made without the others'; None if it has no proxy."""
        key = workload.namespace, workload.name
        if "plans" in self.__dict__:
            return self.plans.get(key)
        if key not in self._alone:
            proxy = proxy_of(workload)
            if proxy is None:
                return None
            self._alone[key] = plan_for(self.world, proxy)[0]
        return self._alone[key]

    def resources(self, plan: ProxyPlan, memo: Memo | None = None) -> Resources:
        """What the Envoy of a plan would be sent; parts that plans share are made once.

        With another draft's `memo` so are those that both have.
        """
        from lateen.envoy.emit import emit  # its messages take a while to import

        return emit(plan, memo=memo or self.memo)


def draft_from(
    paths: Sequence[str],
    *,
    stdin: TextIO | None = None,
    namespace: str = "default",
    further: Iterable[Obj] = (),
) -> Draft:
    """Read files and folders as `lateen up` does. `further` objects come on top of what they hold.

    Never raises for what stands in the files: see `problems`.
    """
    loaded = read_paths(paths, stdin=stdin, namespace=namespace)
    return draft_of(loaded, further=further, needs=read_project(paths)[0].needs)


def draft_of(loaded: Loaded, *, further: Iterable[Obj] = (), needs: Needs | None = None) -> Draft:
    """The mesh that what was read would make; objects that are not sound are left out, and told of.

    `needs`: what workloads are said to call.
    """
    admission = admit(loaded.decoded)
    pretended = pretend((*admission.objects, *further))
    return Draft(
        objects=pretended.objects,
        world=world_of(pretended.objects, needs=needs),
        problems=(*admission.problems, *pretended.problems),
        refused=bool(admission.refused or admission.unreadable),
        files=loaded.files,
    )


def draft_of_objects(objects: Sequence[Obj]) -> Draft:
    """The mesh that objects would make which another mesh has already, and so are sound."""
    pretended = pretend(objects)
    return Draft(
        objects=pretended.objects,
        world=world_of(pretended.objects),
        problems=pretended.problems,
    )


def draft_with(paths: Sequence[str], texts: Sequence[str], *, namespace: str = "default") -> Draft:
    """The mesh of files, and of YAML on top of them: an object of the same name takes the other's place."""
    loaded = read_paths(paths, namespace=namespace)
    for text in texts:
        more = read_paths(["-"], stdin=StringIO(text), namespace=namespace)
        keys = {obj.key for obj in more.objects}
        loaded = Loaded(
            decoded=Decoded(
                objects=(*(o for o in loaded.objects if o.key not in keys), *more.objects),
                problems=(*loaded.problems, *more.problems),
                partial=(*loaded.decoded.partial, *more.decoded.partial),
            ),
            files=loaded.files,
        )
    return draft_of(loaded)


def draft_as_is(objects: Iterable[Obj]) -> Draft:
    """A mesh as it is: with the pods and endpoints that are among the objects, and no others."""
    given = tuple(objects)
    return Draft(objects=given, world=world_of(given))


def named_workload(world: World, word: str, namespace: str = "") -> Workload:
    """The pod meant by `KIND/NAME[.NAMESPACE]`, `NAME`, or `NAMESPACE/NAME`: the first of several.

    A Service stands for the first of its pods, a Gateway for the first pod it selects. Raises NotFound,
    with the name that comes nearest.
    """
    found = pods_of(world, word, namespace)
    return found[0]


def pods_of(world: World, word: str, namespace: str = "") -> tuple[Workload, ...]:
    """All pods meant by such a word, at least one; raises NotFound."""
    front, _, rest = word.rpartition("/")
    kind = KINDS.get(front.lower(), "")
    space = front if front and not kind else namespace
    for name, inside in _readings(rest, space):
        found = tuple(w for w in _meant(world, kind, name) if inside in ("", w.namespace))
        if found:
            return found
    raise NotFound(f"nothing here is {word}; {_near(world, rest)}")


def ingress_of(world: World) -> Workload:
    """The gateway that clients outside come to: the ingress gateway, or the first there is.

    Raises NotFound where there is none.
    """
    gateways = [w for w in world.workloads.values() if w.injection is Injection.GATEWAY]
    ingress = [w for w in gateways if w.labels.get("istio") == _INGRESS]
    found = ingress or gateways
    if not found:
        raise NotFound("no gateway is here: name the workload that sends it")
    return found[0]


def _readings(name: str, namespace: str) -> Iterable[tuple[str, str]]:
    """A name as it is, and as NAME.NAMESPACE."""
    yield name, namespace
    short, dot, inside = name.partition(".")
    if dot and namespace in ("", inside.partition(".")[0]):
        yield short, inside.partition(".")[0]


def _meant(world: World, kind: str, name: str) -> Iterable[Workload]:
    pods = world.workloads.values()
    match kind:
        case "Pod":
            return (w for w in pods if w.name == name)
        case "Service":
            return (
                instance.workload
                for (_, service), instances in world.instances.items()
                if service == name
                for instance in instances
                if instance.workload
            )
        case "Gateway":
            selectors = [
                (g.namespace, g.typed.spec.selector) for g in world.gateways if g.name == name
            ]
            return (
                w
                for w in pods
                if any(wanted.items() <= w.labels.items() for _, wanted in selectors)
            )
    return (w for w in pods if name in (w.workload, w.name))


def _near(world: World, name: str) -> str:
    words = {w.workload for w in world.workloads.values()}
    near = difflib.get_close_matches(name.partition(".")[0], words, n=1)
    if near:
        return f"did you mean {near[0]}?"
    few = ", ".join(sorted(words)[:5])
    return f"there are {few}" if few else "no pods would run"
