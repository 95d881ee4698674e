"""Objects together: what refers to what, and what may be stored."""

from __future__ import annotations

from pathlib import Path

from lateen.api.decode import decode_documents
from lateen.base.problem import Level
from lateen.check import Admission, admit, check_together

GUIDE = (Path(__file__).parents[1] / "api" / "guide.yaml").read_text()

REVIEWS = """
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{port: 80, name: http}]}
---
apiVersion: v1
kind: Pod
metadata: {name: reviews, labels: {app: reviews, version: v1}}
spec: {containers: [{name: c, image: i, ports: [{name: web, containerPort: 80}]}]}
---
"""


def routing(rest: str, name: str = "routing") -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        f"metadata: {{name: {name}}}\nspec: {rest}\n---\n"
    )


def istio(kind: str, spec: str, api: str = "networking.istio.io/v1") -> str:
    return f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n---\n"


def found(text: str) -> list[str]:
    decoded = decode_documents(text, "f.yaml")
    assert not [p for p in decoded.problems if p.level is Level.ERROR]
    return [f"{p.code} {p.origin.field}: {p.message}" for p in check_together(decoded.objects)]


def admitted(text: str) -> Admission:
    return admit(decode_documents(text, "f.yaml"))


def to(destination: str) -> str:
    return f"{{hosts: [reviews], http: [{{route: [{{destination: {destination}}}]}}]}}"


def test_the_guides_shapes_fit_together() -> None:
    result = admitted(GUIDE)
    assert [p for p in result.problems if p.level is not Level.INFO] == []
    assert len(result.objects) == 9


def test_a_bad_weight_an_unknown_field_and_a_dangling_host_are_three_clear_messages() -> None:
    text = REVIEWS + (
        "apiVersion: networking.istio.io/v1\n"
        "kind: VirtualService\n"
        "metadata:\n"
        "  name: reviews\n"
        "spec:\n"
        "  hosts: [reviews]\n"
        "  http:\n"
        "    - route:\n"
        "        - destination: {host: reviews}\n"
        "          weight: ninety\n"
        "        - destination: {host: revews}\n"
        "          weight: 10\n"
        "      retrys: {attempts: 3}\n"
    )
    result = admitted(text)
    start = REVIEWS.count("\n")
    who = "VirtualService default/reviews spec.http[0]"
    assert [str(problem) for problem in result.problems] == [
        f"f.yaml:{start + 10}:11: error IST0106 {who}.route[0].weight:"
        ' wanted a whole number, got the text "ninety"',
        f"f.yaml:{start + 11}:25: error IST0101 {who}.route[1].destination.host:"
        ' Referenced host not found: "revews" (did you mean "reviews"?)',
        f'f.yaml:{start + 13}:7: error IST0106 {who}.retrys: unknown field "retrys"'
        ' (did you mean "retries"?)',
    ]
    assert [str(obj.key) for obj in result.objects] == [
        "Service default/reviews",
        "Pod default/reviews",
    ]
    assert [str(key) for key in result.refused] == ["VirtualService default/reviews"]


def test_a_host_may_be_short_full_or_a_service_entrys() -> None:
    entry = istio(
        "ServiceEntry",
        "{hosts: ['*.example.com'], ports: [{number: 80, name: http, protocol: HTTP}]}",
    )
    for host in ("reviews", "reviews.default.svc.cluster.local", "api.example.com"):
        assert found(REVIEWS + entry + routing(to(f"{{host: {host}}}"))) == []
    (problem,) = found(REVIEWS + routing(to("{host: reviews.default}")))
    assert problem.startswith("IST0101 spec.http[0].route[0].destination.host")


def test_a_port_the_service_does_not_have() -> None:
    result = admitted(REVIEWS + routing(to("{host: reviews, port: {number: 81}}")))
    (problem,) = result.problems
    assert problem.message == 'Referenced host:port not found: "reviews:81"'
    assert problem.fix == "its ports are: 80"
    assert len(result.refused) == 1


def test_a_subset_no_destination_rule_defines() -> None:
    rule = istio("DestinationRule", "{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}")
    assert found(REVIEWS + rule + routing(to("{host: reviews, subset: v1}"))) == []
    (problem,) = found(REVIEWS + rule + routing(to("{host: reviews, subset: v2}")))
    assert problem.endswith('Referenced host+subset in destinationrule not found: "reviews+v2"')


def test_a_subset_no_pod_carries_is_told_but_stored() -> None:
    rule = istio("DestinationRule", "{host: reviews, subsets: [{name: v9, labels: {version: v9}}]}")
    result = admitted(REVIEWS + rule)
    assert [p.code for p in result.problems] == ["IST0173"]
    assert result.refused == frozenset()


def test_a_gateway_that_is_not_there_or_serves_other_hosts() -> None:
    gateway = istio(
        "Gateway",
        "{selector: {istio: ingressgateway}, servers:"
        " [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com']}]}",
    )
    route = "http: [{route: [{destination: {host: reviews}}]}]"
    bound = f"{{hosts: [a.example.com], gateways: [x], {route}}}"
    assert found(REVIEWS + gateway + routing(bound)) == []
    (missing,) = found(REVIEWS + routing(bound))
    assert missing == 'IST0101 spec.gateways[0]: Referenced gateway not found: "x"'
    (other,) = found(REVIEWS + gateway + routing(bound.replace("a.example.com", "a.example.org")))
    assert other.startswith("IST0132 spec.gateways[0]: one or more host [a.example.org]")


