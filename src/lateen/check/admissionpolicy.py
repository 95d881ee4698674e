"""Check a ValidatingAdmissionPolicy and its binding: what must be there, and that expressions compile.

In: the structs.    Out: problems in Kubernetes' words.
Before: check/at.py, api/cel.py, api/admissionpolicy.py        After: check/objects.py

Source: k8s.io/kubernetes pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lateen.api.admissionpolicy import (
    BindingSpec,
    MatchResources,
    ParamRef,
    PolicySpec,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)
from lateen.api.cel import BadRule, Rule, rule_of
from lateen.api.names import qualified_fault
from lateen.api.webhooks import Named
from lateen.base.problem import Problem
from lateen.check.at import At, one_of
from lateen.check.rules import unescaped

REASONS = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
ACTIONS = ("Audit", "Deny", "Warn")
OPERATIONS = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


def condition_variables(spec: PolicySpec) -> tuple[str, ...]:
    """What match conditions may speak of."""
    names = ("object", "oldObject", "request", "authorizer", "namespaceObject")
    return (*names, "params") if spec.param_kind else names


def expression_variables(spec: PolicySpec) -> tuple[str, ...]:
    """What every other expression may speak of."""
    return (*condition_variables(spec), "variables")


def expression_of(text: str, variables: tuple[str, ...]) -> Rule:
    """The compiled expression, in which names may be escaped as Kubernetes demands; raises BadRule."""
    return rule_of(unescaped(text), variables)


def check_policy(typed: ValidatingAdmissionPolicy, at: At) -> Iterator[Problem]:
    """Every fault of a policy."""
    spec, here = typed.spec, at.key("spec")
    yield from one_of(here.key("failurePolicy"), spec.failure_policy, ("Fail", "Ignore"))
    if spec.match_constraints is None:
        yield here.key("matchConstraints").required()
    else:
        yield from _matching(spec.match_constraints, here.key("matchConstraints"))
        if not spec.match_constraints.resource_rules:
            yield here.key("matchConstraints", "resourceRules").required()
    if not spec.validations and not spec.audit_annotations:
        words = "validations or auditAnnotations must be set"
        yield here.key("validations").required(words)
    before, after = condition_variables(spec), expression_variables(spec)
    yield from check_named(spec.match_conditions, here.key("matchConditions"), before, "BOOL")
    yield from check_named(spec.variables, here.key("variables"), after, "")
    for index, variable in enumerate(spec.variables):
        if not _IDENTIFIER.fullmatch(variable.name):
            words = "name is not a valid CEL identifier"
            yield here.key("variables").item(index).key("name").invalid(variable.name, words)
    yield from _validations(spec, here.key("validations"), after)
    for index, note in enumerate(spec.audit_annotations):
        there = here.key("auditAnnotations").item(index)
        if fault := qualified_fault(note.key):
            yield there.key("key").invalid(note.key, fault)
        yield from _compiled(note.value_expression, there.key("valueExpression"), after, "")


def _validations(spec: PolicySpec, at: At, known: tuple[str, ...]) -> Iterator[Problem]:
    for index, each in enumerate(spec.validations):
        here = at.item(index)
        if not each.expression.strip():
            yield here.key("expression").required("expression is not specified")
        else:
            yield from _compiled(each.expression, here.key("expression"), known, "BOOL")
        if each.message_expression:
            where = here.key("messageExpression")
            yield from _compiled(each.message_expression, where, known, "STRING")
        if "\n" in each.message:
            yield here.key("message").invalid(each.message, "message must not contain line breaks")
        yield from one_of(here.key("reason"), each.reason, REASONS)


def check_named(
    items: Sequence[Named], at: At, known: tuple[str, ...], kind: str
) -> Iterator[Problem]:
    """Expressions with names: none twice, and each compiles to the type `kind` ("" for any)."""
    names = [item.name for item in items]
    for index, item in enumerate(items):
        here = at.item(index)
        if not item.name:
            yield here.key("name").required()
        elif names.index(item.name) != index:
            yield here.key("name").error(f'Duplicate value: "{item.name}"')
        yield from _compiled(item.expression, here.key("expression"), known, kind)


def _compiled(text: str, at: At, known: tuple[str, ...], kind: str) -> Iterator[Problem]:
    """`kind` is what it must evaluate to, "" for anything."""
    try:
        found = expression_of(text, known).kind
    except BadRule as fault:
        yield at.invalid(text, f"compilation failed: {fault}")
        return
    if kind and found not in (kind, "DYN"):
        yield at.invalid(text, f"must evaluate to {kind.lower()}")


def _matching(match: MatchResources, at: At) -> Iterator[Problem]:
    yield from one_of(at.key("matchPolicy"), match.match_policy, ("Exact", "Equivalent"))
    for field, rules in (
        ("resourceRules", match.resource_rules),
        ("excludeResourceRules", match.exclude_resource_rules),
    ):
        for index, rule in enumerate(rules):
            here = at.key(field).item(index)
            for name, listed in (
                ("operations", rule.operations),
                ("apiGroups", rule.api_groups),
                ("apiVersions", rule.api_versions),
                ("resources", rule.resources),
            ):
                if not listed:
                    yield here.key(name).required()
            for number, operation in enumerate(rule.operations):
                yield from one_of(here.key("operations").item(number), operation, OPERATIONS)


def check_policy_binding(typed: ValidatingAdmissionPolicyBinding, at: At) -> Iterator[Problem]:
    """Every fault of a binding."""
    spec, here = typed.spec, at.key("spec")
    if not spec.policy_name:
        yield here.key("policyName").required()
    if spec.match_resources is not None:
        yield from _matching(spec.match_resources, here.key("matchResources"))
    if spec.param_ref is not None:
        yield from _param_ref(spec.param_ref, here.key("paramRef"))
    yield from _actions(spec, here.key("validationActions"))


def _param_ref(ref: ParamRef, at: At) -> Iterator[Problem]:
    if bool(ref.name) == (ref.selector is not None):
        yield at.required("one of name or selector must be specified")
    if not ref.parameter_not_found_action:
        yield at.key("parameterNotFoundAction").required()
    else:
        where = at.key("parameterNotFoundAction")
        yield from one_of(where, ref.parameter_not_found_action, ("Allow", "Deny"))


def _actions(spec: BindingSpec, at: At) -> Iterator[Problem]:
    if not spec.validation_actions:
        yield at.required("at least one validation action is required")
    for index, action in enumerate(spec.validation_actions):
        yield from one_of(at.item(index), action, ACTIONS)
        if spec.validation_actions.index(action) != index:
            yield at.item(index).error(f'Duplicate value: "{action}"')
    if {"Deny", "Warn"} <= set(spec.validation_actions):
        yield at.invalid(
            list(spec.validation_actions),
            "must not contain both Deny and Warn (repeating the same validation failure information in "
            "the API response and headers serves no purpose)",
        )
