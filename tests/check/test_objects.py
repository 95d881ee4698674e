"""One object, taken alone: each wrong value is named with its field and what was wanted."""

from __future__ import annotations

import pytest

from lateen.api.decode import decode_documents
from lateen.base.problem import Level
from lateen.check import check_object, check_partial

HEADS = {
    "EnvoyFilter": "networking.istio.io/v1alpha3",
    "VirtualService": "networking.istio.io/v1",
    "DestinationRule": "networking.istio.io/v1",
    "Gateway": "networking.istio.io/v1",
    "ServiceEntry": "networking.istio.io/v1",
    "PeerAuthentication": "security.istio.io/v1",
    "RequestAuthentication": "security.istio.io/v1",
    "AuthorizationPolicy": "security.istio.io/v1",
    "Telemetry": "telemetry.istio.io/v1",
    "Service": "v1",
    "Pod": "v1",
    "ConfigMap": "v1",
    "Secret": "v1",
    "Deployment": "apps/v1",
}


def found(kind: str, body: str, level: Level = Level.ERROR) -> list[str]:
    """`field: message` of each problem of an object given by its spec (or whole body)."""
    if not body.startswith(("data", "type")):
        body = f"spec: {body}"
    text = f"apiVersion: {HEADS[kind]}\nkind: {kind}\nmetadata: {{name: a}}\n{body}\n"
    decoded = decode_documents(text, "f.yaml")
    problems = [problem for obj in decoded.objects for problem in check_object(obj)]
    for partial in decoded.partial:
        problems += [*decoded.problems, *check_partial(partial)]
    return [f"{p.origin.field}: {p.message}" for p in problems if p.level is level]


def http(rule: str) -> str:
    return f"{{hosts: [a], http: [{rule}]}}"


TO_B = "route: [{destination: {host: b}}]"

VIRTUAL_SERVICES = [
    ("{hosts: [a]}", "spec: http, tcp or tls must be provided in virtual service"),
    (
        f'{{hosts: ["*"], http: [{{{TO_B}}}]}}',
        "spec.hosts[0]: wildcard host * is not allowed for virtual services bound to the mesh gateway",
    ),
    (
        f'{{hosts: [b.example.com, "*.example.com"], http: [{{{TO_B}}}]}}',
        "spec.hosts[1]: duplicate hosts in virtual service: b.example.com & *.example.com",
    ),
    (
        f"{{hosts: [a_b.com], http: [{{{TO_B}}}]}}",
        'spec.hosts[0]: domain name "a_b.com" invalid (label "a_b" invalid)',
    ),
    (
        f"{{hosts: [a], gateways: [x/Y], http: [{{{TO_B}}}]}}",
        'spec.gateways[0]: invalid value for gateway name: "Y"',
    ),
    (http("{name: x}"), "spec.http[0]: HTTP route, redirect or direct_response is required"),
    (
        http("{route: [{destination: {host: b}, weight: -5}]}"),
        "spec.http[0].route[0].weight: weight -5 < 0: wanted a whole number, 0 or more",
    ),
    (
        http("{route: [{destination: {host: b}}, {destination: {host: c}}]}"),
        "spec.http[0].route: total destination weight = 0",
    ),
    (
        http("{route: [{destination: {host: b, port: {number: 0}}}]}"),
        "spec.http[0].route[0].destination.port.number: Invalid value: 0:"
        " must be between 1 and 65535, inclusive",
    ),
    (
        http("{" + TO_B + ", redirect: {uri: /x}}"),
        "spec.http[0].route: HTTP route cannot contain both route and redirect",
    ),
    (
        http("{redirect: {uri: /x, redirectCode: 200}}"),
        "spec.http[0].redirect.redirectCode: 200 is not a valid redirect code, must be 3xx",
    ),
    (
        http("{redirect: {scheme: ftp}}"),
        'spec.http[0].redirect.scheme: Unsupported value: "ftp": supported values: "http", "https"',
    ),
    (
        http("{directResponse: {status: 99}}"),
        "spec.http[0].directResponse.status: HTTP status 99 is not in range 200-599",
    ),
    (
        http("{" + TO_B + ", match: [{uri: {exact: /a, prefix: /b}}]}"),
        "spec.http[0].match[0].uri: only one of exact, prefix, regex can be set, got exact, prefix",
    ),
    (
        http("{" + TO_B + ", match: [{uri: {}}]}"),
        "spec.http[0].match[0].uri: one of exact, prefix, regex must be set",
    ),
    (
        http("{" + TO_B + ", match: [{method: {prefix: ''}}]}"),
        "spec.http[0].match[0].method.prefix: prefix string match should not be empty",
    ),
    (
        http("{" + TO_B + ", match: [{headers: {'a b': {exact: x}}}]}"),
        'spec.http[0].match[0].headers["a b"]: header name a b is not a valid header name',
    ),
    (
        http("{" + TO_B + ", timeout: 0s}"),
        "spec.http[0].timeout: duration must be greater than 1ms",
    ),
    (
        http("{" + TO_B + ", timeout: 1500us}"),
        "spec.http[0].timeout: only durations to ms precision are supported",
    ),
    (
        http("{" + TO_B + ", retries: {attempts: -1}}"),
        "spec.http[0].retries.attempts: attempts cannot be negative",
    ),
    (
        http("{" + TO_B + ", retries: {attempts: 0, perTryTimeout: 1s}}"),
        "spec.http[0].retries.attempts:"
        " http retry policy configured when attempts are set to 0 (disabled)",
    ),
    (
        http("{" + TO_B + ", retries: {attempts: 1, retryOn: '5xx,503,sometimes'}}"),
        'spec.http[0].retries.retryOn: "sometimes" is not a valid retryOn policy',
    ),
    (
        http("{" + TO_B + ", fault: {}}"),
        "spec.http[0].fault: HTTP fault injection must have an abort and/or a delay",
    ),
    (
        http("{" + TO_B + ", fault: {abort: {httpStatus: 503, percentage: {value: 101}}}}"),
        "spec.http[0].fault.abort.percentage.value:"
        " percentage 101 is neither 0.0, nor in range [0.0001, 100.0]",
    ),
    (
        http("{" + TO_B + ", rewrite: {authority: x}, headers: {request: {set: {host: z}}}}"),
        "spec.http[0].headers.request: authority header cannot be set multiple times:"
        ' have "x", attempting to set "z"',
    ),
    (
        http("{" + TO_B + ", headers: {response: {remove: [':status']}}}"),
        'spec.http[0].headers.response.remove[0]: invalid header ":status":'
        ' header cannot have ":" prefix',
    ),
]


