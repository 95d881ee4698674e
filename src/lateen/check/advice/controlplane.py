"""Advise on how Istio itself is set up: a control plane elsewhere, the networks it knows, what it may fetch.

In: Survey.                       Out: problems IST0126, IST0163, IST0164, IST0175.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from lateen.api.codes import (
    ADDRESS_OF_CONTROL_PLANE,
    BAD_URL_OF_CONTROL_PLANE,
    KEYS_FROM_ANYWHERE,
    UNKNOWN_REGISTRY,
)
from lateen.api.config import ConfigMap, Secret
from lateen.api.meshconfig import NAME, NAMESPACE
from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.tree import read_documents
from lateen.api.webhooks import MutatingWebhookConfiguration, ValidatingWebhookConfiguration
from lateen.api.workload import Deployment
from lateen.base.problem import Problem
from lateen.check.advice.survey import Survey
from lateen.check.at import At

_VALIDATORS = ("istiod-default-validator", "istio-validator")
_INJECTORS = ("istio-sidecar-injector",)
_HOST = re.compile(r"[^\s<>\"{}|\\^`%]*")
_REGISTRIES = frozenset({"Mock", "Kubernetes", "External"})
_OF_CLUSTERS = "istio/multiCluster"  # a Secret's keys are the names of other clusters
_NETWORKS = "meshNetworks"
_BLOCKED = "BLOCKED_CIDRS_IN_JWKS_URIS"
_MANY = 5  # names to list


def advise_on_outer_control_planes(survey: Survey) -> Iterator[Problem]:
    """Istio's own webhooks with a `url`: their control plane runs in another cluster."""
    validating = survey.of(ValidatingWebhookConfiguration)
    mutating = survey.of(MutatingWebhookConfiguration)
    for names, found in ((_VALIDATORS, validating), (_INJECTORS, mutating)):
        for obj, config in found:
            if not obj.key.name.startswith(names):
                continue
            for index, hook in enumerate(config.webhooks):
                here = At(obj).key("webhooks").item(index).key("clientConfig")
                client = hook.client_config
                if client.url or client.service is None:
                    yield from _reached(client.url, hook.name, here)


def _reached(url: str, hook: str, at: At) -> Iterator[Problem]:
    host = _host_of(url) if url else None
    if host is None:
        words = f"the address {url!r} is no URL" if url else "it has neither a url nor a service"
        words = f"{words}: webhook {hook} does not reach the control plane outside"
        fix = "url: https://HOSTNAME:15017/inject"
        yield at.key("url").warning(words, fix, BAD_URL_OF_CONTROL_PLANE)
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    words = f"webhook {hook} calls the control plane outside by the IP address {host}: not for production"
    fix = "a hostname that its certificate is for"
    yield at.key("url").info(words, fix, code=ADDRESS_OF_CONTROL_PLANE)


def _host_of(url: str) -> str | None:
    """Its host, None where the URL cannot be read."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname or "" if _HOST.fullmatch(parts.netloc) else None


def advise_on_networks(survey: Survey) -> Iterator[Problem]:
    """Networks of the mesh take their endpoints from registries that are there."""
    known = set(_REGISTRIES)
    for obj, secret in survey.of(Secret):
        if obj.meta.labels.get(_OF_CLUSTERS) == "true":
            known |= {*secret.data, *secret.string_data}
    for obj, config in survey.of(ConfigMap):
        if (obj.key.namespace, obj.key.name) != (NAMESPACE, NAME):
            continue
        here = At(obj).key("data", _NETWORKS)
        for network, registry in _registries(config.data.get(_NETWORKS, "")):
            if registry not in known:
                words = f"network {network!r} takes endpoints from the registry {registry!r}, which nobody is"
                fix = f"the name of a cluster: a key of a Secret with the label {_OF_CLUSTERS}"
                yield here.warning(words, fix, UNKNOWN_REGISTRY)


def _registries(text: str) -> Iterator[tuple[str, str]]:
    """Which network takes its endpoints from which; what is not of this form is passed over."""
    documents, _ = read_documents(text, _NETWORKS)
    networks = _mapping(_mapping(documents[0].value if documents else None).get("networks"))
    for name, network in networks.items():
        endpoints = _mapping(network).get("endpoints")
        for endpoint in endpoints if isinstance(endpoints, list) else ():
            if registry := _mapping(endpoint).get("fromRegistry"):
                yield str(name), str(registry)


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def advise_on_key_fetches(survey: Survey) -> Iterator[Problem]:
    """What fetches the keys of issuers should not fetch from networks within."""
    asking = [str(obj.key) for obj, _ in survey.of(RequestAuthentication)]
    if not asking:
        return
    more = f", and {len(asking) - _MANY} more" if len(asking) > _MANY else ""
    names = ", ".join(name.partition(" ")[2] for name in asking[:_MANY]) + more
    for obj, deployment in survey.of(Deployment):
        if obj.meta.labels.get("app") != "istiod":
            continue
        containers = deployment.spec.template.spec.containers
        if any(e.name == _BLOCKED and e.value for c in containers for e in c.env):
            continue
        words = f"{_BLOCKED} is not set, and there are policies whose keys are fetched: {names}"
        fix = f"env: {{name: {_BLOCKED}, value: 10.0.0.0/8}} with the networks nobody may fetch keys from"
        here = At(obj).key("spec", "template", "spec", "containers")
        yield here.warning(words, fix, KEYS_FROM_ANYWHERE)
