"""Check one PeerAuthentication or AuthorizationPolicy as Istio does before it takes one.

In: the object.        Out: problems.
Source: Istio ValidatePeerAuthentication, ValidateAuthorizationPolicy.
Before: check/at.py    After: check/objects.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_network

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.security import (
    GATEWAY_TARGET,
    TARGETS,
    AuthorizationPolicy,
    Condition,
    Operation,
    PeerAuthentication,
    PolicyTargetReference,
    Rule,
    Source,
    WorkloadSelector,
)
from lateen.base.problem import Problem
from lateen.check.at import At, one_of

MTLS_MODES = ("UNSET", "DISABLE", "PERMISSIVE", "STRICT")
ACTIONS = ("ALLOW", "DENY", "AUDIT", "CUSTOM")
_ADDRESS_LISTS = ("ip_blocks", "not_ip_blocks", "remote_ip_blocks", "not_remote_ip_blocks")
_SOURCE_LISTS = (
    *("principals", "not_principals", "namespaces", "not_namespaces"),
    *("service_accounts", "not_service_accounts", "trust_domains", "not_trust_domains"),
    *_ADDRESS_LISTS,
    *("request_principals", "not_request_principals"),
)
_OPERATION_LISTS = (
    *("hosts", "not_hosts", "ports", "not_ports"),
    *("methods", "not_methods", "paths", "not_paths"),
)
KEYS = frozenset(
    {
        "source.ip",
        "remote.ip",
        "source.namespace",
        "source.principal",
        "source.serviceAccount",
        "source.trustDomain",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "destination.ip",
        "destination.port",
        "connection.sni",
    }
)
_KEY_FORMS = (
    re.compile(r"request\.headers\[[^\[\]]+\]"),
    re.compile(r"request\.auth\.claims(?:\[[^\[\]]+\])+"),
    re.compile(r"experimental\.envoy\.filters\.[^\[\]]+(?:\[[^\[\]]+\])?"),
)


def check_peer_authentication(policy: PeerAuthentication, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = policy.spec, at.key("spec")
    if spec.mtls:
        yield from one_of(at.key("mtls", "mode"), spec.mtls.mode, MTLS_MODES)
    by_port = at.key("portLevelMtls")
    if spec.port_level_mtls and not (spec.selector and spec.selector.match_labels):
        words = "mesh/namespace peer authentication cannot have port level mTLS"
        yield by_port.error(words, "add a selector with matchLabels")
    for port, mtls in spec.port_level_mtls.items():
        here = by_port.key(port)
        if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
            yield here.error(f'port must be in range 1..65535, got "{port}"')
        yield from one_of(here.key("mode"), mtls.mode, MTLS_MODES)
    yield from _selector(spec.selector, at.key("selector"))


def check_authorization_policy(policy: AuthorizationPolicy, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = policy.spec, at.key("spec")
    yield from one_of(at.key("action"), spec.action, ACTIONS)
    if spec.action == "CUSTOM":
        if not spec.rules:
            words = "CUSTOM action without `rules` is meaningless as it will never be triggered"
            yield at.key("rules").error(words, "rules: [{}]")
        if not (spec.provider and spec.provider.name):
            yield at.key("provider", "name").error("`provider.name` must not be empty")
    if spec.provider is not None and spec.action != "CUSTOM":
        words = f"`provider` must not be with non CUSTOM action, found {spec.action}"
        yield at.key("provider").error(words)
    if spec.action == "DENY" and not spec.rules:
        yield at.key("rules").error(
            "DENY action without `rules` is meaningless as it will never be triggered, add an empty"
            " rule `{}` if you want it be triggered for every request",
            "rules: [{}]",
        )
    yield from check_policy_target(spec.selector, spec.target_ref, spec.target_refs, at)
    for index, rule in enumerate(spec.rules):
        yield from _rule(rule, index, spec.action, at.key("rules").item(index))


def check_policy_target(
    selector: WorkloadSelector | None,
    one: PolicyTargetReference | None,
    several: tuple[PolicyTargetReference, ...],
    at: At,
) -> Iterator[Problem]:
    """Whom a policy is for: pods by label, or by reference, but not both."""
    if sum((selector is not None, one is not None, bool(several))) > 1:
        yield at.key("selector").error("only one of targetRefs or workloadSelector can be set")
    yield from _selector(selector, at.key("selector"))
    if one:
        yield from _target(one, at.key("targetRef"))
    yield from check_targets(several, at)


def check_targets(targets: tuple[PolicyTargetReference, ...], at: At) -> Iterator[Problem]:
    """Each of `targetRefs`."""
    for index, target in enumerate(targets):
        yield from _target(target, at.key("targetRefs").item(index))


def _target(target: PolicyTargetReference, at: At) -> Iterator[Problem]:
    """One of Istio's kinds, in the policy's own namespace; and whether any proxy here goes by it."""
    if not target.name:
        yield at.key("name").error("targetRef name must be set")
    if target.namespace:
        words = "targetRef namespace must not be set; cross namespace referencing is not supported"
        yield at.key("namespace").error(words)
    kind = (target.group.removeprefix("core"), target.kind)
    if kind not in TARGETS:
        known = ", ".join(f"{group or 'core'}/{name}" for group, name in TARGETS)
        words = f"targetRef must be to one of {known} but was {target.group}/{target.kind}"
        yield at.key("kind").error(words, "a selector with matchLabels")
    elif kind != GATEWAY_TARGET:
        words = (
            f"a {target.kind} is for waypoints, and here are none: as in Istio, no sidecar and no"
            " gateway goes by it"
        )
        yield at.warning(words, "a selector with matchLabels", NOT_YET_HONOURED)


def _selector(selector: WorkloadSelector | None, at: At) -> Iterator[Problem]:
    if selector is None:
        return
    if not selector.match_labels:
        yield at.warning("workload selector specified without labels")
    for key, value in selector.match_labels.items():
        if not key:
            yield at.key("matchLabels").error(f'empty key is not supported in selector: "={value}"')
        if "*" in key + value:
            words = f'wildcard is not supported in selector: "{key}={value}"'
            yield at.key("matchLabels", key).error(words)


def _rule(rule: Rule, index: int, action: str, at: At) -> Iterator[Problem]:
    raw = _raw_at(at)
    for name in ("from", "to", "when"):
        if raw.get(name) == []:
            yield at.key(name).error(f"`{name}` must not be empty, found at rule {index}")
    for number, origin in enumerate(rule.from_):
        yield from _source(origin.source, at.key("from").item(number).key("source"))
    for number, target in enumerate(rule.to):
        yield from _operation(target.operation, at.key("to").item(number).key("operation"))
    for number, condition in enumerate(rule.when):
        yield from _condition(condition, at.key("when").item(number))
    only_http = any(not (to.operation.ports or to.operation.not_ports) for to in rule.to)
    if action == "DENY" and only_http:
        yield at.key("to").warning(
            "configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due"
            " to the use of only HTTP attributes in a DENY rule; it is recommended to explicitly"
            " specify the port"
        )


def _raw_at(at: At) -> dict[str, object]:
    """The rule as it was written, which tells an empty list from an absent one."""
    rules = at.obj.raw.get("spec", {}).get("rules", [])
    number = int(at.path.rpartition("[")[2].rstrip("]"))
    found = rules[number] if number < len(rules) else None
    return found if isinstance(found, dict) else {}


def _source(source: Source, at: At) -> Iterator[Problem]:
    if source == Source():
        yield at.error("`from.source` must not be empty", "leave `from` out for any source")
    for name in _SOURCE_LISTS:
        yield from _no_empty_values(_camel(name), getattr(source, name), at.key(_camel(name)))
    names = (source.principals, source.not_principals, source.namespaces, source.not_namespaces)
    if any(names) and (source.service_accounts or source.not_service_accounts):
        words = "cannot set serviceAccounts with namespaces or principals"
        yield at.key("serviceAccounts").error(words)
    for name in ("principals", "not_principals"):
        yield from _principals(getattr(source, name), at.key(_camel(name)))
    for name in ("service_accounts", "not_service_accounts"):
        yield from _accounts(getattr(source, name), at.key(_camel(name)))
    for name in _ADDRESS_LISTS:
        yield from _addresses(getattr(source, name), at.key(_camel(name)))


def _principals(values: tuple[str, ...], at: At) -> Iterator[Problem]:
    for index, value in enumerate(values):
        if value.startswith("spiffe://"):
            fix = f'"{value.removeprefix("spiffe://")}"'
            yield at.item(index).warning("a principal is written without spiffe://", fix)


def _accounts(values: tuple[str, ...], at: At) -> Iterator[Problem]:
    for index, value in enumerate(values):
        if "*" in value:
            words = f'wildcard is not supported in a service account: "{value}"'
            yield at.item(index).error(words, "NAMESPACE/NAME, or NAME in the policy's namespace")
        elif value and (value.count("/") > 1 or not all(value.split("/"))):
            words = f'invalid service account "{value}"'
            yield at.item(index).error(words, "NAMESPACE/NAME, or NAME in the policy's namespace")


def _addresses(values: tuple[str, ...], at: At) -> Iterator[Problem]:
    for index, value in enumerate(values):
        try:
            if value:
                ip_network(value, strict=False)
        except ValueError:
            form = "an address or a block, such as 10.0.0.1 or 10.0.0.0/8"
            yield at.item(index).error(f'invalid address "{value}"', form)


def _ports(values: tuple[str, ...], at: At) -> Iterator[Problem]:
    for index, value in enumerate(values):
        if value and not (value.isascii() and value.isdigit() and 1 <= int(value[:6]) <= 65535):
            yield at.item(index).error(f'port must be in range 1..65535, got "{value}"')


def _operation(operation: Operation, at: At) -> Iterator[Problem]:
    if operation == Operation():
        yield at.error("`to.operation` must not be empty", "leave `to` out for any operation")
    for name in _OPERATION_LISTS:
        yield from _no_empty_values(_camel(name), getattr(operation, name), at.key(_camel(name)))
    for name in ("ports", "not_ports"):
        yield from _ports(getattr(operation, name), at.key(_camel(name)))
    for name, paths in (("paths", operation.paths), ("notPaths", operation.not_paths)):
        for index, path in enumerate(paths):
            if fault := _path_fault(path):
                yield at.key(name).item(index).error(fault)
    for name, methods in (("methods", operation.methods), ("notMethods", operation.not_methods)):
        for index, method in enumerate(methods):
            if method != method.upper():
                words = f'"{method}" matches no request: methods are in capitals'
                yield at.key(name).item(index).warning(words, f'"{method.upper()}"')


def _condition(condition: Condition, at: At) -> Iterator[Problem]:
    """One of `when`."""
    key = condition.key
    if not key:
        yield at.key("key").error("`key` must not be empty")
        return
    if not (condition.values or condition.not_values):
        yield at.error(f"at least one of `values` or `notValues` must be set for key {key}")
    if key not in KEYS and not any(form.fullmatch(key) for form in _KEY_FORMS):
        wanted = ", ".join(sorted((*KEYS, "request.headers[NAME]", "request.auth.claims[NAME]")))
        yield at.key("key").error(f"unknown attribute: {key}", wanted)
    for name, values in (("values", condition.values), ("notValues", condition.not_values)):
        here = at.key(name)
        yield from _no_empty_values(name, values, here)
        if key.endswith(".ip"):
            yield from _addresses(values, here)
        elif key == "destination.port":
            yield from _ports(values, here)
        elif key == "source.principal":
            yield from _principals(values, here)
        elif key == "source.serviceAccount":
            yield from _accounts(values, here)


@cache
def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _no_empty_values(name: str, values: tuple[str, ...], at: At) -> Iterator[Problem]:
    for index, value in enumerate(values):
        if not value:
            yield at.item(index).error(f"empty value not allowed, found in {name}")


def _path_fault(path: str) -> str | None:
    """Path templates: `{*}` stands for one segment, `{**}` for the rest and must come last."""
    segments = path.strip("/").split("/")
    for index, segment in enumerate(segments):
        if segment == "{**}" and index < len(segments) - 1:
            return f"invalid or unsupported path {path}: {{**}} is not the last operator"
        if segment not in ("{*}", "{**}") and ("{" in segment or "}" in segment):
            return (
                f"invalid or unsupported path {path}: contains '{{' or '}}' beyond a supported"
                " path template"
            )
    return None
