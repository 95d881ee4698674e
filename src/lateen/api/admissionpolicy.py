"""Policies in CEL that judge writes to the API, and the bindings that put them into force.

In: -    Out: the structs.    Source: admissionregistration.k8s.io/v1.
Before: api/webhooks.py        After: check/admissionpolicy.py, check/policies.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative
from lateen.api.meta import LabelSelector, ObjectMeta
from lateen.api.webhooks import ADMISSION, Named, OperationRule

_VERSION = f"{ADMISSION}/v1"


class ParamKind(Api, frozen=True, kw_only=True):
    """Of which kind the objects are that bindings hand in as `params`."""

    api_version: str
    kind: str


class NamedRule(OperationRule, frozen=True, kw_only=True):
    """An operation rule, for the objects of these names alone if there are any."""

    resource_names: tuple[str, ...] = ()


class MatchResources(Api, frozen=True, kw_only=True):
    """Which writes are meant; with `match_policy` Equivalent a rule holds in every version of a kind."""

    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    resource_rules: tuple[NamedRule, ...] = ()
    exclude_resource_rules: tuple[NamedRule, ...] = ()
    match_policy: str = "Equivalent"


class Validation(Api, frozen=True, kw_only=True):
    """What has to be true, and what is said when it is not."""

    expression: str
    message: str = ""
    message_expression: str = ""
    reason: str = "Invalid"


class AuditAnnotation(Api, frozen=True, kw_only=True):
    """What is noted of every write that the policy sees."""

    key: str
    value_expression: str


class PolicySpec(Api, frozen=True, kw_only=True):
    """What is asked of which writes; `failure_policy` Fail or Ignore is for expressions that fail."""

    param_kind: ParamKind | None = None
    match_constraints: MatchResources | None = None
    validations: tuple[Validation, ...] = ()
    audit_annotations: tuple[AuditAnnotation, ...] = ()
    failure_policy: str = "Fail"
    match_conditions: tuple[Named, ...] = ()
    variables: tuple[Named, ...] = ()


class ValidatingAdmissionPolicy(Api, frozen=True, kw_only=True):
    """Rules for writes; in force where a binding names it."""

    api_version: str = _VERSION
    kind: str = "ValidatingAdmissionPolicy"
    metadata: ObjectMeta
    spec: PolicySpec = PolicySpec()
    status: Informative = None


class ParamRef(Api, frozen=True, kw_only=True):
    """Which objects are the `params`: by name, or all that a selector selects."""

    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None
    parameter_not_found_action: str = ""


class BindingSpec(Api, frozen=True, kw_only=True):
    """`validation_actions` are of Deny, Warn and Audit; the match resources narrow the policy's."""

    policy_name: str = ""
    param_ref: ParamRef | None = None
    match_resources: MatchResources | None = None
    validation_actions: tuple[str, ...] = ()


class ValidatingAdmissionPolicyBinding(Api, frozen=True, kw_only=True):
    """Puts a policy into force."""

    api_version: str = _VERSION
    kind: str = "ValidatingAdmissionPolicyBinding"
    metadata: ObjectMeta
    spec: BindingSpec = BindingSpec()
