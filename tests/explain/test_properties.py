"""Properties of the shop: proved as it is, refuted once a character of its YAML is another."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from lateen.explain.differing.meshes import Mesh
from lateen.explain.properties.forms import Property, read_properties
from lateen.explain.properties.proving import check_property
from lateen.explain.properties.verdicts import Proved, Refuted, Sampled, told
from lateen.stages.drafts import draft_from

SHOP = Path(__file__).parents[1] / "cases" / "properties"
TEXT = (SHOP / "shop.yaml").read_text()

# By property: the text that one character of is changed, and how.
BROKEN = {
    "no workload outside payments reaches the ledger's admin pages": ("[/admin/*]", "[/admin/]"),
    "every mutation needs a token": ("PATCH, DELETE]", "PATCH, DELET]"),
    "nothing leaves except through the egress gateway": (
        "hosts: [bank.example.org]\n  gateways: [mesh, out]",
        "hosts: [bank.example.or]\n  gateways: [mesh, out]",
    ),
    "only web reaches the reviews": (
        "{matchLabels: {app: reviews}}\n  rules",
        "{matchLabels: {app: review}}\n  rules",
    ),
    "outside reaches nothing of web but the shop": ("{prefix: /shop/}", "{prefix: /shop}"),
}


def properties() -> tuple[Property, ...]:
    found, faults = read_properties(
        yaml.safe_load((SHOP / "shop.mesh-test.yaml").read_text())["properties"]
    )
    assert not faults
    return found


BY_NAME = {each.name: each for each in properties()}


@cache
def mesh_of(text: str) -> Mesh:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.yaml"
        path.write_text(text)
        draft = draft_from([str(path)])
    assert not draft.refused, draft.problems
    return Mesh(world=draft.world, plans=draft.plans)


def broken(name: str) -> Mesh:
    """The shop with the one character changed that breaks a property."""
    before, after = BROKEN[name]
    assert TEXT.count(before) == 1, TEXT.count(before)
    assert sum(a != b for a, b in zip(before, after, strict=False)) >= 0
    assert abs(len(before) - len(after)) <= 1
    return mesh_of(TEXT.replace(before, after))


@pytest.mark.parametrize("name", BY_NAME)
def test_it_holds_in_the_shop(name: str) -> None:
    verdict = check_property(mesh_of(TEXT), BY_NAME[name])
    assert isinstance(verdict, Proved), verdict


@pytest.mark.parametrize("name", BROKEN)
def test_one_character_breaks_it(name: str) -> None:
    verdict = check_property(broken(name), BY_NAME[name])
    print(verdict)
    assert isinstance(verdict, Refuted), verdict
    assert verdict.confirmed


def refuted(text: str, wanted: Property) -> Refuted:
    verdict = check_property(mesh_of(text), wanted)
    assert isinstance(verdict, Refuted), verdict
    assert verdict.confirmed
    return verdict


def only(yaml_text: str) -> Property:
    found, faults = read_properties(yaml.safe_load(yaml_text))
    assert not faults
    return found[0]


def test_what_breaks_it_is_told_with_the_rules() -> None:
    name = "no workload outside payments reaches the ledger's admin pages"
    lines = told(check_property(broken(name), BY_NAME[name]))
    assert lines[0] == "GET http://ledger.payments/admin/a from batch.shop gets to ledger.payments"
    assert "AuthorizationPolicy payments/ledger spec.rules[1]" in lines[2]
    assert told(check_property(mesh_of(TEXT), BY_NAME[name])) == ()


def test_a_pod_is_reached_by_its_own_address_too() -> None:
    """What comes so has no certificate: mTLS that is not strict lets it in."""
    text = TEXT.replace("mode: STRICT", "mode: PERMISSIVE").replace("REGISTRY_ONLY", "ALLOW_ANY")
    wanted = only("[{name: a, never: {to: {workloads: [cashier.payments], mtls: false}}}]")
    assert isinstance(check_property(mesh_of(TEXT), wanted), Proved)
    opened = text.replace("image: cashier}", "image: cashier, ports: [{containerPort: 8080}]}")
    found = refuted(opened, wanted)
    assert found.request.address == found.arrived.address if found.arrived else False


def test_a_network_policy_keeps_out_who_has_no_way_around_it() -> None:
    wanted = only(
        "[{name: a, never: {from: {workloads: [batch.shop]}, to: {workloads: [web.shop]}}}]"
    )
    assert refuted(TEXT, wanted).source == "batch.shop"
    closed = (
        TEXT
        + """---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: cashier}}}]}]
