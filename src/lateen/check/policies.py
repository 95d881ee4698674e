"""Judge a write by the ValidatingAdmissionPolicies that are in force.

In: a write, whoever makes it; the store's policies, bindings and params.    Out: Verdict.
Before: api/cel.py, api/admissionpolicy.py, check/admissionpolicy.py
After: apiserver/saving.py, apiserver/deleting.py, cluster/newpods.py

Source: k8s.io/apiserver pkg/admission/plugin/policy/validating; the sentences are its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from lateen.api.admissionpolicy import (
    BindingSpec,
    MatchResources,
    PolicySpec,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    Validation,
)
from lateen.api.cel import BadRule
from lateen.api.cellibrary import AUTHORIZER, Authorize, authorizing
from lateen.api.celvalues import tagged
from lateen.api.kinds import Kind, group_of, kind_of
from lateen.api.meta import LabelSelector
from lateen.api.objects import Obj
from lateen.api.webhooks import ADMISSION, Named
from lateen.base.origin import ObjectKey
from lateen.check.admissionpolicy import (
    condition_variables,
    expression_of,
    expression_variables,
)

Tree = Mapping[str, Any]


class Objects(Protocol):
    """Reads of the store."""

    def get(self, key: ObjectKey) -> Obj | None:
        """The object, or None."""

    def list(
        self, *, group: str | None = None, kind: str | None = None, namespace: str | None = None
    ) -> tuple[Obj, ...]:
        """Objects sorted by key; None means any."""


class Judging(Struct, frozen=True, kw_only=True):
    """One write. `user` is its writer as a UserInfo; `authorize` answers the expressions' `authorizer`."""

    operation: str
    kind: Kind
    version: str
    name: str
    namespace: str = ""
    subresource: str = ""
    object: Tree | None = None
    old: Tree | None = None
    user: Tree = field(default_factory=dict)
    dry: bool = False
    authorize: Authorize | None = None

    def request(self) -> dict[str, Any]:
        """What webhooks and expressions are told of the write, without the objects."""
        at = {"group": self.kind.group, "version": self.version}
        kind, resource = at | {"kind": self.kind.kind}, at | {"resource": self.kind.plural}
        request = {
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": self.name,
            "operation": self.operation,
            "userInfo": self.user,
            "dryRun": self.dry,
        }
        if self.namespace:
            request["namespace"] = self.namespace
        if self.subresource:
            request["subResource"] = request["requestSubResource"] = self.subresource
        return request

    def data(self) -> dict[str, Any]:
        """What expressions know of the write."""
        resource = {
            "group": self.kind.group,
            "resource": self.kind.plural,
            "subresource": self.subresource,
            "namespace": self.namespace,
            "name": self.name,
        }
        itself = tagged(AUTHORIZER, asked=resource)
        return {
            "object": self.object,
            "oldObject": self.old,
            "request": self.request(),
            "authorizer": tagged(AUTHORIZER, asked={}, requestResource=itself),
        }


class Verdict(Struct, frozen=True, kw_only=True):
    """`refusal` "" lets the write through; `reason` is one of Kubernetes' status reasons."""

    refusal: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # for the audit


class _Failure(Struct, frozen=True, kw_only=True):
    message: str
    reason: str = "Invalid"


