"""Check one Gateway as Istio does before it takes one.

In: Gateway.           Out: problems.    Source: Istio ValidateGateway.
Before: check/at.py    After: check/objects.py, check/serviceentry.py (protocols)
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.gateway import CIPHERS, Gateway, Server, ServerTLSSettings
from lateen.api.names import label_fault, label_faults
from lateen.base.problem import Problem
from lateen.check.at import At, one_of, port_number
from lateen.check.hosts import gateway_host_fault, is_ip

HTTP = frozenset({"http", "http2", "http_proxy", "grpc", "grpc-web"})
TLS = frozenset({"https", "tls"})
PROTOCOLS = HTTP | TLS | {"tcp", "udp", "mongo", "redis", "mysql"}
TLS_MODES = (
    "PASSTHROUGH",
    "SIMPLE",
    "MUTUAL",
    "AUTO_PASSTHROUGH",
    "ISTIO_MUTUAL",
    "OPTIONAL_MUTUAL",
)
TLS_VERSIONS = ("", "TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")


def check_gateway(gateway: Gateway, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    name = gateway.metadata.name
    if label_fault(name):
        yield at.key("metadata", "name").error(f'invalid gateway name: "{name}"')
    spec, at = gateway.spec, at.key("spec")
    for key, text, words in label_faults(spec.selector):
        yield at.key("selector", key).invalid(text, words)
    if not spec.servers:
        yield at.key("servers").error("gateway must have at least one server")
    names: set[str] = set()
    for index, server in enumerate(spec.servers):
        here = at.key("servers").item(index)
        yield from _server(server, here)
        if server.port.name in names:
            words = f"port names in servers must be unique: duplicate name {server.port.name}"
            yield here.key("port", "name").error(words)
        if server.port.name:
            names.add(server.port.name)


def _server(server: Server, at: At) -> Iterator[Problem]:
    if not server.hosts:
        yield at.key("hosts").error("server config must contain at least one host", 'hosts: ["*"]')
    for index, host in enumerate(server.hosts):
        if fault := gateway_host_fault(host):
            yield at.key("hosts").item(index).error(fault)
    if server.bind.startswith("unix://"):
        words = "a Unix socket is not carried: this server is left out"
        yield at.key("bind").warning(words, code=NOT_YET_HONOURED)
    elif server.bind and not is_ip(server.bind):
        yield at.key("bind").error(f"{server.bind} is not a valid IP address")
    port, here = server.port, at.key("port")
    protocol = port.protocol.lower()
    if protocol not in PROTOCOLS:
        yield here.key("protocol").error(
            f'invalid protocol "{port.protocol}", supported protocols are HTTP, HTTPS, HTTP2, GRPC,'
            " GRPC-WEB, TLS, MONGO, REDIS, MYSQL, TCP"
        )
    yield from port_number(here.key("number"), port.number)
    if port.target_port:
        yield here.key("targetPort").error("targetPort has no impact on Gateways", "leave it out")
    if not port.name:
        yield here.key("name").error("port name must be set", f"name: {protocol or 'http'}")
    if protocol in PROTOCOLS:
        yield from _tls_and_protocol(server, protocol, at)
    if server.tls:
        yield from _tls(server.tls, at.key("tls"))


def _tls_and_protocol(server: Server, protocol: str, at: At) -> Iterator[Problem]:
    tls = server.tls
    if protocol in TLS:
        if tls is None:
            words = "server must have TLS settings for HTTPS/TLS protocols"
            yield at.key("tls").error(words, "tls: {mode: SIMPLE, credentialName: NAME}")
        elif tls.https_redirect:
            words = "tls.httpsRedirect should only be used with http servers"
            yield at.key("tls", "httpsRedirect").warning(words)
    elif tls and protocol in HTTP:
        if tls.mode not in ("PASSTHROUGH", "AUTO_PASSTHROUGH"):
            words = "server cannot have TLS settings for plain text HTTP ports"
            yield at.key("tls").error(words, "protocol: HTTPS")
    elif tls:
        yield at.key("tls").error("server cannot have TLS settings for non HTTPS/TLS ports")


def _tls(tls: ServerTLSSettings, at: At) -> Iterator[Problem]:
    yield from one_of(at.key("mode"), tls.mode, TLS_MODES)
    yield from one_of(at.key("minProtocolVersion"), tls.min_protocol_version, TLS_VERSIONS)
    yield from one_of(at.key("maxProtocolVersion"), tls.max_protocol_version, TLS_VERSIONS)
    named = bool(tls.credential_name or tls.credential_names)
    files = bool(tls.server_certificate and tls.private_key)
    if tls.mode == "ISTIO_MUTUAL" and named:
        words = "ISTIO_MUTUAL TLS cannot have associated credentialName"
        yield at.key("credentialName").error(words)
    if tls.mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH") and (named or files):
        words = f"{tls.mode} mode does not use certificates, they will be ignored"
        yield at.key("mode").warning(words, "mode: SIMPLE")
    for name, hashes in (
        ("verifyCertificateSpki", tls.verify_certificate_spki),
        ("verifyCertificateHash", tls.verify_certificate_hash),
    ):
        if hashes and tls.mode not in ("MUTUAL", "OPTIONAL_MUTUAL"):
            yield at.key(name).warning(f"{name} is only looked at with MUTUAL")
    if tls.insecure_skip_verify:
        words = (
            "whoever signed them, clients' certificates are believed, and so are the names in them:"
            " policies must not go by principals here"
        )
        if tls.mode not in ("MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL"):
            words = f"under {tls.mode} clients are not asked for certificates: it has no effect"
        yield at.key("insecureSkipVerify").warning(words)
    if tls.ca_crl and named:
        words = "with a credentialName the list of the revoked is taken from its Secret"
        yield at.key("caCrl").warning(words, "ca.crl in that Secret")
    for index, suite in enumerate(tls.cipher_suites):
        if suite not in CIPHERS:
            words = f"ignoring invalid cipher suites: [{suite}]"
            yield at.key("cipherSuites").item(index).warning(words)
    if sum((bool(tls.credential_name), bool(tls.credential_names), files)) > 1:
        yield at.error(
            "only one of credential_name, credential_names, server_certificate/private_key,"
            " tls_certificates should be specified"
        )
    if tls.mode in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL") and not (
        named or files or tls.tls_certificates
    ):
        kind = "SIMPLE" if tls.mode == "SIMPLE" else "MUTUAL"
        yield at.error(f"{kind} TLS requires a server certificate", "credentialName: SECRET")
