"""What is wrong with Istio's settings for the whole mesh."""

from __future__ import annotations

import pytest

from lateen.api.decode import decode_tree
from lateen.api.extensionproviders import STATUSES
from lateen.base.problem import Level
from lateen.check.objects import check_object
from lateen.envoy.pb.envoy.type.v3.http_status_pb2 import StatusCode


def said(mesh: str, name: str = "istio") -> list[tuple[Level, str]]:
    tree = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "istio-system"},
        "data": {"mesh": mesh},
    }
    (obj,) = decode_tree(tree, places=None).objects
    return [(problem.level, problem.message) for problem in check_object(obj)]


def test_what_is_carried_is_taken_in_silence() -> None:
    assert said("outboundTrafficPolicy: {mode: REGISTRY_ONLY}\nrootNamespace: istio-system\n") == []
    assert said("") == []


def test_settings_of_proxies_are_carried() -> None:
    text = """
protocolDetectionTimeout: 2s
dnsRefreshRate: 30s
tlsDefaults: {minProtocolVersion: TLSV1_3, cipherSuites: [ECDHE-ECDSA-AES128-GCM-SHA256], ecdhCurves: [P-256]}
meshMTLS: {minProtocolVersion: TLSV1_2}
verifyCertificateAtClient: true
outboundClusterStatName: "%SERVICE_FQDN%_%SERVICE_PORT%"
inboundClusterStatName: "%SERVICE%"
ingressClass: mesh
ingressControllerMode: STRICT
ingressService: front
ingressSelector: front
"""
    assert said(text) == []


def test_what_tls_1_3_leaves_no_choice_of_is_named() -> None:
    for field, how in (("cipherSuites", Level.WARNING), ("ecdhCurves", Level.ERROR)):
        ((level, message),) = said(f"meshMTLS: {{{field}: [x]}}\n")
        assert level is how
        assert message.startswith(f"meshMTLS.{field}: ")


def test_what_proxies_add_to_messages_is_carried() -> None:
    text = """
defaultConfig:
  runtimeValues: {overload.global_downstream_max_connections: "5000"}
  proxyMetadata: {ISTIO_META_HTTP10: "1", ISTIO_META_IDLE_TIMEOUT: 2m}
  connectionSettings: {profile: EDGE, httpRequestTimeout: 10s, httpMaxConcurrentStreams: 50}
  gatewayTopology: {numTrustedProxies: 2, forwardClientCertDetails: SANITIZE_SET, proxyProtocol: {}}
  proxyHeaders:
    forwardedClientCert: APPEND_FORWARD
    setCurrentClientCertDetails: {subject: true, cert: true}
    server: {value: shop}
    requestId: {disabled: true}
    preserveHttp1HeaderCase: true
    metadataExchangeHeaders: {mode: IN_MESH}
"""
    assert said(text) == []


@pytest.mark.parametrize(
    ("said_of_proxies", "words"),
    [
        ("gatewayTopology: {numTrustedProxies: -1}", "gatewayTopology.numTrustedProxies: cannot"),
        ("gatewayTopology: {forwardClientCertDetails: ALL}", "gatewayTopology.forwardClientCert"),
        ("proxyHeaders: {forwardedClientCert: ALL}", "proxyHeaders.forwardedClientCert: wanted"),
        ("connectionSettings: {profile: CORE}", "connectionSettings.profile: wanted one of"),
        ("connectionSettings: {httpMaxConcurrentStreams: 0}", "connectionSettings.httpMax"),
        (
            "connectionSettings: {http2InitialStreamWindowSize: 9}",
            "connectionSettings.http2Initial",
        ),
        ("proxyMetadata: {ISTIO_META_IDLE_TIMEOUT: soon}", "proxyMetadata.ISTIO_META_IDLE_TIMEOUT"),
        ("drainDuration: 1.5s", "drainDuration: drain time only supports"),
    ],
)
def test_what_cannot_hold_of_proxies_is_named(said_of_proxies: str, words: str) -> None:
    ((level, message),) = said(f"defaultConfig: {{{said_of_proxies}}}\n")
    assert level is Level.ERROR
    assert message.startswith(f"defaultConfig.{words}")


def test_a_default_policy_is_checked_as_a_rules_is() -> None:
    assert said("defaultTrafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}\n") == []
    ((level, message),) = said(
        "defaultTrafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}\n"
    )
    assert level is Level.ERROR
    assert "101" in message


def test_an_app_that_is_not_to_wait_for_its_proxy_waits_all_the_same() -> None:
    assert said("defaultConfig: {holdApplicationUntilProxyStarts: true}\n") == []
    ((level, message),) = said("defaultConfig: {holdApplicationUntilProxyStarts: false}\n")
    assert level is Level.WARNING
    assert message.startswith("defaultConfig.holdApplicationUntilProxyStarts: ")


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        ("proxyListenPort: 15001", "proxyListenPort: 16001"),
        ("proxyInboundListenPort: 15006", "proxyInboundListenPort: 16006"),
        ("defaultConfig: {statusPort: 15020}", "defaultConfig: {statusPort: 8020}"),
        ("defaultConfig: {proxyAdminPort: 15000}", "defaultConfig: {proxyAdminPort: 9901}"),
        (
            "defaultConfig: {interceptionMode: REDIRECT}",
            "defaultConfig: {interceptionMode: TPROXY}",
        ),
        (
            "outboundTrafficPolicy: {mode: ALLOW_ANY}",
            "outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}",
        ),
    ],
)
def test_what_is_done_anyway_is_taken_in_silence(usual: str, other: str) -> None:
    assert said(f"{usual}\n") == []
    ((level, message),) = said(f"{other}\n")
    assert level is Level.WARNING
    assert message.startswith(other.partition(": ")[0].partition(".")[0])