def judged(store: Objects, write: Judging) -> Verdict:
    """What the policies say; the first to deny is the one that is named."""
    bindings = store.list(group=ADMISSION, kind="ValidatingAdmissionPolicyBinding")
    if not bindings or write.kind.group == ADMISSION:
        return Verdict()
    denied: list[tuple[str, str]] = []
    warnings: list[str] = []
    notes: list[str] = []
    for obj in bindings:
        binding = obj.typed
        if not isinstance(binding, ValidatingAdmissionPolicyBinding):
            continue
        name = binding.spec.policy_name
        found = store.get(_policy_key(name))
        policy = found.typed if found else None
        if not isinstance(policy, ValidatingAdmissionPolicy):
            continue
        if not _in_force(store, policy.spec, binding.spec, write):
            continue
        title = f"ValidatingAdmissionPolicy '{name}' with binding '{obj.key.name}'"
        for failure in _failures(store, name, policy.spec, binding.spec, write, notes):
            if "Deny" in binding.spec.validation_actions:
                denied.append((f"{title} denied request: {failure.message}", failure.reason))
            if "Warn" in binding.spec.validation_actions:
                warnings.append(f"Validation failed for {title}: {failure.message}")
            if "Audit" in binding.spec.validation_actions:
                notes.append(f"{title}: {failure.message}")
    refusal, reason = denied[0] if denied else ("", "")
    unique = tuple(dict.fromkeys(warnings))
    return Verdict(refusal=refusal, reason=reason, warnings=unique, notes=tuple(notes))


def _policy_key(name: str) -> ObjectKey:
    return ObjectKey(group=ADMISSION, kind="ValidatingAdmissionPolicy", namespace="", name=name)


def _in_force(store: Objects, policy: PolicySpec, binding: BindingSpec, write: Judging) -> bool:
    constraints = policy.match_constraints
    if constraints is None or not _matches(store, constraints, write, narrowing=False):
        return False
    narrower = binding.match_resources
    return narrower is None or _matches(store, narrower, write, narrowing=True)


def _matches(store: Objects, match: MatchResources, write: Judging, *, narrowing: bool) -> bool:
    """Whether a write is meant; a binding without rules narrows by its selectors alone."""
    versions = write.kind.versions if match.match_policy == "Equivalent" else (write.version,)

    def is_covered(rules: Sequence[Any]) -> bool:
        return any(
            rule.covers(
                write.operation, write.kind.group, versions, write.kind.plural,
                subresource=write.subresource, namespaced=write.kind.namespaced,
            )
            and (not rule.resource_names or write.name in rule.resource_names)
            for rule in rules
        )  # fmt: skip

    if is_covered(match.exclude_resource_rules):
        return False
    if not (narrowing and not match.resource_rules) and not is_covered(match.resource_rules):
        return False
    trees = [tree for tree in (write.object, write.old) if tree]
    if not any(match.object_selector.matches(_labels(tree)) for tree in trees):
        return False
    return _namespace_matches(store, match.namespace_selector, write)


def _namespace_matches(store: Objects, selector: LabelSelector, write: Judging) -> bool:
    if (write.kind.group, write.kind.kind) == ("", "Namespace"):
        return selector.matches(_labels(write.object or write.old or {}))
    if not write.namespace:
        return True
    inside = _namespace(store, write.namespace)
    return selector.matches(inside.meta.labels if inside else {})


def _labels(tree: Tree) -> dict[str, str]:
    return (tree.get("metadata") or {}).get("labels") or {}


def _namespace(store: Objects, name: str) -> Obj | None:
    return store.get(ObjectKey(group="", kind="Namespace", namespace="", name=name))


def _failures(
    store: Objects,
    name: str,
    policy: PolicySpec,
    binding: BindingSpec,
    write: Judging,
    notes: list[str],
) -> Iterator[_Failure]:
    """What one policy finds wrong with a write, for each of its binding's params."""
    try:
        every = _params(store, policy, binding, write)
    except BadRule as fault:
        if policy.failure_policy == "Fail":
            yield _Failure(message=f"failed to configure binding: {fault}")
        return
    with authorizing(write.authorize):
        for params in every:
            yield from _judged_with(name, policy, _data(store, policy, write, params), notes)


def _data(
    store: Objects, policy: PolicySpec, write: Judging, params: Tree | None
) -> dict[str, Any]:
    """The values of the variables."""
    inside = _namespace(store, write.namespace) if write.namespace else None
    data = write.data() | {"namespaceObject": inside.raw if inside else None}
    return data | ({"params": params} if policy.param_kind else {})


