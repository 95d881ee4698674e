"""One Sidecar, taken alone: each wrong value is named with its field and what was wanted."""

from __future__ import annotations

import pytest

from lateen.api.decode import decode_documents
from lateen.base.problem import Level
from lateen.check import check_object

HOSTS = 'hosts: ["./*"]'
FAULTS = [
    ("{}", "spec: sidecar: empty configuration provided"),
    (
        f"{{egress: [{{{HOSTS}}}, {{port: {{number: 80, protocol: HTTP}}, {HOSTS}}}]}}",
        "spec.egress[0]: sidecar: the egress listener with empty port should be the last listener",
    ),
    (
        f"{{egress: [{{port: {{number: 80, protocol: HTTP}}, {HOSTS}}}, {{port: {{number: 80, protocol: TCP}}, {HOSTS}}}]}}",
        "spec.egress[1].port: sidecar: ports on IP bound listeners must be unique",
    ),
    (
        f"{{egress: [{{port: {{number: 80, protocol: X}}, {HOSTS}}}]}}",
        "spec.egress[0].port.protocol: unsupported protocol: X",
    ),
    (
        f"{{egress: [{{bind: here, {HOSTS}}}]}}",
        "spec.egress[0].bind: here is not a valid IP address",
    ),
    (
        f"{{egress: [{{port: {{number: 0, protocol: HTTP}}, {HOSTS}}}]}}",
        "spec.egress[0].bind: sidecar: ports with 0 value must have a unix domain socket bind address",
    ),
    (
        "{ingress: [{port: {number: 80, protocol: HTTP}, defaultEndpoint: '10.0.0.1:80'}]}",
        "spec.ingress[0].defaultEndpoint: sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,"
        "0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset",
    ),
    (
        "{ingress: [{port: {number: 80, protocol: HTTP}, defaultEndpoint: '127.0.0.1:x'}]}",
        "spec.ingress[0].defaultEndpoint: sidecar: defaultEndpoint port (x) is not a number",
    ),
    (
        "{ingress: [{port: {number: 80, protocol: HTTP}, captureMode: SOME}]}",
        'spec.ingress[0].captureMode: Unsupported value: "SOME": supported values: "DEFAULT",'
        ' "IPTABLES", "NONE"',
    ),
    (
        "{outboundTrafficPolicy: {mode: REGISTRY_ONLY, egressProxy: {host: a.b, port: {number: 80}}}}",
        "spec.outboundTrafficPolicy.egressProxy: sidecar: egress_proxy must be set only with"
        " ALLOW_ANY outbound_traffic_policy",
    ),
    (
        "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.b}}}",
        "spec.outboundTrafficPolicy.egressProxy.port: Required value: sidecar: egress_proxy port must"
        " be non-nil",
    ),
    (
        "{inboundConnectionPool: {}}",
        "spec.inboundConnectionPool: connection pool must have at least one field",
    ),
]
WARNINGS = [
    (
        "{ingress: [{port: {number: 80, protocol: TCP}, captureMode: NONE}]}",
        "spec.ingress[0].defaultEndpoint: without a defaultEndpoint the proxy would send this port's"
        " requests to itself",
    ),
    (
        "{ingress: [{port: {number: 80, protocol: TCP}, defaultEndpoint: 'unix:///run/app'}]}",
        "spec.ingress[0].defaultEndpoint: the files of an app and of its proxy are apart: a socket"
        " needs a name without a file",
    ),
    (
        f"{{egress: [{{port: {{number: 0, protocol: HTTP}}, bind: 'unix:///run/app', {HOSTS}}}]}}",
        "spec.egress[0].bind: a Unix socket to call at is not carried: these hosts are called nowhere",
    ),
]


def found(spec: str, level: Level) -> list[str]:
    """`field: message` of each problem of that level."""
    text = (
        f"apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: a}}\nspec: {spec}\n"
    )
    (obj,) = decode_documents(text, "f.yaml").objects
    problems = [p for p in check_object(obj) if p.level is level]
    return [f"{p.origin.field}: {p.message}" for p in problems]


@pytest.mark.parametrize(("spec", "fault"), FAULTS)
def test_what_istio_refuses_is_refused(spec: str, fault: str) -> None:
    assert found(spec, Level.ERROR) == [fault]


@pytest.mark.parametrize(("spec", "words"), WARNINGS)
def test_what_cannot_work_is_told(spec: str, words: str) -> None:
    assert found(spec, Level.ERROR) == []
    assert found(spec, Level.WARNING) == [words]