@pytest.mark.parametrize(("spec", "wanted"), VIRTUAL_SERVICES)
def test_a_virtual_service(spec: str, wanted: str) -> None:
    assert found("VirtualService", spec) == [wanted]


def test_weights_need_not_add_up_to_100() -> None:
    routes = "{destination: {host: b}, weight: 120}, {destination: {host: c}, weight: 1}"
    assert found("VirtualService", http(f"{{route: [{routes}]}}")) == []


def test_rules_no_request_reaches_are_warned_of() -> None:
    rules = f"{{{TO_B}}}, {{match: [{{uri: {{prefix: /a}}}}], {TO_B}}}"
    (warning,) = found("VirtualService", http(rules), Level.WARNING)
    assert warning.startswith("spec.http[1]: VirtualService rule #1 not used")


def test_an_empty_header_match_means_present() -> None:
    assert found("VirtualService", http("{" + TO_B + ", match: [{headers: {x-a: {}}}]}")) == []


def test_what_follows_from_a_fault_is_not_reported_too() -> None:
    spec = http("{rout: [{destination: {host: b}}]}")
    assert found("VirtualService", spec) == ['spec.http[0].rout: unknown field "rout"']
    spec = http("{route: [{destination: {host: b}, weight: x}, {destination: {host: c}}]}")
    assert found("VirtualService", spec) == [
        'spec.http[0].route[0].weight: wanted a whole number, got the text "x"'
    ]


