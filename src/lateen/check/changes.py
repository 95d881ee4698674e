"""Check a change of an object: the fields that stay as they were made, in Kubernetes' words.

In: an object's tree before and after.    Out: Broken, each with its field.
Before: check/rules.py, api/decode.py        After: apiserver/reviewing.py, cluster/refusing.py

Source: Kubernetes pkg/apis/{core,apps,batch,scheduling,storage,rbac}/validation, the `Validate…Update` functions of 1.32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from lateen.api.decode import decode_tree
from lateen.api.kinds import Kind
from lateen.check.rules import Broken, broken_rules

Tree = Mapping[str, Any]
_IMMUTABLE = "field is immutable"
_SET = "field is immutable when `immutable` is set"
_POD = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
    "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)
_STATEFUL = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_STATEFUL_FREE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_CLAIM = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims"
)
_JOB = ("podFailurePolicy", "successPolicy", "completionMode", "backoffLimitPerIndex", "managedBy")
_SCHEDULING = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
_SOURCES_OF_VOLUMES = ("hostPath", "local", "nfs", "csi", "iscsi", "fc", "cephfs", "rbd")


def broken_by_change(kind: Kind, tree: Tree, old: Tree) -> tuple[Broken, ...]:
    """Everything a change may not do."""
    check = _CHECKS.get((kind.group, kind.kind))
    found = check(_whole(tree), _whole(old)) if check else iter(())
    return (*found, *broken_rules(kind, tree, old))


def _whole(tree: Tree) -> Tree:
    """The tree with its defaults: controllers write without some."""
    decoded = decode_tree(dict(tree), places=None)
    return next((obj.raw for obj in decoded.objects), tree)


def _spec(tree: Tree) -> Tree:
    return tree.get("spec") or {}


def _invalid(path: str, value: Any, words: str) -> Broken:
    return Broken(path=path, message=f"Invalid value: {_shown(value)}: {words}")


def _forbidden(path: str, words: str) -> Broken:
    return Broken(path=path, message=f"Forbidden: {words}")


def _shown(value: Any) -> str:
    """As Go prints what is no scalar; a template in JSON, or it would fill the screen."""
    if value is None:
        return "null"
    if isinstance(value, Mapping) and set(value) <= {"matchLabels", "matchExpressions"}:
        labels = _go_map(value.get("matchLabels") or {})
        return (
            f"v1.LabelSelector{{MatchLabels:{labels}, MatchExpressions:{_go_requirements(value)}}}"
        )
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return f"[]string{{{', '.join(map(_quoted, value))}}}"
    return msgspec.json.encode(value).decode()


def _go_map(labels: Mapping[str, str]) -> str:
    pairs = (f"{_quoted(k)}:{_quoted(v)}" for k, v in sorted(labels.items()))
    return f"map[string]string{{{', '.join(pairs)}}}" if labels else "map[string]string(nil)"


def _go_requirements(selector: Tree) -> str:
    found = selector.get("matchExpressions")
    if not found:
        return "[]v1.LabelSelectorRequirement(nil)"
    each = (
        f"v1.LabelSelectorRequirement{{Key:{_quoted(r['key'])}, Operator:{_quoted(r['operator'])}, "
        f"Values:[]string{{{', '.join(map(_quoted, r.get('values') or ()))}}}}}"
        for r in found
    )
    return f"[]v1.LabelSelectorRequirement{{{', '.join(each)}}}"


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _kept(tree: Tree, old: Tree, *names: str) -> Iterator[Broken]:
    """Fields of the spec that are never another."""
    for name in names:
        new, before = _spec(tree).get(name), _spec(old).get(name)
        if new != before:
            yield _invalid(f"spec.{name}", new, _IMMUTABLE)


def _selector(tree: Tree, old: Tree) -> Iterator[Broken]:
    return _kept(tree, old, "selector")


def _stateful_set(tree: Tree, old: Tree) -> Iterator[Broken]:
    def fixed(whole: Tree) -> dict[str, Any]:
        return {k: v for k, v in _spec(whole).items() if k not in _STATEFUL_FREE}

    if fixed(tree) != fixed(old):
        yield _forbidden("spec", _STATEFUL)


def _job(tree: Tree, old: Tree) -> Iterator[Broken]:
    new, before = _spec(tree), _spec(old)
    yield from _completions(new, before)
    yield from _kept(tree, old, "selector")
    started = (old.get("status") or {}).get("startTime")
    loose = bool(before.get("suspend")) and not started
    if _template(new, loose=loose) != _template(before, loose=loose):
        yield _invalid("spec.template", new.get("template"), _IMMUTABLE)
    yield from _kept(tree, old, *_JOB)


def _completions(new: Tree, before: Tree) -> Iterator[Broken]:
    """An indexed Job may grow and shrink as long as completions and parallelism are equal."""
    wanted = new.get("completions")
    if wanted == before.get("completions"):
        return
    if new.get("completionMode") != "Indexed" or wanted is None:
        yield _invalid("spec.completions", wanted, _IMMUTABLE)
    elif wanted != new.get("parallelism"):
        words = "can only be modified in tandem with spec.parallelism"
        yield _invalid("spec.completions", wanted, words)


def _template(spec: Tree, *, loose: bool) -> Any:
    """What of a Job's template is fixed; a suspended one that never ran may be placed anew."""
    template = spec.get("template") or {}
    if not loose:
        return template
    inner = {k: v for k, v in (template.get("spec") or {}).items() if k not in _SCHEDULING}
    return {**template, "metadata": None, "spec": inner}


