"""Advise on AuthorizationPolicies: what matches nothing, what lets all in, what a variant of a path slips past.

In: Survey.                                                 Out: problems LAT0301 to LAT0304, LAT0309, LAT0312, LAT0313.
Before: check/advice/survey.py, check/advice/mtls.py        After: check/advice/__init__.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lateen.api.codes import (
    ALLOWS_ALL,
    HOST_VARIANT,
    HTTP_POLICY_OF_TCP,
    IDENTITY_WITHOUT_MTLS,
    MATCHES_NOTHING,
    METHOD_VARIANT,
    PATH_VARIANT,
)
from lateen.api.objects import Obj
from lateen.api.security import AuthorizationPolicy, Operation, Rule, Source
from lateen.base.problem import Problem
from lateen.check.advice.mtls import mode_of
from lateen.check.advice.survey import Pods, Survey
from lateen.check.at import At
from lateen.check.inventory import ROOT_NAMESPACE
from lateen.world.model import Protocol
from lateen.world.protocols import protocol_of

_EVERY_BLOCK = frozenset({"0.0.0.0/0", "::/0"})
_RAW = frozenset({Protocol.TCP, Protocol.MONGO, Protocol.MYSQL, Protocol.REDIS})
_OPEN = ("PERMISSIVE", "DISABLE")
_HTTP_FIELDS = ("methods", "not_methods", "paths", "not_paths", "hosts", "not_hosts")


def advise_on_policies(survey: Survey) -> Iterator[Problem]:
    """Every rule of every policy."""
    for obj, policy in survey.of(AuthorizationPolicy):
        spec, at = policy.spec, At(obj).key("spec")
        pods = _pods(obj, policy, survey)
        for index, rule in enumerate(spec.rules):
            here = at.key("rules").item(index)
            yield from _impossible(rule, pods, here)
            if spec.action == "ALLOW":
                yield from _all(rule, len(spec.rules), here)
                yield from _slips(rule, here, denies=False)
            elif spec.action == "DENY":
                yield from _slips(rule, here, denies=True)
        yield from _unread(obj, policy, pods, survey)
        yield from _unknown_callers(policy, pods, survey, at)


def _pods(obj: Obj, policy: AuthorizationPolicy, survey: Survey) -> Sequence[Pods]:
    if policy.spec.target_ref or policy.spec.target_refs:
        return ()
    labels = policy.spec.selector.match_labels if policy.spec.selector else {}
    where = None if obj.key.namespace == ROOT_NAMESPACE else obj.key.namespace
    return survey.selected(labels, where)


def _impossible(rule: Rule, pods: Sequence[Pods], at: At) -> Iterator[Problem]:
    """Conditions that exclude each other, or a port that no pod has."""
    for index, origin in enumerate(rule.from_):
        here = at.key("from").item(index).key("source")
        yield from _excluded(origin.source, _SOURCE, here)
    for index, to in enumerate(rule.to):
        here = at.key("to").item(index).key("operation")
        yield from _excluded(to.operation, _OPERATION, here)
        yield from _ports(to.operation, pods, here)
    for index, condition in enumerate(rule.when):
        if condition.values and set(condition.values) <= set(condition.not_values):
            here = at.key("when").item(index).key("values")
            yield here.warning(_NOTHING, code=MATCHES_NOTHING)


_NOTHING = "each of these is excluded beside it: nothing matches"
_SOURCE = (
    ("principals", "not_principals"),
    ("namespaces", "not_namespaces"),
    ("ip_blocks", "not_ip_blocks"),
    ("remote_ip_blocks", "not_remote_ip_blocks"),
    ("request_principals", "not_request_principals"),
    ("service_accounts", "not_service_accounts"),
)
_OPERATION = (
    ("methods", "not_methods"),
    ("paths", "not_paths"),
    ("hosts", "not_hosts"),
    ("ports", "not_ports"),
)


def _excluded(
    part: Source | Operation, pairs: Sequence[tuple[str, str]], at: At
) -> Iterator[Problem]:
    for name, opposite in pairs:
        wanted, excluded = getattr(part, name), getattr(part, opposite)
        if wanted and ("*" in excluded or set(wanted) <= set(excluded)):
            words, *rest = name.split("_")
            field = words + "".join(word.capitalize() for word in rest)
            yield at.key(field).warning(_NOTHING, code=MATCHES_NOTHING)


def _ports(operation: Operation, pods: Sequence[Pods], at: At) -> Iterator[Problem]:
    if not operation.ports or not pods:
        return
    if any(not c.ports for each in pods for c in each.spec.containers):
        return
    known = {str(p.container_port) for each in pods for c in each.spec.containers for p in c.ports}
    if known and not known & set(operation.ports):
        words = f"its pods listen on {', '.join(sorted(known))}, not on {', '.join(operation.ports)}: nothing matches (the pod's port is meant, not the Service's)"
        yield at.key("ports").warning(words, f'ports: ["{min(known)}"]', MATCHES_NOTHING)


def _all(rule: Rule, count: int, at: At) -> Iterator[Problem]:
    """A rule without a condition lets everybody do everything."""
    everybody = not rule.from_ or any(_any_source(origin.source) for origin in rule.from_)
    everything = not rule.to or any(_any_operation(to.operation) for to in rule.to)
    if rule.when or not everybody or not everything:
        return
    more = "; the other rules add nothing" if count > 1 else ""
    words = f"allows every request, by anybody{more}"
    yield at.warning(words, "name a source: from, or what may be done: to", ALLOWS_ALL)


def _any_source(source: Source) -> bool:
    """Whether everybody is such a source."""
    given = [name for name in source.__struct_fields__ if getattr(source, name)]
    return all(
        name in ("ip_blocks", "remote_ip_blocks") and _EVERY_BLOCK & set(getattr(source, name))
        for name in given
    )


def _any_operation(operation: Operation) -> bool:
    """Whether everything is such an operation."""
    given = [name for name in operation.__struct_fields__ if getattr(operation, name)]
    return all(not name.startswith("not_") and "*" in getattr(operation, name) for name in given)


def _slips(rule: Rule, at: At, *, denies: bool) -> Iterator[Problem]:
    """What is held back by an exact text, and let through when it is written a little otherwise."""
    for index, to in enumerate(rule.to):
        here = at.key("to").item(index).key("operation")
        operation = to.operation
        field, paths = ("paths", operation.paths) if denies else ("notPaths", operation.not_paths)
        for place, path in enumerate(paths):
            variant = _variant(path)
            if variant and not any(_path_covers(other, variant) for other in paths):
                words = f'"{variant}" is not held back by "{path}", and most programs take the two for the same'
                fix = (
                    f"{path} and {variant}"
                    if path.endswith("*")
                    else f"{path} and {path.rstrip('/')}/*"
                )
                yield here.key(field).item(place).warning(words, fix, PATH_VARIANT)
        hosts, field = (operation.hosts, "hosts") if denies else (operation.not_hosts, "notHosts")
        for place, host in enumerate(hosts):
            if "*" not in host and ":" not in host and f"{host}:*" not in hosts:
                words = (
                    f'a client may write the port, too: "{host}:80" is not held back by "{host}"'
                )
                yield (
                    here.key(field).item(place).warning(words, f"{host} and {host}:*", HOST_VARIANT)
                )
        if denies and "GET" in operation.methods and not {"HEAD", "*"} & set(operation.methods):
            words = "HEAD is not held back, and answers with the headers of GET"
            yield here.key("methods").info(words, "GET and HEAD", code=METHOD_VARIANT)


def _variant(path: str) -> str:
    """The same resource, written otherwise; "" where nothing is known."""
    if "{" in path or path.startswith("*") or path in ("", "/", "/*"):
        return ""
    if path.endswith("/*"):
        return path.removesuffix("/*")
    if path.endswith("*"):
        return ""
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"


def _path_covers(pattern: str, path: str) -> bool:
    if pattern.endswith("*"):
        return path.startswith(pattern.removesuffix("*"))
    if pattern.startswith("*"):
        return path.endswith(pattern.removeprefix("*"))
    return "{" in pattern or pattern == path


def _unread(
    obj: Obj, policy: AuthorizationPolicy, pods: Sequence[Pods], survey: Survey
) -> Iterator[Problem]:
    """Conditions on requests at pods whose Services all say that they speak no HTTP."""
    protocols = {
        protocol_of(port.app_protocol, port.name, port.port)
        for each in pods
        for _, service in survey.in_front_of(each)
        for port in service.spec.ports
    }
    if not protocols or not protocols <= _RAW:
        return
    for index, rule in enumerate(policy.spec.rules):
        if _of_http(rule):
            comes = (
                "never matches" if policy.spec.action == "ALLOW" else "holds for every connection"
            )
            words = f"it has conditions on requests, but these pods speak no HTTP ({', '.join(sorted(protocols))}): it {comes}"
            here = At(obj).key("spec", "rules").item(index)
            yield here.warning(
                words, "ports and sources are all that can be told", HTTP_POLICY_OF_TCP
            )


def _of_http(rule: Rule) -> bool:
    return (
        any(getattr(to.operation, name) for to in rule.to for name in _HTTP_FIELDS)
        or any(o.source.request_principals or o.source.not_request_principals for o in rule.from_)
        or any(condition.key.startswith("request.") for condition in rule.when)
    )


def _unknown_callers(
    policy: AuthorizationPolicy, pods: Sequence[Pods], survey: Survey, at: At
) -> Iterator[Problem]:
    """Identities that a caller in plaintext has not, where plaintext is taken."""
    said = next((s for p in pods if (s := mode_of(p, survey)) and s.mode in _OPEN), None)
    if said is None:
        return
    denies = policy.spec.action == "DENY"
    names = ("principals", "namespaces", "service_accounts")
    fields = names if denies else tuple(f"not_{name}" for name in names)
    for index, rule in enumerate(policy.spec.rules):
        for number, origin in enumerate(rule.from_):
            if any(getattr(origin.source, field) for field in fields):
                words = (
                    f"{said.policy.key} lets callers in without mTLS ({said.mode}), who have no identity:"
                    f" they are not {'denied' if denies else 'kept out'} here"
                )
                here = at.key("rules").item(index).key("from").item(number).key("source")
                yield here.warning(words, "mtls: {mode: STRICT}", IDENTITY_WITHOUT_MTLS)
