"""Turn YAML text, or a raw tree, into typed objects that know where each field stands.

In: text and a file's name, or a raw tree.    Out: Decoded: objects, partial objects, problems.
Before: api/tree.py, api/shape.py, api/oldforms.py, api/defaults.py        After: check/, sources/, store/

Every fault of an object is reported, not only the first. An object with a fault is never among
`objects`; it comes as a Partial, so that check/ can still look at the rest of it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lateen.api.codes import (
    BAD_FIELD,
    NOT_AN_OBJECT,
    NOT_CARRIED_OUT,
    NOT_YET_HONOURED,
    UNKNOWN_KIND,
)
from lateen.api.defaults import with_defaults
from lateen.api.definition import CustomResource
from lateen.api.fields import Api, dec_hook
from lateen.api.kinds import Kind, group_of, kind_of, registry
from lateen.api.names import label_fault, label_faults, name_fault, qualified_fault
from lateen.api.objects import FieldPlaces, Obj
from lateen.api.oldforms import (
    home_of,
    instead_of,
    owner_of,
    reader_of,
    removed_kind,
    same_shape,
)
from lateen.api.paths import child, element, holds
from lateen.api.shape import Fault, FaultKind, Shaped, shape
from lateen.api.structural import fit
from lateen.api.tree import Document, read_documents
from lateen.api.versions import as_stored
from lateen.base.edit import Edit, Insert, Rewrite
from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level, Problem, has_errors

_HEAD = ("apiVersion", "kind", "metadata")
_SELECTING = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})
# What the server sets; Kubernetes ignores it in what a user sends.
_SERVERS_OWN = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
)


class Partial(Struct, frozen=True, kw_only=True):
    """What is left of an object with faults: for checking only, never to be stored.

    `gaps` are the paths whose values were missing or wrong; what stands there now is a stand-in.
    `unread` are the paths of unknown fields, which may have been meant to fill their parent.
    """

    obj: Obj
    gaps: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


class Decoded(Struct, frozen=True, kw_only=True):
    """The objects that are sound so far, those that are not, and what is wrong."""

    objects: tuple[Obj, ...] = ()
    problems: tuple[Problem, ...] = ()
    partial: tuple[Partial, ...] = ()


def decode_documents(text: str, file: str, *, namespace: str = "default") -> Decoded:
    """Read a file of YAML or JSON documents; never raises for what stands in it.

    `namespace` is given to namespaced objects without one. `kind: List` is taken apart.
    """
    documents, problems = read_documents(text, file)
    results = [Decoded(problems=problems)]
    for document in documents:
        for raw, places, faults in _objects_in(document, file):
            sent = _as_sent(raw)
            results.append(decode_tree(sent, places=places, namespace=namespace, faults=faults))
    return _joined(results)


def decode_raw(
    raw: Mapping[str, Any], *, places: FieldPlaces | None, namespace: str = "default"
) -> tuple[Obj | None, tuple[Problem, ...]]:
    """Decode one tree that came by API or from a store; None when it has an error."""
    decoded = decode_tree(raw, places=places, namespace=namespace)
    return (decoded.objects[0] if decoded.objects else None), decoded.problems


def restore(raw: Mapping[str, Any], places: FieldPlaces | None, revision: int) -> Obj:
    """An object that was decoded and stored before, without checking it again.

    One whose kind is no longer defined is restored as a CustomResource. Raises KeyError or
    msgspec.ValidationError for a tree that never was stored.
    """
    metadata = raw["metadata"]
    group = group_of(raw["apiVersion"])
    kind = kind_of(group, raw["kind"])
    key = ObjectKey(
        group=group,
        kind=raw["kind"],
        namespace=metadata.get("namespace", "") if kind is None or kind.namespaced else "",
        name=metadata["name"],
    )
    struct = CustomResource if kind is None else kind.struct
    typed = msgspec.convert(raw, struct, dec_hook=dec_hook)
    return Obj(key=key, raw=raw, typed=typed, revision=revision, places=places)


def decode_tree(
    raw: Any,
    *,
    places: FieldPlaces | None,
    namespace: str = "default",
    faults: Iterable[tuple[str, str]] = (),
) -> Decoded:
    """Decode one tree; `faults` are paths and words of what its text already had wrong."""
    at = _Speaker(_key_of(raw, namespace), places)
    textual = [at.error(path, words) for path, words in faults]
    if (reader := reader_of(raw)) and not textual:
        return Decoded(problems=(at.warning("", *_others(reader), code=NOT_CARRIED_OUT),))
    if not isinstance(raw, dict):
        words = "a document is a mapping with apiVersion, kind and metadata"
        return Decoded(problems=(*textual, at.error("", words, code=NOT_AN_OBJECT)))
    kind, refusals = _kind(raw, at)
    if kind is None:
        return Decoded(problems=(*textual, *refusals))
    shaped = _shaped(kind, _in_namespace(raw, kind, namespace))
    faults_found = _discreet(shaped.faults) if kind.kind == "Secret" else shaped.faults
    problems = [*textual, *(_problem(at, f, shaped.raw) for f in faults_found)]
    if not any(fault.path == "metadata.name" for fault in shaped.faults):
        problems += _name_problems(kind, shaped.raw["metadata"], at)
    problems += _metadata_problems(kind, shaped.raw["metadata"], at)
    key = at.key
    if key is None or not key.name:
        return Decoded(problems=tuple(problems))
    full = with_defaults(kind.group, kind.kind, shaped.raw)
    try:
        typed = _typed(kind, full)
    except msgspec.ValidationError as fault:
        return Decoded(problems=(*problems, at.error("", str(fault))))
    obj = Obj(key=key, raw=full, typed=typed, places=places)
    if not has_errors(tuple(problems)):
        return Decoded(objects=(obj,), problems=tuple(problems))
    part = Partial(
        obj=obj,
        gaps=tuple(f.path for f in shaped.faults if f.kind is FaultKind.WRONG),
        unread=tuple(f.path for f in shaped.faults if f.kind is FaultKind.UNKNOWN),
    )
    return Decoded(problems=tuple(problems), partial=(part,))


class _Speaker(Struct, frozen=True):
    """Makes the problems of one object."""

    key: ObjectKey | None
    places: FieldPlaces | None

    def say(self, level: Level, path: str, message: str, fix: str, code: str) -> Problem:
        place = self.places.of(path) if self.places else None
        origin = Origin(key=self.key, field=path, place=place)
        return Problem(code=code, level=level, origin=origin, message=message, fix=fix)

    def error(
        self,
        path: str,
        message: str,
        fix: str = "",
        code: str = BAD_FIELD,
        edits: tuple[Edit, ...] = (),
    ) -> Problem:
        return replace(self.say(Level.ERROR, path, message, fix, code), edits=edits)

    def warning(self, path: str, message: str, fix: str = "", *, code: str) -> Problem:
        return self.say(Level.WARNING, path, message, fix, code)


def _objects_in(
    document: Document, file: str
) -> Iterator[tuple[Any, FieldPlaces, list[tuple[str, str]]]]:
    value = document.value
    if not _is_list(value):
        yield value, FieldPlaces(file=file, places=document.places), list(document.faults)
        return
    for index, item in enumerate(value["items"]):
        if item is None:
            continue
        prefix = element("items", index)
        places = {
            path[len(prefix) :].removeprefix("."): place
            for path, place in document.places.items()
            if path == prefix or path.startswith((f"{prefix}.", f"{prefix}["))
        }
        faults = [
            (path[len(prefix) :].removeprefix("."), words)
            for path, words in document.faults
            if path.startswith((f"{prefix}.", f"{prefix}["))
        ]
        yield item, FieldPlaces(file=file, places=places), faults


def _is_list(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        return False
    kind = value.get("kind")
    return isinstance(kind, str) and kind.endswith("List")


def _as_sent(raw: Any) -> Any:
    """Without what only the server sets, so that `kubectl get -o yaml` can be read back."""
    if not isinstance(raw, dict):
        return raw
    kept = {key: value for key, value in raw.items() if key != "status"}
    if isinstance(metadata := raw.get("metadata"), dict):
        kept["metadata"] = {k: v for k, v in metadata.items() if k not in _SERVERS_OWN}
    return kept


def _key_of(raw: Any, namespace: str) -> ObjectKey | None:
    """The best name for what is there, also when something else is wrong with it."""
    if not isinstance(raw, dict) or not isinstance(raw.get("kind"), str):
        return None
    version, kind = raw.get("apiVersion"), raw["kind"]
    group = group_of(version) if isinstance(version, str) else ""
    metadata = raw.get("metadata")
    known_metadata = metadata if isinstance(metadata, dict) else {}
    name, given = known_metadata.get("name"), known_metadata.get("namespace")
    known = kind_of(group, kind)
    inside = given if isinstance(given, str) and given else namespace
    return ObjectKey(
        group=group,
        kind=kind,
        namespace=inside if known is None or known.namespaced else "",
        name=name if isinstance(name, str) else "",
    )


def _kind(raw: dict[str, Any], at: _Speaker) -> tuple[Kind | None, list[Problem]]:
    version, name = raw.get("apiVersion"), raw.get("kind")
    missing = [
        at.error(
            field,
            f"Object '{field}' is missing" if raw.get(field) in (None, "") else "wanted text",
            home_of(raw) if {"apiVersion", "kind"}.isdisjoint(raw) else "",
            code=NOT_AN_OBJECT,
        )
        for field in ("apiVersion", "kind")
        if not isinstance(raw.get(field), str) or not raw[field]
    ]
    if missing or not isinstance(version, str) or not isinstance(name, str):
        return None, missing
    kind = kind_of(group_of(version), name)
    if kind is None:
        return None, [_unknown_kind(version, name, at)]
    if version.rpartition("/")[2] not in kind.versions:
        words = f'no matches for kind "{name}" in version "{version}"'
        modern = kind.api_version()
        fix = f"apiVersion: {modern}"
        edits = (Rewrite(path="apiVersion", text=modern),) if same_shape(version, modern) else ()
        return None, [at.error("apiVersion", words, fix, NOT_AN_OBJECT, edits)]
    return kind, []


def _unknown_kind(version: str, name: str, at: _Speaker) -> Problem:
    """A kind lateen does not carry is left out; one in a group it has no place in is an error."""
    group, kinds = group_of(version), registry()
    if removed := removed_kind(group, name):
        words = f"{version} {name} is no longer there: {removed[0]}"
        return at.error("kind", words, removed[1], code=UNKNOWN_KIND)
    homes = [k.api_version() for k in kinds.kinds if k.kind == name]
    if homes and group in {k.group for k in kinds.kinds}:
        words = f'no matches for kind "{name}" in version "{version}"'
        return at.error("apiVersion", words, f"apiVersion: {homes[0]}", code=NOT_AN_OBJECT)
    names = [k.kind for k in kinds.kinds if k.group == group]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
    fix = f'did you mean "{near[0]}"?' if near else ""
    words = f"{version} {name} is not known to lateen; left out"
    if owner := owner_of(group):
        words = f"{version} {name} is for {owner}, not for lateen; left out"
        fix = instead_of(name)
    return at.warning("kind", words, fix, code=UNKNOWN_KIND)


def _others(reader: str) -> tuple[str, str]:
    """Words and fix for what is no Kubernetes object but another tool's file."""
    words = f"no Kubernetes object, but configuration of {reader}: left out"
    return words, "in a ConfigMap it reaches a pod that reads it"