@pytest.mark.parametrize(
    ("kind", "spec", "wanted"),
    [
        (
            "DestinationRule",
            "{host: a, subsets: [{name: v1}, {name: v1}]}",
            "spec.subsets[1].name: duplicate subset names: v1",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {}}",
            "spec.trafficPolicy: traffic policy must have at least one field",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}}",
            "spec.trafficPolicy.connectionPool.tcp.maxConnections:"
            " Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}",
            "spec.trafficPolicy.outlierDetection.maxEjectionPercent:"
            " percentage 101 is not in range 0..100",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {tls: {mode: MUTUAL, privateKey: k}}}",
            "spec.trafficPolicy.tls.clientCertificate: client certificate required for mutual tls",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {loadBalancer: {simple: FASTEST}}}",
            'spec.trafficPolicy.loadBalancer.simple: Unsupported value: "FASTEST": supported values:'
            ' "UNSPECIFIED", "ROUND_ROBIN", "LEAST_REQUEST", "LEAST_CONN", "RANDOM", "PASSTHROUGH"',
        ),
        ("Gateway", "{servers: []}", "spec.servers: gateway must have at least one server"),
        (
            "Gateway",
            "{servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: ['*']}]}",
            "spec.servers[0].tls: server must have TLS settings for HTTPS/TLS protocols",
        ),
        (
            "Gateway",
            "{servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: ['*'],"
            " tls: {mode: SIMPLE}}]}",
            "spec.servers[0].tls: SIMPLE TLS requires a server certificate",
        ),
        (
            "Gateway",
            "{servers: [{port: {number: 80, name: x, protocol: WWW}, hosts: ['*']}]}",
            'spec.servers[0].port.protocol: invalid protocol "WWW", supported protocols are HTTP,'
            " HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, MONGO, REDIS, MYSQL, TCP",
        ),
        (
            "Gateway",
            "{servers: [{port: {number: 80, name: x, protocol: HTTP}, hosts: ['a/b/c']}]}",
            'spec.servers[0].hosts[0]: domain name "b/c" invalid (label "b/c" invalid)',
        ),
        (
            "ServiceEntry",
            "{hosts: [a.com], ports: [{number: 80, name: http}], endpoints: [{address: 1.1.1.1}]}",
            "spec.endpoints: no endpoints should be provided for resolution type none",
        ),
        (
            "ServiceEntry",
            "{hosts: ['*.a.com'], resolution: DNS, ports: [{number: 80, name: h, protocol: HTTP}]}",
            "spec.hosts[0]: hosts must be FQDN or contain only prefix wildcards if no endpoints are"
            ' provided for resolution mode DNS, domain name "*.a.com" invalid (label "*" invalid)',
        ),
        (
            "ServiceEntry",
            "{hosts: [a.com], resolution: MAGIC}",
            'spec.resolution: Unsupported value: "MAGIC": supported values:'
            ' "NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"',
        ),
        (
            "ServiceEntry",
            "{hosts: ['*.a.com'], resolution: DYNAMIC_DNS, ports: [{number: 80, name: h, protocol: HTTP}],"
            " endpoints: [{address: 1.1.1.1}]}",
            "spec.endpoints: no endpoints should be provided for resolution type DYNAMIC_DNS",
        ),
        (
            "PeerAuthentication",
            "{portLevelMtls: {8080: {mode: DISABLE}}}",
            "spec.portLevelMtls: mesh/namespace peer authentication cannot have port level mTLS",
        ),
        (
            "PeerAuthentication",
            "{mtls: {mode: strict}}",
            'spec.mtls.mode: Unsupported value: "strict": supported values:'
            ' "UNSET", "DISABLE", "PERMISSIVE", "STRICT"',
        ),
        (
            "AuthorizationPolicy",
            "{action: DENY}",
            "spec.rules: DENY action without `rules` is meaningless as it will never be triggered,"
            " add an empty rule `{}` if you want it be triggered for every request",
        ),
        (
            "AuthorizationPolicy",
            "{action: CUSTOM, provider: {name: a}}",
            "spec.rules: CUSTOM action without `rules` is meaningless as it will never be triggered",
        ),
        (
            "AuthorizationPolicy",
            "{action: CUSTOM, rules: [{}]}",
            "spec.provider.name: `provider.name` must not be empty",
        ),
        (
            "AuthorizationPolicy",
            "{rules: [{from: []}]}",
            "spec.rules[0].from: `from` must not be empty, found at rule 0",
        ),
        (
            "AuthorizationPolicy",
            "{rules: [{from: [{source: {}}]}]}",
            "spec.rules[0].from[0].source: `from.source` must not be empty",
        ),
        (
            "AuthorizationPolicy",
            "{rules: [{to: [{operation: {paths: ['/{**}/a']}}]}]}",
            "spec.rules[0].to[0].operation.paths[0]:"
            " invalid or unsupported path /{**}/a: {**} is not the last operator",
        ),
    ],
)
def test_istios_other_kinds(kind: str, spec: str, wanted: str) -> None:
    assert found(kind, spec) == [wanted]


