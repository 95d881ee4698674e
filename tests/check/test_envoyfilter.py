"""One EnvoyFilter, taken alone: what Istio refuses is refused in its words, and every one is warned of."""

from __future__ import annotations

import pytest

from lateen.api.decode import decode_documents
from lateen.base.problem import Level
from lateen.check import check_object

MERGE = "patch: {operation: MERGE, value: {}}"
FAULTS = [
    ("{}", "applyTo: Envoy filter: missing applyTo"),
    ("{applyTo: CLUSTER}", "patch: Envoy filter: missing patch"),
    ("{applyTo: CLUSTER, patch: {}}", "patch.operation: Envoy filter: missing patch operation"),
    (
        "{applyTo: CLUSTER, patch: {operation: ADD}}",
        "patch.value: Envoy filter: missing patch value for non-remove operation",
    ),
    (
        "{applyTo: CLUSTER, patch: {operation: MERGE, value: {nme: x}}}",
        'patch.value: Message type "envoy.config.cluster.v3.Cluster" has no field named "nme" at "Cluster".',
    ),
    (
        f"{{applyTo: CLUSTER, match: {{listener: {{}}}}, {MERGE}}}",
        "match: Envoy filter: applyTo for cluster class objects cannot have non cluster match",
    ),
    (
        f"{{applyTo: LISTENER, match: {{cluster: {{}}}}, {MERGE}}}",
        "match: Envoy filter: applyTo for listener class objects cannot have non listener match",
    ),
    (
        f"{{applyTo: HTTP_ROUTE, match: {{cluster: {{}}}}, {MERGE}}}",
        "match: Envoy filter: applyTo for http route class objects cannot have non route configuration"
        " match",
    ),
    (
        f"{{applyTo: NETWORK_FILTER, match: {{listener: {{filterChain: {{filter: {{}}}}}}}}, {MERGE}}}",
        "match.listener.filterChain.filter.name: Envoy filter: filter match has no name to match on",
    ),
    (
        f"{{applyTo: HTTP_FILTER, match: {{listener: {{filterChain: {{filter: {{name: x, subFilter: {{name: inner}}}}}}}}}}, {MERGE}}}",
        "match.listener.filterChain.filter.name: Envoy filter: subfilter match requires filter match"
        " with envoy.filters.network.http_connection_manager",
    ),
    (
        f"{{applyTo: CLUSTER, match: {{proxy: {{proxyVersion: '('}}}}, {MERGE}}}",
        "match.proxy.proxyVersion: Envoy filter: invalid regex for proxy version, [missing ),"
        " unterminated subpattern at position 0]",
    ),
]


def found(patch: str, level: Level) -> list[str]:
    """`field: message` of each problem of that level, from the patch on."""
    text = (
        "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\n"
        f"spec: {{configPatches: [{patch}]}}\n"
    )
    (obj,) = decode_documents(text, "f.yaml").objects
    return [
        f"{p.origin.field.removeprefix('spec.configPatches[0].')}: {p.message}"
        for p in check_object(obj)
        if p.level is level
    ]


@pytest.mark.parametrize(("patch", "fault"), FAULTS)
def test_what_istio_refuses_is_refused(patch: str, fault: str) -> None:
    assert found(patch, Level.ERROR) == [fault]


def test_every_one_is_said_to_tie_its_file_to_envoy() -> None:
    (warning,) = found(f"{{applyTo: CLUSTER, {MERGE}}}", Level.WARNING)
    assert "ties this file to Envoy's own API" in warning