def _shaped(kind: Kind, raw: dict[str, Any]) -> Shaped:
    """Fit a tree to its kind's struct, or to the schema of the version it is written in."""
    if kind.custom is None:
        return shape(kind.struct, as_stored(raw))
    head: dict[str, Any] = {key: raw[key] for key in _HEAD if key in raw}
    shaped = shape(kind.struct, head)
    version = kind.custom.versions[str(raw["apiVersion"]).rpartition("/")[2]]
    fitted = fit(version.schema, raw)
    whole = fitted.raw | shaped.raw | {"apiVersion": kind.api_version()}
    if version is not (stored := kind.custom.versions[kind.versions[0]]):
        whole = fit(stored.schema, whole).raw | {"apiVersion": kind.api_version()}
    return Shaped(raw=whole, faults=(*shaped.faults, *fitted.faults))


def _in_namespace(raw: dict[str, Any], kind: Kind, namespace: str) -> dict[str, Any]:
    metadata = {} if raw.get("metadata") is None else raw["metadata"]
    if not isinstance(metadata, dict):
        return raw
    if not kind.namespaced:
        return raw | {"metadata": {k: v for k, v in metadata.items() if k != "namespace"}}
    if metadata.get("namespace") in (None, ""):
        return raw | {"metadata": metadata | {"namespace": namespace}}
    return raw