def deployment(container: str = "", spec: str = "", pod: str = "") -> str:
    return (
        f"{{selector: {{matchLabels: {{app: a}}}}, {spec} template: {{metadata: {{labels: {{app: a}}}},"
        f" spec: {{{pod} containers: [{{name: c, image: i, {container}}}]}}}}}}"
    )


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        (
            "Deployment",
            deployment(spec="replicas: -1,"),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "Deployment",
            deployment().replace("labels: {app: a}}", "labels: {app: b}}", 1),
            "spec.template.metadata.labels: Invalid value: {'app': 'b'}:"
            " `selector` does not match template `labels`",
        ),
        (
            "Deployment",
            deployment(pod="restartPolicy: Never,"),
            'spec.template.spec.restartPolicy: Unsupported value: "Never":'
            ' supported values: "Always"',
        ),
        (
            "Deployment",
            deployment(spec="strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}},"),
            "spec.strategy.rollingUpdate.maxUnavailable:"
            " Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            "Deployment",
            deployment("volumeMounts: [{name: v, mountPath: /v}]"),
            'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "v"',
        ),
        (
            "Deployment",
            deployment("livenessProbe: {periodSeconds: 5}"),
            "spec.template.spec.containers[0].livenessProbe:"
            " Required value: must specify a handler type",
        ),
        (
            "Deployment",
            deployment("readinessProbe: {httpGet: {port: 80}, tcpSocket: {port: 80}}"),
            "spec.template.spec.containers[0].readinessProbe.tcpSocket:"
            " Forbidden: may not specify more than 1 handler type",
        ),
        (
            "Deployment",
            deployment("ports: [{containerPort: 80000}]"),
            "spec.template.spec.containers[0].ports[0].containerPort:"
            " Invalid value: 80000: must be between 1 and 65535, inclusive",
        ),
        (
            "Pod",
            "{containers: [{name: c, image: i}, {name: c, image: j}]}",
            'spec.containers[1].name: Duplicate value: "c"',
        ),
        (
            "Pod",
            "{volumes: [{name: v}], containers: [{name: c, image: i}]}",
            "spec.volumes[0]: Required value: must specify a volume type",
        ),
        ("Service", "{selector: {app: a}}", "spec.ports: Required value"),
        (
            "Service",
            "{ports: [{port: 80}, {port: 81, name: http}]}",
            "spec.ports[0].name: Required value",
        ),
        (
            "Service",
            "{type: Cluster, ports: [{port: 80}]}",
            'spec.type: Unsupported value: "Cluster": supported values:'
            ' "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
        ),
        ("Service", "{type: ExternalName}", "spec.externalName: Required value"),
        ("Secret", "data: {a: 'not base64!'}", "data.a: wanted base64"),
        (
            "Secret",
            "type: kubernetes.io/tls\ndata: {tls.crt: YQ==}",
            'data["tls.key"]: Required value',
        ),
    ],
)
def test_kubernetes_kinds_in_kubernetes_words(kind: str, body: str, wanted: str) -> None:
    assert found(kind, body) == [wanted]


def test_an_environment_variables_name() -> None:
    (fault,) = found("Deployment", deployment("env: [{name: 1A, value: x}]"))
    assert 'env[0].name: Invalid value: "1A": a valid environment variable name must' in fault


def test_a_port_name_that_tells_no_protocol_is_remarked_on() -> None:
    (remark,) = found("Service", "{ports: [{port: 80, name: web}]}", Level.INFO)
    assert "doesn't follow the naming convention of Istio port" in remark
    assert found("Service", "{ports: [{port: 80, name: http-web}]}", Level.INFO) == []
    assert found("Service", "{ports: [{port: 80, name: web, appProtocol: http}]}", Level.INFO) == []


def test_what_a_name_asked_for_cannot_be_seen_of_is_told() -> None:
    ports = "{number: 80, name: http, protocol: HTTP}, {number: 90, name: tcp, protocol: TCP}"
    spec = f"{{hosts: ['*.a.com'], resolution: DYNAMIC_DNS, ports: [{ports}]}}"
    assert found("ServiceEntry", spec) == []
    assert [each for each in found("ServiceEntry", spec, Level.WARNING) if "DYNAMIC" in each] == [
        "spec.ports[1].protocol: DYNAMIC_DNS goes by the host of HTTP and by the server name of TLS alone"
    ]