def test_a_gateway_without_workload_or_certificate() -> None:
    servers = (
        "servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'],"
        " tls: {mode: SIMPLE, credentialName: cert}}]"
    )
    (nobody,) = found(istio("Gateway", f"{{selector: {{istio: mygateway}}, {servers}}}"))
    assert nobody.startswith("IST0101 spec.selector: Referenced selector not found")
    gateway = istio("Gateway", f"{{selector: {{istio: ingressgateway}}, {servers}}}")
    (missing,) = found(gateway)
    assert missing.endswith('Referenced credentialName not found: "cert"')
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: istio-system}\n"
    assert found(f"{gateway}{secret}stringData: {{tls.crt: a, tls.key: b}}\n") == []
    (invalid,) = found(f"{gateway}{secret}stringData: {{tls.crt: a}}\n")
    assert invalid.startswith("IST0161 ")


def test_a_gateway_for_the_egress_brings_it_with_the_ports_it_serves() -> None:
    gateway = istio(
        "Gateway",
        "{selector: {istio: egressgateway}, servers:"
        " [{port: {number: 5432, name: tcp, protocol: TCP}, hosts: [db.example.com]}]}",
    )
    host = "istio-egressgateway.istio-system.svc.cluster.local"

    def route(port: int) -> str:
        destination = f"{{host: {host}, port: {{number: {port}}}}}"
        return routing(f"{{hosts: [reviews], tcp: [{{route: [{{destination: {destination}}}]}}]}}")

    assert found(REVIEWS + gateway + route(5432)) == []
    (closed,) = found(REVIEWS + gateway + route(6379))
    assert "host:port not found" in closed
    (absent,) = found(REVIEWS + route(5432))
    assert absent.endswith(f'Referenced host not found: "{host}"')


def test_policies_that_select_or_name_nobody() -> None:
    policy = istio(
        "AuthorizationPolicy",
        "{selector: {matchLabels: {app: nothing}}, rules: [{from: [{source:"
        " {principals: [cluster.local/ns/default/sa/ghost], namespaces: [default]}}]}]}",
        "security.istio.io/v1",
    )
    selects, names = found(REVIEWS + policy)
    assert selects.startswith("IST0127 spec.selector: No matching workloads")
    assert names.startswith("LAT0011 spec.rules[0].from[0].source.principals[0]: no pod runs as")


def test_what_a_pod_needs_and_does_not_find() -> None:
    pod = istio(
        "Pod",
        "{containers: [{name: c, image: i, envFrom: [{configMapRef: {name: settings}},"
        " {secretRef: {name: keys, optional: true}}]}]}",
        "v1",
    )
    (problem,) = found(pod)
    assert problem.endswith('Referenced configmap not found: "settings"')


def test_a_service_without_pods_or_with_an_unknown_port_name() -> None:
    lonely = istio("Service", "{selector: {app: nobody}, ports: [{port: 80}]}", "v1")
    assert found(lonely)[0].startswith("LAT0009 ")
    named = istio(
        "Service", "{selector: {app: reviews}, ports: [{port: 80, targetPort: www}]}", "v1"
    )
    (problem,) = found(REVIEWS + named)
    assert problem.startswith("LAT0010 spec.ports[0].targetPort")


def test_two_virtual_services_for_one_host_in_the_mesh() -> None:
    text = REVIEWS + routing(to("{host: reviews}"), "a") + routing(to("{host: reviews}"), "b")
    result = admitted(text)
    assert [p.code for p in result.problems] == ["IST0109", "IST0109"]
    assert result.refused == frozenset()


def test_what_exists_already_may_be_referred_to() -> None:
    existing = decode_documents(REVIEWS, "old.yaml").objects
    result = admit(decode_documents(routing(to("{host: reviews}")), "f.yaml"), existing)
    assert result.problems == ()


def test_a_file_that_cannot_be_read_in_part_is_named() -> None:
    result = admitted(f"{REVIEWS}a: [\n")
    assert result.unreadable == frozenset({"f.yaml"})
    assert len(result.objects) == 2


def test_an_object_that_lost_its_name_makes_its_file_unreadable_in_part() -> None:
    result = admitted(f"{REVIEWS}apiVersion: v1\nkind: ConfigMap\nmetadata: {{}}\n")
    assert result.unreadable == frozenset({"f.yaml"})


PATHS = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: admin, namespace: shop}
spec: {action: CUSTOM, provider: {name: ours}, rules: [{to: [{operation: {paths: [/admin]}}]}]}
"""
SETTINGS = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    pathNormalization: {normalization: MERGE_SLASHES}
    extensionProviders: [{name: ours, envoyExtAuthzGrpc: {service: a.b, port: 80}}]
"""


def _about_paths(text: str) -> list[tuple[str, Level]]:
    return [(p.code, p.level) for p in admitted(text).problems if p.code != "IST0127"]


def test_a_policy_is_told_how_paths_are_read_and_that_nobody_can_be_asked() -> None:
    assert _about_paths(PATHS) == [("IST0101", Level.ERROR), ("LAT0030", Level.INFO)]
    assert _about_paths(PATHS + SETTINGS) == [("LAT0030", Level.WARNING)]
    decoded = SETTINGS.replace("MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")
    assert _about_paths(PATHS + decoded) == []
