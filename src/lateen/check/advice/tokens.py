"""Advise on tokens: read but not asked for, or asked for and read nowhere.

In: Survey.                       Out: problems LAT0109, LAT0305.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lateen.api.codes import JWT_NEVER_READ, JWT_NOT_REQUIRED
from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.security import AuthorizationPolicy, Rule, WorkloadSelector
from lateen.base.problem import Problem
from lateen.check.advice.survey import Survey
from lateen.check.at import At
from lateen.check.inventory import ROOT_NAMESPACE, Workload

Scope = tuple[str, Mapping[str, str]]


def advise_on_tokens(survey: Survey) -> Iterator[Problem]:
    """Each RequestAuthentication and each policy on tokens, at the pods they are for."""
    reading = [
        _scope(obj.key.namespace, r.spec.selector) for obj, r in survey.of(RequestAuthentication)
    ]
    asking = [
        _scope(obj.key.namespace, p.spec.selector)
        for obj, p in survey.of(AuthorizationPolicy)
        if p.spec.action == "CUSTOM" or any(_asks(rule) for rule in p.spec.rules)
    ]
    workloads = survey.inventory.workloads
    for obj, tokens in survey.of(RequestAuthentication):
        spec = tokens.spec
        if not spec.jwt_rules or spec.target_ref or spec.target_refs:
            continue
        scope = _scope(obj.key.namespace, spec.selector)
        pods = [w for w in workloads if _holds(scope, w)]
        if pods and not any(_holds(other, w) for w in pods for other in asking):
            words = "a request without a token passes: a RequestAuthentication refuses wrong tokens, it asks for none"
            fix = 'an AuthorizationPolicy that allows only from: [{source: {requestPrincipals: ["*"]}}]'
            yield At(obj).key("spec", "jwtRules").warning(words, fix, JWT_NOT_REQUIRED)
    for obj, policy in survey.of(AuthorizationPolicy):
        if policy.spec.action == "CUSTOM" or policy.spec.target_ref or policy.spec.target_refs:
            continue
        asks = [index for index, rule in enumerate(policy.spec.rules) if _asks(rule)]
        scope = _scope(obj.key.namespace, policy.spec.selector)
        pods = [w for w in workloads if _holds(scope, w)] if asks else []
        if pods and not any(_holds(other, w) for w in pods for other in reading):
            words = "it asks for a token, but no RequestAuthentication holds for these pods: no request has one"
            fix = "a RequestAuthentication with the issuer's jwtRules"
            here = At(obj).key("spec", "rules").item(asks[0])
            yield here.warning(words, fix, JWT_NEVER_READ)


def _scope(namespace: str, selector: WorkloadSelector | None) -> Scope:
    return namespace, selector.match_labels if selector else {}


def _holds(scope: Scope, workload: Workload) -> bool:
    namespace, labels = scope
    inside = namespace in (ROOT_NAMESPACE, workload.namespace)
    return inside and labels.items() <= workload.labels.items()


def _asks(rule: Rule) -> bool:
    return any(
        origin.source.request_principals or origin.source.not_request_principals
        for origin in rule.from_
    ) or any(condition.key.startswith("request.auth.") for condition in rule.when)