"""
    )
    assert isinstance(check_property(mesh_of(closed), wanted), Proved)


def test_a_path_is_judged_as_the_target_reads_it() -> None:
    """`%2F` is a slash for the ledger's proxy, which goes by paths, and none for the sender's."""
    routed = (
        TEXT
        + """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ledger, namespace: payments}
spec:
  hosts: [ledger]
  http:
  - match: [{uri: {prefix: /admin/}}]
    directResponse: {status: 404}
  - route: [{destination: {host: ledger}}]
"""
    )
    wanted = only(
        "[{name: a, never: {from: {workloads: [cashier.payments]},"
        " to: {workloads: [ledger.payments], hosts: [ledger.payments], paths: [/admin/*]}}}]"
    )
    found = refuted(routed, wanted)
    assert "%2F" in found.request.path
    assert found.arrived
    assert found.arrived.path == "/admin/"


def test_what_is_rewritten_on_the_way_is_judged_as_it_arrives() -> None:
    text = TEXT.replace(
        "headers: {request: {remove: [x-debug]}}", "rewrite: {uri: /admin/}"
    ).replace("notPaths: [/admin/*]", "notPaths: [/admin/*]")
    wanted = only(
        "[{name: a, never: {from: {outside: true}, to: {workloads: [web.shop], paths: [/admin/x]}}}]"
    )
    assert isinstance(check_property(mesh_of(TEXT), wanted), Proved)
    assert refuted(text, wanted).request.path == "/shop/x"


def test_what_always_arrives_no_longer_does() -> None:
    wanted = BY_NAME["web always gets to the reviews"]
    text = TEXT.replace("sa/web]", "sa/webb]")
    verdict = check_property(mesh_of(text), wanted)
    assert isinstance(verdict, Refuted)
    assert verdict.source == "web.shop"


def test_what_cannot_be_followed_is_no_proof() -> None:
    wanted = only(
        r"[{name: a, never: {from: {outside: true}, to: {workloads: [web.shop], paths: ['~/shop\bx']}}}]"
    )
    verdict = check_property(mesh_of(TEXT), wanted)
    assert isinstance(verdict, Sampled)
    assert any("word boundary" in doubt for doubt in verdict.doubts)


def test_what_goes_past_a_proxy_is_no_proof() -> None:
    wanted = BY_NAME["only web reaches the reviews"]
    assert isinstance(check_property(mesh_of(TEXT), wanted), Proved)
    labels = "metadata: {labels: {app: reviews, version: v1}"
    spared = f'{labels}, annotations: {{traffic.sidecar.istio.io/excludeInboundPorts: "8080"}}'
    assert labels in TEXT
    verdict = check_property(mesh_of(TEXT.replace(labels, spared)), wanted)
    assert isinstance(verdict, Sampled)
    assert verdict.doubts == ("what goes past the proxy of reviews-v1.shop is not followed",)


def test_faults_in_a_property_say_where_and_what_is_wanted() -> None:
    _, faults = read_properties(
        yaml.safe_load(
            "[{name: a, never: {too: {}}}, {name: b}, 3,"
            " {name: c, always: {to: {workloads: [x]}}},"
            " {name: d, never: {to: {methods: GET, token: yes please, colour: red}}}]"
        )
    )
    said = "\n".join(f"{path}: {words}" for path, words in faults)
    for words in (
        "properties[0].never.too: not known here; there are from, to",
        "properties[1]: a name is wanted, and one of never and always",
        "properties[2]: a property is wanted",
        "properties[3].always.to.hosts: always is about requests to a host",
        "properties[4].never.to.methods: a list of texts is wanted",
        "properties[4].never.to.token: true or false is wanted",
        "properties[4].never.to.colour: not known here",
    ):
        assert words in said


RAW = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: raw, namespace: payments}
spec:
  selector: {istio: ingressgateway}
  servers: [SERVER]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: raw, namespace: payments}
spec: {hosts: ["*"], gateways: [raw], ROUTES}
---
apiVersion: v1
kind: Service
metadata: {name: vault, namespace: payments}
spec: {selector: {app: vault}, ports: [{name: PROTOCOL, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: vault, namespace: payments, labels: {app: vault}}
spec: {containers: [{name: vault, image: vault, ports: [{containerPort: 8080}]}]}
"""
TO_VAULT = "route: [{destination: {host: vault, port: {number: 80}}}]"
TCP_SERVER = '{port: {number: 9000, name: tcp, protocol: TCP}, hosts: ["*"]}'
TCP_ROUTES = f"tcp: [{{match: [{{port: 9000}}], {TO_VAULT}}}]"
PASSED_SERVER = (
    "{port: {number: 8443, name: tls, protocol: TLS}, tls: {mode: PASSTHROUGH},"
    " hosts: [a.example.com, b.example.com]}"
)
PASSED_ROUTES = f"tls: [{{match: [{{port: 8443, sniHosts: [b.example.com]}}], {TO_VAULT}}}]"
VAULT = "[{name: a, never: {from: {outside: true}, to: {workloads: [vault.payments]}}}]"
CLOSED = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: raw, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  action: DENY
  rules: [RULE]