def _judged_with(
    name: str, policy: PolicySpec, data: dict[str, Any], notes: list[str]
) -> Iterator[_Failure]:
    try:
        if not conditions_hold(policy.match_conditions, condition_variables(policy), data):
            return
    except BadRule as fault:
        if policy.failure_policy == "Fail":
            yield _Failure(message=str(fault))
        return
    known, values = expression_variables(policy), _variables(policy, data)
    for validation in policy.validations:
        if failure := _broken(validation, policy, known, values):
            yield failure
    for note in policy.audit_annotations:
        try:
            said = expression_of(note.value_expression, known).value(values)
        except BadRule as fault:
            if policy.failure_policy == "Fail":
                words = f"failed to evaluate audit annotation '{note.key}': {fault}"
                yield _Failure(message=words)
            continue
        if isinstance(said, str) and said:
            notes.append(f"{name}/{note.key}: {said}")


def conditions_hold(
    conditions: Sequence[Named], known: tuple[str, ...], data: dict[str, Any]
) -> bool:
    """One that is false decides, whatever becomes of the others; raises BadRule."""
    failed: BadRule | None = None
    for condition in conditions:
        try:
            if expression_of(condition.expression, known).value(data) is not True:
                return False
        except BadRule as fault:
            failed = failed or fault
    if failed:
        raise failed
    return True


def _variables(policy: PolicySpec, data: dict[str, Any]) -> dict[str, Any]:
    """The data with `variables`. One that fails is absent, so only who reads it fails, too."""
    known, made = expression_variables(policy), dict[str, Any]()
    for variable in policy.variables:
        try:
            made[variable.name] = expression_of(variable.expression, known).value(
                data | {"variables": made}
            )
        except BadRule:
            continue
    return data | {"variables": made}


def _broken(
    validation: Validation, policy: PolicySpec, known: tuple[str, ...], values: dict[str, Any]
) -> _Failure | None:
    text = validation.expression.strip()
    try:
        if expression_of(validation.expression, known).value(values) is True:
            return None
    except BadRule as fault:
        if policy.failure_policy != "Fail":
            return None
        return _Failure(message=f"expression '{text}' resulted in error: {fault}")
    fallback = validation.message.strip() or f"failed expression: {text}"
    message = _said(validation, known, values) or fallback
    return _Failure(message=message, reason=validation.reason)


def _said(validation: Validation, known: tuple[str, ...], values: dict[str, Any]) -> str:
    if not validation.message_expression:
        return ""
    try:
        said = expression_of(validation.message_expression, known).value(values)
    except BadRule:
        return ""
    return said.strip() if isinstance(said, str) and "\n" not in said else ""


def _params(
    store: Objects, policy: PolicySpec, binding: BindingSpec, write: Judging
) -> Sequence[Tree | None]:
    """The params to judge with, one after the other; raises BadRule when there should be some."""
    if policy.param_kind is None or binding.param_ref is None:
        return (None,)
    group, ref = group_of(policy.param_kind.api_version), binding.param_ref
    kind = kind_of(group, policy.param_kind.kind)
    if kind is None:
        words = f"{policy.param_kind.api_version}, Kind={policy.param_kind.kind}"
        raise BadRule(f"failed to find resource referenced by paramKind: '{words}'")
    if not kind.namespaced and ref.namespace:
        raise BadRule("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    inside = (ref.namespace or write.namespace) if kind.namespaced else ""
    if kind.namespaced and not inside:
        raise BadRule(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    found = store.list(group=group, kind=kind.kind, namespace=inside or None)
    chosen = [
        obj.raw
        for obj in found
        if (ref.selector.matches(obj.meta.labels) if ref.selector else obj.key.name == ref.name)
    ]
    if not chosen and ref.parameter_not_found_action == "Deny":
        raise BadRule("no params found for policy binding with `Deny` parameterNotFoundAction")
    return chosen
