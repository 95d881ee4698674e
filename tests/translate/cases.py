"""Read the `in.yaml` of a case: Kubernetes and Istio objects, and pods in a short form.

A document with the one key `case` says which proxy's plan, and which parts of it, the golden shows.
With `base: NAME` the objects of `tests/cases/NAME.yaml` are there, too, with `files` those of the
named files of `examples`, as they are. One with the one key `pods` gives, by namespace and name, an
address and, if they matter, `labels`, `account`, `ports` (by name), `image`, `owner`,
`ready: false`, `phase`, `annotations`, `hostname`, `node` and `subdomain`. As the
controllers would, the reader makes EndpointSlices of Services and pods, and gives Services an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lateen.api.decode import decode_tree
from lateen.api.objects import FieldPlaces, Obj
from lateen.api.tree import read_documents
from lateen.base.problem import has_errors
from lateen.world.build import world_of
from lateen.world.model import World

CASES = Path(__file__).parent.parent / "cases"
EXAMPLES = Path(__file__).parents[2] / "examples"
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: the world, whose plan it is about, and which parts of the plan."""

    world: World
    proxy: str  # NAMESPACE/POD
    show: tuple[str, ...]


def all_cases() -> list[Path]:
    """The folders of all cases; those of `analyze` are about files, not about a proxy."""
    found = (path.parent for path in CASES.glob("*/*/in.yaml"))
    return sorted(folder for folder in found if folder.parent.name != "analyze")


def text_of(folder: Path) -> str:
    """The YAML of a case, after that of its base and of the examples it is about."""
    text = (folder / "in.yaml").read_text(encoding="utf-8")
    about = _about(text)
    before = [CASES / f"{about['base']}.yaml"] if "base" in about else []
    before += [EXAMPLES / f"{name}.yaml" for name in about.get("files", ())]
    return "---\n".join([*(path.read_text(encoding="utf-8") for path in before), text])


def case_in(folder: Path) -> Case:
    """Read one case."""
    text = text_of(folder)
    about = _about(text)
    return Case(world=world_in(text), proxy=about["proxy"], show=tuple(about["show"]))


def world_in(text: str) -> World:
    """The world of a YAML text in the form of a case."""
    return world_of(objects_in(text))


def objects_in(text: str) -> tuple[Obj, ...]:
    """All objects of a YAML text in the form of a case; fails for one that is not valid.

    Of an object that is there twice the last holds, as when each is applied.
    """
    documents, problems = read_documents(text, "in.yaml")
    assert not problems, problems
    objects: list[Obj] = []
    pods: list[Tree] = []
    services: list[tuple[Tree, FieldPlaces]] = []
    for document in documents:
        tree = document.value
        places = FieldPlaces(file="in.yaml", places=document.places)
        if set(tree) == {"case"}:
            continue
        if set(tree) == {"pods"}:
            pods.extend(_pods(tree["pods"]))
        elif tree["kind"] == "Service":
            services.append((_addressed(tree, len(services)), places))
        else:
            objects.append(_object(tree, places))
    given = {o.meta.labels.get("kubernetes.io/service-name") for o in objects}
    for service, places in services:
        objects.append(_object(service, places))
        if service["metadata"]["name"] not in given and service["spec"].get("selector"):
            objects.append(_object(_slice(service, pods), None))
    objects.extend(_object(pod["object"], None) for pod in pods)
    return tuple({obj.key: obj for obj in objects}.values())


def _about(text: str) -> Tree:
    about: Tree = next(d["case"] for d in _trees(text) if set(d) == {"case"})
    return about


def _trees(text: str) -> Iterator[Tree]:
    for document in read_documents(text, "in.yaml")[0]:
        yield document.value


def _object(tree: Tree, places: FieldPlaces | None) -> Obj:
    decoded = decode_tree(tree, places=places)
    assert not has_errors(decoded.problems), decoded.problems
    return decoded.objects[0]


def _addressed(tree: Tree, number: int) -> Tree:
    spec = tree["spec"]
    if "clusterIP" in spec or spec.get("type") == "ExternalName":
        return tree
    return tree | {"spec": spec | {"clusterIP": f"198.19.0.{number + 1}"}}


def _pods(by_namespace: Mapping[str, Mapping[str, Tree]]) -> Iterator[Tree]:
    for namespace, pods in by_namespace.items():
        for name, pod in pods.items():
            ports = [
                {"containerPort": number, "name": port}
                for port, number in pod.get("ports", {}).items()
            ]
            metadata: Tree = {
                "name": name,
                "namespace": namespace,
                "labels": pod.get("labels", {}),
                "annotations": pod.get("annotations", {}),
            }
            if "owner" in pod:
                kind, _, owner = pod["owner"].partition("/")
                metadata["ownerReferences"] = [
                    {"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": "u"}
                ]
            spec: Tree = {
                "containers": [{"name": "app", "image": pod.get("image", "app"), "ports": ports}],
                "serviceAccountName": pod.get("account", "default"),
                "hostname": pod.get("hostname", ""),
                "subdomain": pod.get("subdomain", ""),
                **({"nodeName": pod["node"]} if "node" in pod else {}),
            }
            status = {"phase": pod.get("phase", "Running"), "podIP": pod.get("ip", "")}
            yield {
                "object": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": metadata,
                    "spec": spec,
                    "status": status,
                },
                "ready": pod.get("ready", True),
            }


def _slice(service: Tree, pods: list[Tree]) -> Tree:
    """The EndpointSlice the controller would write; named targetPorts are the same in all pods."""
    name = service["metadata"]["name"]
    namespace = service["metadata"].get("namespace", "default")
    wanted = service["spec"]["selector"].items()
    chosen = [
        pod
        for pod in pods
        if pod["object"]["metadata"]["namespace"] == namespace
        and wanted <= pod["object"]["metadata"]["labels"].items()
        and pod["object"]["status"]["podIP"]
    ]
    endpoints = [
        {
            "addresses": [pod["object"]["status"]["podIP"]],
            "conditions": {"ready": pod["ready"]},
            "targetRef": {"kind": "Pod", "name": pod["object"]["metadata"]["name"]},
        }
        for pod in chosen
    ]
    ports = [
        {"name": port.get("name", ""), "port": _target(port, chosen), "protocol": "TCP"}
        for port in service["spec"]["ports"]
        if port.get("protocol", "TCP") == "TCP"
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-1",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    }


def _target(port: Tree, chosen: list[Tree]) -> int:
    target: Any = port.get("targetPort", port["port"])
    for pod in chosen:
        for declared in pod["object"]["spec"]["containers"][0]["ports"]:
            if declared["name"] == target:
                return int(declared["containerPort"])
    return int(port["port"] if isinstance(target, str) else target)