"""


def raw(server: str, routes: str, protocol: str, rule: str = "") -> str:
    text = RAW.replace("SERVER", server).replace("ROUTES", routes).replace("PROTOCOL", protocol)
    return TEXT + text + (CLOSED.replace("RULE", rule) if rule else "")


@pytest.mark.parametrize(
    ("server", "routes", "protocol", "rule"),
    [
        (TCP_SERVER, TCP_ROUTES, "tcp", '{to: [{operation: {ports: ["9000"]}}]}'),
        (TCP_SERVER, TCP_ROUTES, "http", '{to: [{operation: {ports: ["9000"]}}]}'),
        (
            PASSED_SERVER,
            PASSED_ROUTES,
            "tls",
            "{when: [{key: connection.sni, values: [b.example.com]}]}",
        ),
    ],
)
def test_what_a_gateway_hands_on_as_it_is_arrives_unless_its_policies_refuse_it(
    server: str, routes: str, protocol: str, rule: str
) -> None:
    found = refuted(raw(server, routes, protocol), only(VAULT))
    assert found.source.startswith("outside through istio-ingressgateway")
    assert found.target == "vault.payments"
    closed = check_property(mesh_of(raw(server, routes, protocol, rule)), only(VAULT))
    assert isinstance(closed, Proved), closed


def test_tls_that_a_gateway_leaves_as_it_is_is_no_http() -> None:
    text = raw(PASSED_SERVER, PASSED_ROUTES, "http")
    assert isinstance(check_property(mesh_of(text), only(VAULT)), Proved)


def test_a_gateway_that_pours_connections_outside_is_a_way_out() -> None:
    entry = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: payments}
spec: {hosts: [far.example.net], resolution: DNS, ports: [{number: 80, name: tcp, protocol: TCP}]}
"""
    wanted = only(
        "[{name: a, never: {from: {workloads: [istio-ingressgateway.istio-system]}, to: {outside: true}}}]"
    )
    routes = TCP_ROUTES.replace("vault", "far.example.net")
    found = refuted(raw(TCP_SERVER, routes, "tcp") + entry, wanted)
    assert found.request.raw
    assert found.request.port == 9000
    closed = raw(TCP_SERVER, routes, "tcp", '{to: [{operation: {ports: ["9000"]}}]}') + entry
    assert isinstance(check_property(mesh_of(closed), wanted), Proved)