def _claim(tree: Tree, old: Tree) -> Iterator[Broken]:
    """Bound claims may ask for more; one that waits may be given its volume."""

    def fixed(whole: Tree) -> dict[str, Any]:
        spec = dict(_spec(whole))
        if not _spec(old).get("volumeName"):
            spec.pop("volumeName", None)
            spec.pop("storageClassName", None)
        elif (old.get("status") or {}).get("phase") == "Bound":
            spec.pop("volumeAttributesClassName", None)
            resources = dict(spec.get("resources") or {})
            resources.pop("requests", None)
            spec["resources"] = resources
        return spec

    if fixed(tree) != fixed(old):
        yield _forbidden("spec", _CLAIM)


def _volume(tree: Tree, old: Tree) -> Iterator[Broken]:
    new, before = _spec(tree), _spec(old)
    if any(new.get(name) != before.get(name) for name in _SOURCES_OF_VOLUMES):
        words = "spec.persistentvolumesource is immutable after creation"
        yield _forbidden("spec.persistentvolumesource", words)
    yield from _kept(tree, old, "volumeMode")


def _service(tree: Tree, old: Tree) -> Iterator[Broken]:
    new, before = _spec(tree), _spec(old)
    had, has = before.get("clusterIP"), new.get("clusterIP")
    if before.get("type") == "ExternalName" or new.get("type") == "ExternalName" or not had:
        return
    if has != had:
        wanted = new.get("clusterIPs") or ([has] if has else None)
        yield _invalid("spec.clusterIPs[0]", wanted, "may not change once set")


def _config(tree: Tree, old: Tree) -> Iterator[Broken]:
    if not old.get("immutable"):
        return
    if not tree.get("immutable"):
        yield _forbidden("immutable", _SET)
    for name in ("data", "binaryData"):
        if (tree.get(name) or {}) != (old.get(name) or {}):
            yield _forbidden(name, _SET)


def _secret(tree: Tree, old: Tree) -> Iterator[Broken]:
    if tree.get("type") != old.get("type"):
        yield _invalid("type", tree.get("type"), _IMMUTABLE)
    yield from _config(tree, old)


def _pod(tree: Tree, old: Tree) -> Iterator[Broken]:
    new, before = _spec(tree), _spec(old)
    for name in ("containers", "initContainers"):
        if len(new.get(name) or ()) != len(before.get(name) or ()):
            yield _forbidden(f"spec.{name}", "pod updates may not add or remove containers")
            return
    tolerations = new.get("tolerations") or []
    if any(toleration not in tolerations for toleration in before.get("tolerations") or ()):
        yield _forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        )
    elif _fixed_of_pod(new) != _fixed_of_pod(before):
        yield _forbidden("spec", _POD)


def _fixed_of_pod(spec: Tree) -> dict[str, Any]:
    free = (
        "activeDeadlineSeconds",
        "ephemeralContainers",  # these come by their own way, which has its own words
        "terminationGracePeriodSeconds",
        "tolerations",
    )
    fixed = {name: value for name, value in spec.items() if name not in free}
    for name in ("containers", "initContainers"):
        if name in fixed:
            fixed[name] = [{**container, "image": ""} for container in fixed[name]]
    return fixed


def _class_of_storage(tree: Tree, old: Tree) -> Iterator[Broken]:
    for name in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if tree.get(name) != old.get(name):
            yield _forbidden(name, f"updates to {name} are forbidden.")


def _class_of_priority(tree: Tree, old: Tree) -> Iterator[Broken]:
    if tree.get("value") != old.get("value"):
        yield _forbidden("value", "may not be changed in an update.")
    before = old.get("preemptionPolicy") or "PreemptLowerPriority"
    if (tree.get("preemptionPolicy") or "PreemptLowerPriority") != before:
        yield _invalid("preemptionPolicy", tree.get("preemptionPolicy"), _IMMUTABLE)


def _definition(tree: Tree, old: Tree) -> Iterator[Broken]:
    yield from _kept(tree, old, "group", "scope")
    for name in ("kind", "plural"):
        new = (_spec(tree).get("names") or {}).get(name)
        if new != (_spec(old).get("names") or {}).get(name):
            yield _invalid(f"spec.names.{name}", new, _IMMUTABLE)


def _revision(tree: Tree, old: Tree) -> Iterator[Broken]:
    if tree.get("data") != old.get("data"):
        yield _forbidden("data", _IMMUTABLE)


_CHECKS: Mapping[tuple[str, str], Callable[[Tree, Tree], Iterator[Broken]]] = {
    ("", "ConfigMap"): _config,
    ("", "PersistentVolume"): _volume,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apps", "ControllerRevision"): _revision,
    ("apps", "DaemonSet"): _selector,
    ("apps", "Deployment"): _selector,
    ("apps", "ReplicaSet"): _selector,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): _job,
    ("scheduling.k8s.io", "PriorityClass"): _class_of_priority,
    ("storage.k8s.io", "StorageClass"): _class_of_storage,
}


def with_kept_addresses(kind: Kind, tree: dict[str, Any], old: Tree) -> dict[str, Any]:
    """A Service that is written without its addresses keeps them (Kubernetes' `patchAllocatedValues`)."""
    if (kind.group, kind.kind) != ("", "Service"):
        return tree
    new, before = _spec(tree), _spec(old)
    if "ExternalName" in (new.get("type"), before.get("type")) or new.get("clusterIP"):
        return tree
    kept = {name: before[name] for name in ("clusterIP", "clusterIPs") if name in before}
    return {**tree, "spec": {**new, **kept}}
