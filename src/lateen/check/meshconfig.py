"""Check Istio's settings for the whole mesh.

In: the ConfigMap that holds them.    Out: problems.    Source: Istio ValidateMeshConfig.
Before: api/meshconfig.py, check/at.py                  After: check/service.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.config import ConfigMap
from lateen.api.extensionproviders import (
    STATUSES,
    EnvoyExternalAuthorizationHttpProvider,
    EnvoyOpenTelemetryLogProvider,
    ExtensionProvider,
    OpenTelemetryTracingProvider,
    ZipkinTracingProvider,
)
from lateen.api.gateway import CIPHERS
from lateen.api.meshconfig import (
    ENCODINGS,
    KEY,
    NAME,
    NAMESPACE,
    NORMALIZATIONS,
    STAT_WORDS,
    MeshConfig,
    read_mesh_config,
    read_proxy_annotation,
)
from lateen.api.proxydefaults import ANNOTATION, ProxyDefaults
from lateen.api.shape import Fault, FaultKind
from lateen.base.problem import Problem
from lateen.check.at import At
from lateen.check.destinationrule import check_outliers, check_pool
from lateen.check.hosts import fqdn_fault
from lateen.check.localities import locality_faults
from lateen.check.proxydefaults import proxy_faults, proxy_notes

STREAMS = ("/dev/stdout", "/dev/stderr")
_INBOUND = ("PASSTHROUGH", "LOCALHOST")
_UPGRADES = ("", "DO_NOT_UPGRADE", "UPGRADE")
_Collector = OpenTelemetryTracingProvider | ZipkinTracingProvider | EnvoyOpenTelemetryLogProvider
_CONTROLLER = ("", "OFF", "DEFAULT", "STRICT")
_VERSIONS = ("TLS_AUTO", "TLSV1_2", "TLSV1_3")
_BY_NAME = "ALLOW_ANY_DYNAMIC_DNS"
_MODES = ("ALLOW_ANY", "REGISTRY_ONLY")


def check_mesh_config(config: ConfigMap, at: At) -> Iterator[Problem]:
    """Every fault of the settings; none for any other ConfigMap. An unknown field is only told."""
    key = at.obj.key
    if (key.namespace, key.name) != (NAMESPACE, NAME) or KEY not in config.data:
        return
    here = at.key("data", KEY)
    mesh, faults = read_mesh_config(config.data[KEY])
    yield from _told(faults, here)
    yield from _values(mesh, here)


def check_proxy_annotation(annotations: Mapping[str, str], at: At) -> Iterator[Problem]:
    """Every fault of a pod's annotation `proxy.istio.io/config`; `at` is its metadata."""
    if ANNOTATION in annotations:
        here = at.key("annotations", ANNOTATION)
        config, faults = read_proxy_annotation(annotations[ANNOTATION])
        yield from _told(faults, here)
        yield from _proxy(config, "", here)


def _proxy(config: ProxyDefaults, path: str, at: At) -> Iterator[Problem]:
    for words in proxy_faults(config):
        yield at.error(f"{path}{words}")
    for words in proxy_notes(config):
        yield at.warning(f"{path}{words}", code=NOT_YET_HONOURED)


def _told(faults: Iterable[Fault], here: At) -> Iterator[Problem]:
    for fault in faults:
        where = f"{fault.path}: " if fault.path else ""
        words = f"{where}{fault.message}"
        if fault.kind is FaultKind.NOT_YET:
            yield here.warning(words, fault.fix, NOT_YET_HONOURED)
        elif fault.kind is FaultKind.UNKNOWN:
            yield here.warning(words, fault.fix)
        else:
            yield here.error(words, fault.fix)


