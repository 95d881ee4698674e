"""Label and field selectors as they are written in a URL.

In: `app=web,tier in (a, b),!old` and `status.phase=Running`.    Out: Selection.
Before: api/kinds.py        After: apiserver/reading.py, apiserver/watching.py

Source: Kubernetes "Labels and Selectors", "Field Selectors".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from lateen.api.kinds import Kind
from lateen.api.objects import Obj
from lateen.apiserver.faults import ApiFault

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUAL = re.compile(rf"\s*(?P<key>{_KEY})\s*(?P<op>==|!=|=)\s*(?P<value>{_VALUE})\s*")
_SET = re.compile(rf"\s*(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)\s*")
_PRESENT = re.compile(rf"\s*(?P<no>!?)\s*(?P<key>{_KEY})\s*")
_COMMA_OUTSIDE = re.compile(r",(?![^(]*\))")

_FIELDS_OF_ALL = ("metadata.name", "metadata.namespace")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Pod": (
        "status.phase",
        "status.podIP",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.serviceAccountName",
    ),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
    "ReplicaSet": ("status.replicas",),
    "Job": ("status.successful",),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
}


class Selection(Struct, frozen=True, kw_only=True):
    """Which objects of a collection are asked for."""

    labels: tuple[Test, ...] = ()
    fields: tuple[tuple[str, str, bool], ...] = ()  # path, value, whether it must be equal

    @property
    def everything(self) -> bool:
        """Whether nothing is asked of the objects."""
        return not self.labels and not self.fields

    def matches(self, obj: Obj) -> bool:
        """Whether the object is selected."""
        for path, value, equal in self.fields:
            if (field_of(obj.raw, path) == value) != equal:
                return False
        return not self.labels or all(test(obj.meta.labels) for test in self.labels)


def parse_selection(kind: Kind, labels: str, fields: str) -> Selection:
    """Read both selectors; raises ApiFault 400 when one cannot be read."""
    return Selection(labels=_label_tests(labels), fields=_field_tests(kind, fields))


def field_of(raw: Mapping[str, Any], path: str) -> str:
    """The field as text; "" when absent."""
    value: Any = raw
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return ""
        value = value.get(part, "")
    return str(value)


def _label_tests(text: str) -> tuple[Test, ...]:
    if not text.strip():
        return ()
    return tuple(_label_test(part) for part in _COMMA_OUTSIDE.split(text))


def _label_test(text: str) -> Test:
    if found := _EQUAL.fullmatch(text):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _SET.fullmatch(text):
        key = found["key"]
        values = frozenset(v.strip() for v in found["values"].split(","))
        if found["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _PRESENT.fullmatch(text):
        key, wanted = found["key"], not found["no"]
        return lambda labels: (key in labels) == wanted
    raise ApiFault(400, f"unable to parse requirement: {text.strip()!r} is not a label selector")


def _field_tests(kind: Kind, text: str) -> tuple[tuple[str, str, bool], ...]:
    known = (*_FIELDS_OF_ALL, *_FIELDS.get(kind.kind, ()))
    tests = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        found = re.fullmatch(r"([^=!]+)(==|!=|=)(.*)", part)
        if not found:
            raise ApiFault(400, f"invalid selector: '{part}'; can't understand '{part}'")
        path, op, value = found.groups()
        if kind.form is not None:
            path = kind.form.path(path)
        if path not in known:
            raise ApiFault(400, f'field label not supported: "{path}" for {kind.kind}')
        tests.append((path, value, op != "!="))
    return tuple(tests)