def test_a_setting_without_effect_is_named() -> None:
    ((level, message),) = said("proxyHttpPort: 15007\n")
    assert level is Level.WARNING
    assert message.startswith("proxyHttpPort: ")


def test_a_setting_nobody_knows_is_named_and_the_rest_holds() -> None:
    ((level, message),) = said("outboundTraficPolicy: {mode: ALLOW_ANY}\n")
    assert level is Level.WARNING
    assert "outboundTraficPolicy" in message


def test_a_wrong_value_refuses_the_settings() -> None:
    assert [level for level, _ in said("outboundTrafficPolicy: {mode: SOME}\n")] == [Level.ERROR]
    assert [level for level, _ in said("defaultHttpRetryPolicy: {attempts: x}\n")] == [Level.ERROR]
    assert [level for level, _ in said("- a\n")] == [Level.ERROR]


def test_other_config_maps_may_hold_what_they_like() -> None:
    assert said("accessLogFile: /dev/stdout\n", name="other") == []


def test_what_proxies_are_told_of_certificates_is_checked() -> None:
    good = "defaultConfig: {proxyMetadata: {SECRET_TTL: 10s, WORKLOAD_RSA_KEY_SIZE: '2048'}}\n"
    assert said(good) == []
    for entry in ("SECRET_TTL: soon", "SECRET_TTL: 1s", "WORKLOAD_RSA_KEY_SIZE: '512'"):
        ((level, message),) = said(f"defaultConfig: {{proxyMetadata: {{{entry}}}}}\n")
        assert level is Level.ERROR
        assert message.startswith(f"defaultConfig.proxyMetadata.{entry.partition(':')[0]}: ")


def test_a_pods_own_settings_for_its_proxy_are_checked() -> None:
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "annotations": {"proxy.istio.io/config": "proxyMetadata: {SECRET_TTL: 0s}"},
        },
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    (obj,) = decode_tree(tree, places=None).objects
    (problem,) = check_object(obj)
    assert problem.message.startswith("proxyMetadata.SECRET_TTL: a certificate lives at least 2s")


PROVIDER = "extensionProviders: [{{name: a, envoyExtAuthzHttp: {{service: a.b, port: 80, {0}}}}}]\n"


def test_authorizers_and_ways_of_reading_paths_are_carried() -> None:
    assert said(PROVIDER.format("timeout: 1s, failOpen: true, statusOnError: '503'")) == []
    assert said("pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}\n") == []


@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        (
            "pathNormalization: {normalization: MERGE}\n",
            "pathNormalization.normalization: wanted one of DEFAULT, NONE, BASE, MERGE_SLASHES,"
            " DECODE_AND_MERGE_SLASHES",
        ),
        (
            "extensionProviders: [{name: a}, {name: a}]\n",
            "extensionProviders: two of them are called 'a'",
        ),
        (
            "extensionProviders: [{name: ''}]\n",
            "extensionProviders[0].name: empty extension provider name",
        ),
        (
            "extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: a, port: 80}}]\n",
            "extensionProviders[0].envoyExtAuthzGrpc.service: wanted [NAMESPACE/]HOST in full, got 'a'",
        ),
        (
            "extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: a.b, port: 0}}]\n",
            "extensionProviders[0].envoyExtAuthzGrpc.port: must be in range 1..65535, got 0",
        ),
        (
            PROVIDER.format("statusOnError: '299'"),
            "extensionProviders[0].envoyExtAuthzHttp.statusOnError: '299' is no HTTP status",
        ),
        (
            PROVIDER.format("pathPrefix: a"),
            "extensionProviders[0].envoyExtAuthzHttp.pathPrefix: must begin with /",
        ),
        (
            PROVIDER.format("includeRequestBodyInCheck: {}"),
            "extensionProviders[0].envoyExtAuthzHttp.includeRequestBodyInCheck.maxRequestBytes:"
            " must be positive",
        ),
        (
            "tlsDefaults: {minProtocolVersion: TLSV1_1}\n",
            "tlsDefaults.minProtocolVersion: wanted one of TLS_AUTO, TLSV1_2, TLSV1_3",
        ),
        (
            "dnsRefreshRate: 1ms\n",
            "dnsRefreshRate: duration must be greater than 1ms",
        ),
        (
            "outboundClusterStatName: 'a_%SERVICE%_%SORT%'\n",
            "outboundClusterStatName: unknown pattern %SORT%: wanted %SERVICE%, %SERVICE_NAME%,"
            " %SERVICE_FQDN%, %SERVICE_PORT%, %TARGET_PORT%, %SERVICE_PORT_NAME%, %SUBSET_NAME%",
        ),
        (
            "ingressControllerMode: SOMETIMES\n",
            "ingressControllerMode: wanted one of OFF, DEFAULT, STRICT",
        ),
        (
            PROVIDER.format("headersToUpstreamOnAllow: ['x-*-y']"),
            "extensionProviders[0].envoyExtAuthzHttp.headersToUpstreamOnAllow: 'x-*-y':"
            " a * may only stand for the beginning or the end of a name",
        ),
    ],
)
def test_what_istio_would_not_take_is_refused(mesh: str, words: str) -> None:
    assert said(mesh) == [(Level.ERROR, words)]


def test_the_statuses_are_those_that_envoy_knows() -> None:
    assert {str(number) for number in StatusCode.values() if number} == STATUSES