def _values(mesh: MeshConfig, at: At) -> Iterator[Problem]:
    if mesh.h2_upgrade_policy not in _UPGRADES:
        yield at.error(f"h2UpgradePolicy: wanted one of {', '.join(_UPGRADES[1:])}")
    inbound = mesh.inbound_traffic_policy
    if inbound and inbound.mode not in _INBOUND:
        yield at.error(f"inboundTrafficPolicy.mode: wanted one of {', '.join(_INBOUND)}")
    if mesh.connect_timeout and mesh.connect_timeout.seconds < 0.001:
        yield at.error("connectTimeout: duration must be greater than 1ms")
    yield from _tls_and_dns(mesh, at)
    if mesh.ingress_controller_mode not in _CONTROLLER:
        yield at.error(f"ingressControllerMode: wanted one of {', '.join(_CONTROLLER[1:])}")
    for name in (mesh.trust_domain, *mesh.trust_domain_aliases):
        if name and (fault := fqdn_fault(name)):
            yield at.error(f"trustDomain: {fault}")
    if mesh.locality_lb_setting:
        for words in locality_faults(mesh.locality_lb_setting):
            yield at.error(f"localityLbSetting: {words}")
    yield from _listening(mesh, at)
    policy, retries = mesh.outbound_traffic_policy, mesh.default_http_retry_policy
    if policy and policy.mode == _BY_NAME:
        words = "outboundTrafficPolicy.mode: as ALLOW_ANY, to the address that was dialled"
        yield at.warning(words, code=NOT_YET_HONOURED)
    elif policy and policy.mode not in _MODES:
        yield at.error(f"outboundTrafficPolicy.mode: wanted one of {', '.join(_MODES)}")
    if retries and retries.attempts < 0:
        yield at.error("defaultHttpRetryPolicy.attempts cannot be negative")
    if mesh.default_config:
        yield from _proxy(mesh.default_config, "defaultConfig.", at)
    yield from _default_policy(mesh, at)
    yield from _told_of(mesh, at)
    reads = mesh.path_normalization
    if reads and reads.normalization not in NORMALIZATIONS:
        known = ", ".join(NORMALIZATIONS)
        yield at.error(f"pathNormalization.normalization: wanted one of {known}")
    names = [provider.name for provider in mesh.extension_providers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield at.error(f"extensionProviders: two of them are called {name!r}")
    for index, provider in enumerate(mesh.extension_providers):
        yield from _provider(provider, f"extensionProviders[{index}]", at)


def _listening(mesh: MeshConfig, at: At) -> Iterator[Problem]:
    """Where proxies take what is redirected to them: Istio's own ports, and no others."""
    for field, said, port in (
        ("proxyListenPort", mesh.proxy_listen_port, 15001),
        ("proxyInboundListenPort", mesh.proxy_inbound_listen_port, 15006),
    ):
        if said not in (0, port):
            words = f"{field}: proxies listen at {port}, of a pod's own network"
            yield at.warning(words, code=NOT_YET_HONOURED)


def _default_policy(mesh: MeshConfig, at: At) -> Iterator[Problem]:
    policy, here = mesh.default_traffic_policy, at.key("defaultTrafficPolicy")
    if policy and policy.connection_pool:
        yield from check_pool(policy.connection_pool, here.key("connectionPool"))
    if policy and policy.outlier_detection:
        yield from check_outliers(policy.outlier_detection, here.key("outlierDetection"))


def _told_of(mesh: MeshConfig, at: At) -> Iterator[Problem]:
    """What is said of access logs and traces."""
    if mesh.access_log_encoding not in ENCODINGS:
        yield at.error(f"accessLogEncoding: wanted one of {', '.join(ENCODINGS)}")
    if mesh.access_log_encoding == "JSON" and mesh.access_log_format:
        try:
            fields = json.loads(mesh.access_log_format)
        except ValueError as fault:
            yield at.error(f"accessLogFormat: under encoding JSON it must be an object: {fault}")
        else:
            if not isinstance(fields, dict):
                yield at.error("accessLogFormat: under encoding JSON it must be an object")
    if mesh.access_log_file not in (None, "", *STREAMS):
        words = f"a proxy here writes to {' or '.join(STREAMS)}; {mesh.access_log_file} is read as the former"
        yield at.warning(f"accessLogFile: {words}")


def _tls_and_dns(mesh: MeshConfig, at: At) -> Iterator[Problem]:
    tls, refresh = mesh.tls_defaults, mesh.dns_refresh_rate
    if mesh.mesh_m_tls and mesh.mesh_m_tls.ecdh_curves:
        yield at.error("meshMTLS.ecdhCurves: mesh TLS does not support ECDH curves configuration")
    if tls and tls.min_protocol_version not in _VERSIONS:
        yield at.error(f"tlsDefaults.minProtocolVersion: wanted one of {', '.join(_VERSIONS)}")
    for suite in tls.cipher_suites if tls else ():
        if suite not in CIPHERS:
            yield at.warning(f"tlsDefaults.cipherSuites: invalid cipher suite {suite!r} is ignored")
    if refresh and refresh.seconds < 0.002:
        yield at.error("dnsRefreshRate: duration must be greater than 1ms")
    patterns = {
        "inboundClusterStatName": mesh.inbound_cluster_stat_name,
        "outboundClusterStatName": mesh.outbound_cluster_stat_name,
    }
    for field, pattern in patterns.items():
        for word in re.findall(r"%[^%]*%", pattern):
            if word not in STAT_WORDS:
                known = ", ".join(STAT_WORDS)
                yield at.error(f"{field}: unknown pattern {word}: wanted {known}")


def _provider(provider: ExtensionProvider, path: str, at: At) -> Iterator[Problem]:
    """Source: Istio validateExtensionProviderEnvoyExtAuthzHTTP and …Grpc."""
    if not provider.name:
        yield at.error(f"{path}.name: empty extension provider name")
    http, grpc = provider.envoy_ext_authz_http, provider.envoy_ext_authz_grpc
    if http and grpc:
        yield at.error(f"{path}: wanted only one of envoyExtAuthzHttp and envoyExtAuthzGrpc")
    said = http or grpc
    for kind, told in _collectors(provider):
        yield from _reached(told.service, told.port, f"{path}.{kind}", at)
    if said is None:
        return
    path += ".envoyExtAuthzHttp" if http else ".envoyExtAuthzGrpc"
    yield from _reached(said.service, said.port, path, at)
    if said.status_on_error and said.status_on_error not in STATUSES:
        yield at.error(f"{path}.statusOnError: {said.status_on_error!r} is no HTTP status")
    if said.timeout and said.timeout.seconds < 0.001:
        yield at.error(f"{path}.timeout: duration must be greater than 1ms")
    body = said.include_request_body_in_check
    if body and body.max_request_bytes <= 0:
        yield at.error(f"{path}.includeRequestBodyInCheck.maxRequestBytes: must be positive")
    if http and http.path_prefix and not http.path_prefix.startswith("/"):
        yield at.error(f"{path}.pathPrefix: must begin with /")
    if http:
        yield from _header_names(http, path, at)


def _collectors(provider: ExtensionProvider) -> Iterator[tuple[str, _Collector]]:
    """What is told of traffic, by the name of its field."""
    if provider.opentelemetry:
        yield "opentelemetry", provider.opentelemetry
    if provider.zipkin:
        yield "zipkin", provider.zipkin
    if provider.envoy_otel_als:
        yield "envoyOtelAls", provider.envoy_otel_als


def _reached(service: str, port: int, path: str, at: At) -> Iterator[Problem]:
    host = service.rpartition("/")[2]
    if not host or "*" in host or "." not in host:
        yield at.error(f"{path}.service: wanted [NAMESPACE/]HOST in full, got {service!r}")
    if not 1 <= port <= 65535:
        yield at.error(f"{path}.port: must be in range 1..65535, got {port}")


def _header_names(
    http: EnvoyExternalAuthorizationHttpProvider, path: str, at: At
) -> Iterator[Problem]:
    for field, names in (
        ("includeHeadersInCheck", http.include_headers_in_check),
        ("includeRequestHeadersInCheck", http.include_request_headers_in_check),
        ("headersToUpstreamOnAllow", http.headers_to_upstream_on_allow),
        ("headersToDownstreamOnDeny", http.headers_to_downstream_on_deny),
        ("headersToDownstreamOnAllow", http.headers_to_downstream_on_allow),
    ):
        for name in names:
            if not name or "*" in name[1:-1] or (name.count("*") > 1):
                words = f"{name!r}: a * may only stand for the beginning or the end of a name"
                yield at.error(f"{path}.{field}: {words}")
