"""A request's whole way: through proxies, over legs, to who answers; and why not to another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from lateen.base.errors import LateenError
from lateen.cluster.pretending import pretend
from lateen.explain.asking import Ask, ask_of
from lateen.explain.drawing import data_of, dot_of, html_of
from lateen.explain.journey import journey_from, journey_via
from lateen.explain.mesh import mesh_of
from lateen.explain.steps import Part
from lateen.explain.telling import told
from lateen.explain.ways import End, Journey, ends_of, hops_of
from lateen.explain.whynot import why_not
from lateen.stages.drafts import Draft, draft_as_is, named_workload
from tests.cluster.simulated import read

SHOP = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: bare, labels: {istio-injection: disabled}}
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: v3, labels: {version: v3}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - name: jason
    match: [{headers: {end-user: {exact: jason}}}]
    rewrite: {uri: /inner}
    headers: {request: {set: {x-way: jason}}}
    route: [{destination: {host: reviews, subset: v2}}]
  - name: broken
    match: [{uri: {prefix: /broken}}]
    fault: {abort: {percentage: {value: 25}, httpStatus: 418}}
    route: [{destination: {host: reviews, subset: v3}}]
  - name: most
    timeout: 2s
    retries: {attempts: 2, retryOn: 5xx}
    route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v2}, weight: 10}
    mirror: {host: reviews, subset: v2}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: way, namespace: shop}
spec:
  selector: {matchLabels: {version: v2}}
  action: DENY
  rules: [{when: [{key: "request.headers[x-way]", values: [jason]}], to: [{operation: {paths: [/innersecret]}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {matchLabels: {app: closed}}, policyTypes: [Ingress]}
---
apiVersion: v1
kind: Service
metadata: {name: closed, namespace: shop}
spec: {selector: {app: closed}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: main, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [istio-system/main]
  http:
  - match: [{uri: {prefix: /old}}]
    redirect: {uri: /new}
  - route: [{destination: {host: reviews.shop.svc.cluster.local, port: {number: 9080}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: shop}
spec:
  hosts: [far.example.org]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {app}, version: {version}}}}}
spec: {{containers: [{{name: app, image: app}}]}}
"""
PODS = [
    POD.format(name="web", namespace="shop", app="web", version="v1"),
    POD.format(name="v1", namespace="shop", app="reviews", version="v1"),
    POD.format(name="v2", namespace="shop", app="reviews", version="v2"),
    POD.format(name="closed", namespace="shop", app="closed", version="v1"),
    POD.format(name="plain", namespace="bare", app="plain", version="v1"),
]


@pytest.fixture(scope="module")
def shop() -> Draft:
    return draft_as_is(pretend(read(SHOP, *PODS)).objects)


def go(draft: Draft, ask: Ask, source: str = "web") -> Journey:
    mesh = mesh_of(draft.world, draft.plan)
    if source == "outside":
        return journey_via(mesh, ask, named_workload(draft.world, "istio-ingressgateway"))
    return journey_from(mesh, ask, named_workload(draft.world, source))


def ends(draft: Draft, url: str, source: str = "web", **headers: str) -> list[End]:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return list(ends_of(go(draft, ask_of("GET", url, headers=pairs), source)))


def summed(found: list[End]) -> list[tuple[float, int, str]]:
    return [(round(end.share, 2), end.answer.status, end.answer.by) for end in found]


def test_shares_follow_the_weights(shop: Draft) -> None:
    assert summed(ends(shop, "http://reviews:9080/")) == [
        (90.0, 200, "shop/v1"),
        (10.0, 200, "shop/v2"),
    ]


def test_the_destination_sees_what_the_source_made_of_it(shop: Draft) -> None:
    (end,) = ends(shop, "http://reviews:9080/x", end_user="jason")
    last = end.hops[-1].request
    assert last.path == "/innerx"
    assert dict(last.headers)["x-way"] == "jason"
    assert last.peer == "spiffe://cluster.local/ns/shop/sa/default"
    (end,) = ends(shop, "http://reviews:9080/secret", end_user="jason")
    assert (end.answer.status, end.answer.by) == (403, "the proxy of shop/v2")
    assert "policy[way]-rule[0]" in end.answer.why


def test_an_abort_takes_its_share_and_what_has_no_endpoint_is_503(shop: Draft) -> None:
    found = ends(shop, "http://reviews:9080/broken")
    assert [(round(e.share), e.answer.status) for e in found] == [(25, 418), (75, 503)]
    assert "has no endpoint" in found[1].answer.why


def test_a_copy_is_told_and_answers_nobody(shop: Draft) -> None:
    journey = go(shop, ask_of("GET", "http://reviews:9080/"))
    assert sum(end.share for end in ends_of(journey)) == pytest.approx(100)
    assert [hop.workload.name for hop in hops_of(journey)] == ["web", "v1", "v2", "v2"]
    assert [hop.request.authority for hop in hops_of(journey)][-1] == "reviews-shadow:9080"


def test_from_outside_by_the_gateway(shop: Draft) -> None:
    (end,) = ends(shop, "http://shop.example.com/old", "outside")
    assert (end.answer.status, end.answer.location) == (301, "http://shop.example.com/new")
    found = ends(shop, "http://shop.example.com/", "outside")
    assert sum(end.share for end in found) == pytest.approx(100)
    assert {hop.workload.workload for end in found for hop in end.hops[:1]} == {
        "istio-ingressgateway"
    }
    (end,) = ends(shop, "http://shop.example.com:81/", "outside")
    assert (end.answer.status, end.answer.app) == (0, False)


