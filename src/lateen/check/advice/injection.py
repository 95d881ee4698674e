"""Advise on which pods get a proxy: what namespaces say, injection's own webhooks, its user and its image.

In: Survey.                       Out: problems IST0102, IST0123, IST0139, IST0144, IST0146, IST0147, IST0148.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product

from lateen.api.codes import (
    AUTO_POD_NOT_INJECTED,
    AUTO_WORKLOAD_NOT_INJECTED,
    BAD_WEBHOOK,
    INJECTED_BY_DEFAULT,
    NAMESPACE_NOT_INJECTED,
    PROXYS_USER,
    SEVERAL_INJECTION_LABELS,
)
from lateen.api.config import ConfigMap
from lateen.api.service import Service
from lateen.api.webhooks import MutatingWebhookConfiguration, Webhook
from lateen.base.problem import Problem
from lateen.check.advice.survey import INJECT, Survey
from lateen.check.advice.workloads import AUTO, PROXY
from lateen.check.at import At
from lateen.check.inventory import ROOT_NAMESPACE

_LABEL, _REVISION, _MODE = "istio-injection", "istio.io/rev", "istio.io/dataplane-mode"
_INJECTOR, _VALUES = "istio-sidecar-injector", "values"
_PROXY_USER = 1337
_OWN = frozenset({ROOT_NAMESPACE, "kube-system", "kube-public", "kube-node-lease"})


def advise_on_namespaces(survey: Survey) -> Iterator[Problem]:
    """Declared namespaces with pods: one label should say whether these get proxies."""
    by_default = _injects_by_default(survey)
    for name, obj in survey.namespaces.items():
        labels, at = obj.meta.labels, At(obj).key("metadata", "labels")
        given = [key for key in (_LABEL, _REVISION, _MODE) if key in labels]
        if len(given) > 1 and labels.get(_LABEL, "enabled") == "enabled":
            shown = " ".join(f"{key}={labels[key]}" for key in given)
            words = f"the namespace has several labels about injection [{shown}]: which one counts is not defined"
            yield at.warning(words, "keep one of them", SEVERAL_INJECTION_LABELS)
        if given or name in _OWN or not any(p.injected for p in survey.pods_in(name)):
            continue
        fix = f"the label {_LABEL}: enabled, or disabled to say so"
        if by_default:
            words = "its pods get proxies, as Istio is installed with enableNamespacesByDefault"
            yield at.info(words, fix, code=INJECTED_BY_DEFAULT)
        else:
            words = (
                "the namespace does not ask for proxies: lateen gives them all the same, Istio does"
                " not, and its policies do not hold there"
            )
            yield at.info(words, fix, code=NAMESPACE_NOT_INJECTED)


def _injects_by_default(survey: Survey) -> bool:
    """Whether the values that Istio was installed with say so."""
    for obj, config in survey.of(ConfigMap):
        if (obj.key.namespace, obj.key.name) == (ROOT_NAMESPACE, _INJECTOR):
            try:
                values = json.loads(config.data.get(_VALUES, ""))
            except ValueError:
                return False
            hook = values.get("sidecarInjectorWebhook") if isinstance(values, dict) else None
            return isinstance(hook, dict) and hook.get("enableNamespacesByDefault") is True
    return False


def advise_on_users(survey: Survey) -> Iterator[Problem]:
    """Apps must not run as the proxy does: what it sends is not redirected."""
    for pods in survey.pods:
        of_pod = pods.spec.security_context
        if of_pod and of_pod.run_as_user == _PROXY_USER:
            yield _user(pods.at.key("securityContext", "runAsUser"))
        for index, container in enumerate(pods.spec.containers):
            own = container.security_context
            if own and own.run_as_user == _PROXY_USER and container.name != PROXY:
                here = pods.at.key("containers").item(index)
                yield _user(here.key("securityContext", "runAsUser"))


def _user(at: At) -> Problem:
    words = f"User ID (UID) {_PROXY_USER} is the proxy's own: what the app sends goes past it"
    return at.warning(words, "runAsUser: 1000", PROXYS_USER)


def advise_on_auto_images(survey: Survey) -> Iterator[Problem]:
    """`image: auto` is filled in by injection alone."""
    for pods in survey.pods:
        for index, container in enumerate(pods.spec.containers):
            if (container.name, container.image) != (PROXY, AUTO) or pods.injected:
                continue
            here = pods.at.key("containers").item(index).key("image")
            kind = pods.obj.key.kind
            words = (
                f"{kind} {pods.obj.key.name} has `image: auto`, but no proxy is injected into it"
            )
            fix = f'the label {INJECT}: "true"'
            if kind == "Pod":
                yield here.error(words, fix, AUTO_POD_NOT_INJECTED)
            else:
                yield here.warning(words, fix, AUTO_WORKLOAD_NOT_INJECTED)


def advise_on_injectors(survey: Survey) -> Iterator[Problem]:
    """Injection webhooks: each pod meets one at most, and each calls a Service that is there."""
    services = {(obj.key.namespace, obj.key.name) for obj, _ in survey.of(Service)}
    hooks: list[tuple[At, Webhook, str]] = []
    for obj, config in survey.of(MutatingWebhookConfiguration):
        for index, hook in enumerate(config.webhooks):
            if hook.name.endswith("istio.io"):
                here = At(obj).key("webhooks").item(index)
                hooks.append((here, hook, f"{obj.key.name}/{hook.name}"))
    for here, hook, _ in hooks:
        called = hook.client_config.service
        if called and (called.namespace, called.name) not in services:
            words = (
                f"the injector calls Service {called.namespace}/{called.name}, which is not there"
            )
            yield here.key("clientConfig", "service").error(words, code=BAD_WEBHOOK)
    for here, hook, name in hooks:
        others = [other for _, each, other in hooks if other != name and _overlap(hook, each)]
        if others:
            words = f"it takes in the same pods as {', '.join(others)}: they would get two proxies"
            yield here.error(words, code=BAD_WEBHOOK)


def _overlap(one: Webhook, other: Webhook) -> bool:
    return any(
        _takes(one, *labels) and _takes(other, *labels) for labels in _situations(one, other)
    )


def _situations(
    one: Webhook, other: Webhook
) -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    """Labels of namespaces and pods that the two may tell apart."""
    revisions = {""}
    for hook in (one, other):
        for selector in (hook.namespace_selector, hook.object_selector):
            revisions |= {selector.match_labels.get(_REVISION, "")}
            for need in selector.match_expressions:
                revisions |= set(need.values) if need.key == _REVISION else set()
    inject: tuple[str, ...] = ("", "true", "false")
    for space, revision, said, own in product(
        ("", "enabled", "disabled"), sorted(revisions), inject, sorted(revisions)
    ):
        yield _given({_LABEL: space, _REVISION: revision}), _given({INJECT: said, _REVISION: own})


def _given(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in labels.items() if value}


def _takes(hook: Webhook, namespace: Mapping[str, str], pod: Mapping[str, str]) -> bool:
    return hook.namespace_selector.matches(namespace) and hook.object_selector.matches(pod)