def _problem(at: _Speaker, fault: Fault, raw: Mapping[str, Any]) -> Problem:
    if fault.kind is FaultKind.NOT_YET:
        return at.warning(fault.path, fault.message, fault.fix, code=NOT_YET_HONOURED)
    if fault.path == "spec.selector" and (labels := _template_labels(raw)):
        value = json.dumps({"matchLabels": labels}, ensure_ascii=False)
        edits = (Insert(path="spec", key="selector", value=value),)
        fix = f"the labels of its pods: selector: {value}"
        return at.error(fault.path, fault.message, fix, edits=edits)
    return at.error(fault.path, fault.message, fault.fix, edits=fault.edits)


def _template_labels(raw: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of a workload's pods, where it wants a selector and has none."""
    if raw["kind"] not in _SELECTING or raw["spec"]["selector"] not in (None, {}):
        return {}
    labels: Mapping[str, str] = raw["spec"]["template"].get("metadata", {}).get("labels", {})
    return labels


def _discreet(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Faults that do not show what stands in a Secret."""
    return tuple(
        replace(fault, message="wanted text", fix="quote it")
        if fault.kind is FaultKind.WRONG and _in_data(fault.path)
        else fault
        for fault in faults
    )


def _in_data(path: str) -> bool:
    """Whether the path is inside a Secret's data."""
    return holds("data", path) or holds("stringData", path)


def _name_problems(kind: Kind, metadata: dict[str, Any], at: _Speaker) -> Iterator[Problem]:
    name = metadata.get("name", "")
    if at.key is None or not at.key.name:
        words = "Required value: every object needs a name"
        yield at.error("metadata.name", words, code=NOT_AN_OBJECT)
    elif complaint := name_fault(kind.group, kind.kind, name):
        yield at.error("metadata.name", f'Invalid value: "{name}": {complaint}')


def _metadata_problems(kind: Kind, metadata: dict[str, Any], at: _Speaker) -> Iterator[Problem]:
    inside = metadata.get("namespace", "")
    if kind.namespaced and (complaint := label_fault(inside)):
        yield at.error("metadata.namespace", f'Invalid value: "{inside}": {complaint}')
    for key, text, complaint in label_faults(metadata.get("labels", {})):
        yield at.error(child("metadata.labels", key), f'Invalid value: "{text}": {complaint}')
    for key in metadata.get("annotations", {}):
        if complaint := qualified_fault(key.lower()):
            where = child("metadata.annotations", key)
            yield at.error(where, f'Invalid value: "{key}": {complaint}')


def _typed(kind: Kind, raw: Mapping[str, Any]) -> Api:
    return msgspec.convert(raw, kind.struct, dec_hook=dec_hook)


def _joined(results: Iterable[Decoded]) -> Decoded:
    results = tuple(results)
    return Decoded(
        objects=tuple(obj for r in results for obj in r.objects),
        problems=tuple(sorted((p for r in results for p in r.problems), key=_line)),
        partial=tuple(part for r in results for part in r.partial),
    )


def _line(problem: Problem) -> tuple[int, int]:
    place = problem.origin.place
    return (place.line, place.column) if place else (0, 0)