def test_a_pod_without_a_proxy_is_refused_where_mtls_is_asked_for(shop: Draft) -> None:
    (end,) = ends(shop, "http://reviews.shop:9080/", "plain")
    assert (end.answer.status, end.answer.app) == (0, False)
    step = next(s for s in end.hops[-1].steps if s.part is Part.MTLS)
    assert (step.name, step.held) == ("STRICT", False)


SPARING = """
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: shop
  labels: {{app: {name}}}
  annotations: {{traffic.sidecar.istio.io/{what}: "{value}"}}
spec: {{containers: [{{name: app, image: app, ports: [{{containerPort: 9080}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 9080}}]}}
"""


def sparing(name: str, what: str, value: str) -> Draft:
    further = SPARING.format(name=name, what=what, value=value).split("---")
    return draft_as_is(pretend(read(SHOP, *PODS, *further)).objects)


@pytest.mark.parametrize(
    ("what", "value"),
    [("excludeOutboundPorts", "9080"), ("excludeOutboundIPRanges", "198.19.0.0/16")],
)
def test_what_goes_past_the_senders_proxy_is_plaintext(what: str, value: str) -> None:
    draft = sparing("job", what, value)
    (end,) = ends(draft, "http://reviews:9080/", "job")
    assert (end.answer.status, end.answer.app) == (0, False)
    assert end.hops[0].outcome is None
    (end,) = ends(draft, "http://far.example.org/", "job")
    assert end.hops[0].outcome is not None, "all else meets the proxy"


def test_an_app_behind_no_proxy_is_reached_in_the_clear_alone() -> None:
    draft = sparing("open", "excludeInboundPorts", "9080")
    (end,) = ends(draft, "http://open.shop:9080/", "plain")
    assert (end.answer.status, end.answer.by, end.answer.app) == (200, "shop/open", True)
    (end,) = ends(draft, "http://open:9080/", "web")
    assert (end.answer.status, end.answer.app) == (503, False)
    assert "sent the mesh's TLS" in end.answer.why


def test_a_network_policy_holds_up_what_no_rule_lets_pass(shop: Draft) -> None:
    (end,) = ends(shop, "http://closed/")
    assert end.answer.status == 503
    assert [step.part for step in end.legs[-1].steps] == [Part.PACKETS]


def test_what_is_outside_answers_itself(shop: Draft) -> None:
    assert summed(ends(shop, "http://far.example.org/")) == [
        (100.0, 200, "far.example.org:80 outside")
    ]
    (end,) = ends(shop, "http://reviews:9081/")
    assert (end.answer.by, end.answer.app) == ("nobody", False)
    (end,) = ends(shop, "http://reviewz/")
    assert (end.answer.by, end.answer.status) == ("DNS", 0)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("reviews/v2", None),
        ("reviews/v3", 'path is "/", not "/broken*"'),
        ("reviews/v9", "no subset of a DestinationRule is called so"),
        ("closed", "no rule of the virtual host reviews.shop"),
    ],
)
def test_why_it_does_not_come_elsewhere(shop: Draft, wanted: str, words: str | None) -> None:
    journey = go(shop, ask_of("GET", "http://reviews:9080/"))
    reasons = [step.why for step in why_not(journey, wanted, shop.plan)]
    assert bool(reasons) == (words is not None)
    assert words is None or any(words in reason for reason in reasons)


def test_a_rule_behind_the_one_taken_is_told_as_such(shop: Draft) -> None:
    ask = ask_of("GET", "http://reviews:9080/", headers=[("end-user", "jason")])
    reasons = why_not(go(shop, ask), "reviews/v1", shop.plan)
    assert any("stands before it and takes it" in step.why for step in reasons)


def test_it_is_told_in_lines_in_data_as_a_graph_and_as_a_page(shop: Draft) -> None:
    journey = go(shop, ask_of("GET", "http://reviews:9080/"))
    lines = "\n".join(told(journey))
    assert 'rule jason: header end-user is absent, not "jason"' in lines
    assert "2 retries on 5xx" in lines
    assert "timeout 2 s" in lines
    data = json.loads(json.dumps(data_of(journey)))
    assert [answer["share"] for answer in data["answers"]] == [90.0, 10.0]
    assert data["hop"]["legs"][0]["hop"]["workload"] == "shop/v1"
    assert dot_of(journey).count("->") == 3
    assert 'label="90 % v1"' in dot_of(journey)
    assert set(_tags(html_of(journey))) >= {"details", "summary", "li"}


def _tags(page: str) -> Iterator[str]:
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            del attrs
            found.append(tag)

    Reader().feed(page)
    yield from found


@pytest.mark.parametrize("url", ["reviews", "ftp://x/", "http:///x", "tcp://x", "http://x:99999/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(LateenError):
        ask_of("GET", url)


def test_claims_given_as_json_count_as_signed() -> None:
    ask = ask_of("GET", "http://x/", jwt='{"iss": "a", "sub": "b"}')
    assert ask.headers[0][0] == "authorization"
    assert ask.headers[0][1].removeprefix("Bearer ") in ask.trusted
    with pytest.raises(LateenError, match="neither a token nor claims"):
        ask_of("GET", "http://x/", jwt="{x")
