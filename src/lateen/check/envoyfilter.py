"""Check one EnvoyFilter as Istio does before it takes one.

In: EnvoyFilter.                          Out: problems.    Source: Istio ValidateEnvoyFilter.
Before: check/at.py, api/envoywords.py    After: check/objects.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.envoyfilter import ConfigObjectMatch, ConfigPatch, EnvoyFilter, FilterMatch
from lateen.api.envoywords import TYPES, read_words
from lateen.api.names import label_faults
from lateen.base.problem import Problem
from lateen.check.at import At, one_of
from lateen.check.security import check_targets

OPERATIONS = (
    "MERGE",
    "MERGE_AND_REPLACE_LIST",
    "ADD",
    "REMOVE",
    "INSERT_BEFORE",
    "INSERT_AFTER",
    "INSERT_FIRST",
    "REPLACE",
)
CONTEXTS = ("ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY")
_ACTIONS = ("ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE")
_OF_LISTENERS = (
    "LISTENER",
    "FILTER_CHAIN",
    "NETWORK_FILTER",
    "HTTP_FILTER",
    "LISTENER_FILTER",
)
_OF_ROUTES = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_MANAGER = "envoy.filters.network.http_connection_manager"
_TIED = (
    "EnvoyFilter exposes internal implementation details that may change at any time: it ties this file"
    " to Envoy's own API. Prefer other APIs if possible"
)


def check_envoy_filter(filter_: EnvoyFilter, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone; and the warning that Istio gives for any."""
    spec, at = filter_.spec, at.key("spec")
    yield at.warning(_TIED)
    if spec.workload_selector:
        here = at.key("workloadSelector", "labels")
        for key, text, words in label_faults(spec.workload_selector.labels):
            yield here.key(key).invalid(text, words)
    if spec.workload_selector and spec.target_refs:
        yield at.key("targetRefs").error("only one of targetRefs or workloadSelector can be set")
    yield from check_targets(spec.target_refs, at)
    for index, patch in enumerate(spec.config_patches):
        yield from _patch(patch, at.key("configPatches").item(index))


def _patch(written: ConfigPatch, at: At) -> Iterator[Problem]:
    if not written.apply_to:
        yield at.key("applyTo").error("Envoy filter: missing applyTo", ", ".join(TYPES))
        return
    yield from one_of(at.key("applyTo"), written.apply_to, tuple(TYPES))
    if written.match:
        yield from _match(written.apply_to, written.match, at.key("match"))
    patch, here = written.patch, at.key("patch")
    if patch is None:
        yield here.error("Envoy filter: missing patch")
        return
    if not patch.operation:
        yield here.key("operation").error("Envoy filter: missing patch operation")
        return
    yield from one_of(here.key("operation"), patch.operation, OPERATIONS)
    if patch.value is None:
        if patch.operation != "REMOVE":
            yield here.key("value").error(
                "Envoy filter: missing patch value for non-remove operation"
            )
        return
    if written.apply_to in TYPES:
        try:
            read_words(TYPES[written.apply_to], patch.value)
        except ValueError as fault:
            yield here.key("value").error(str(fault).partition("\n")[0])


def _match(apply_to: str, match: ConfigObjectMatch, at: At) -> Iterator[Problem]:
    yield from one_of(at.key("context"), match.context, CONTEXTS)
    if match.proxy and match.proxy.proxy_version:
        here = at.key("proxy", "proxyVersion")
        try:
            re.compile(match.proxy.proxy_version)
        except re.error as fault:
            yield here.error(f"Envoy filter: invalid regex for proxy version, [{fault}]")
        else:
            words = "lateen's proxies are of no version of Istio: the patch is left out"
            yield here.warning(words, code=NOT_YET_HONOURED)
    given = bool(match.listener or match.route_configuration or match.cluster)
    if apply_to in _OF_LISTENERS and given and not match.listener:
        words = "Envoy filter: applyTo for listener class objects cannot have non listener match"
        yield at.error(words)
    if apply_to in _OF_ROUTES and given and not match.route_configuration:
        yield at.error(
            "Envoy filter: applyTo for http route class objects cannot have non route"
            " configuration match"
        )
    if apply_to == "CLUSTER" and given and not match.cluster:
        words = "Envoy filter: applyTo for cluster class objects cannot have non cluster match"
        yield at.error(words)
    chain = match.listener.filter_chain if match.listener else None
    if chain and chain.filter:
        yield from _filter(apply_to, chain.filter, at.key("listener", "filterChain", "filter"))
    host = match.route_configuration.vhost if match.route_configuration else None
    if host and host.route:
        here = at.key("routeConfiguration", "vhost", "route", "action")
        yield from one_of(here, host.route.action, _ACTIONS)


def _filter(apply_to: str, match: FilterMatch, at: At) -> Iterator[Problem]:
    if apply_to in ("LISTENER", "FILTER_CHAIN"):
        yield at.warning(f"Envoy filter: filter match has no effect when used with {apply_to}")
    if not match.name:
        yield at.key("name").error("Envoy filter: filter match has no name to match on")
    elif match.sub_filter and apply_to != "HTTP_FILTER":
        words = "Envoy filter: subfilter match can be used with applyTo HTTP_FILTER only"
        yield at.key("subFilter").error(words)
    elif match.sub_filter and match.name != _MANAGER:
        words = f"Envoy filter: subfilter match requires filter match with {_MANAGER}"
        yield at.key("name").error(words)
    elif match.sub_filter and not match.sub_filter.name:
        words = "Envoy filter: subfilter match has no name to match on"
        yield at.key("subFilter", "name").error(words)
