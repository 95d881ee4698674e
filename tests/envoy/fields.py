"""Every field of AuthorizationPolicy with values, what fits them and what does not; policies made of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from lateen.explain.request import Request, Way
from lateen.ir.policy import Authorization
from lateen.translate.policy import authorization_of
from lateen.translate.views import Sight, index_of
from tests.envoy.judging import DESTINATION
from tests.envoy.tokens import bearer, claims, key_set, signer
from tests.translate.cases import world_in

Tree = dict[str, Any]
SIGNER = signer("ES256", "one")
ISSUER = "https://a.example.com"


def peer(namespace: str, account: str, domain: str = "cluster.local") -> Tree:
    return {"peer": f"spiffe://{domain}/ns/{namespace}/sa/{account}"}


def header(name: str, value: str) -> Tree:
    return {"headers": ((name, value),)}


def token(subject: str = "jane", issuer: str = ISSUER, **more: Any) -> Tree:
    return {"headers": bearer(SIGNER.sign(claims(issuer, subject, **more)))}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One value of a field: the rule with it, what fits it and what does not."""

    name: str
    rule: Tree
    fits: Tree
    fits_not: Tree
    http_only: bool = False


def rows() -> Iterator[Row]:
    """Each field and its twin that begins with `not`, which is fitted by what the other is not."""
    for name, value, fits, fits_not in SOURCES:
        yield from _both(name, lambda n, v: {"from": [{"source": {n: [v]}}]}, value, fits, fits_not)
    for name, value, fits, fits_not in OPERATIONS:
        yield from _both(
            name, lambda n, v: {"to": [{"operation": {n: [v]}}]}, value, fits, fits_not
        )
    for key, value, fits, fits_not in CONDITIONS:
        for field, one, other in (("values", fits, fits_not), ("notValues", fits_not, fits)):
            yield Row(
                name=f"{key}-{field}-{value}",
                rule={"when": [{"key": key, field: [value]}]},
                fits=one,
                fits_not=other,
                http_only=key.startswith("request."),
            )


def _both(
    name: str, rule: Callable[[str, str], Tree], value: str, fits: Tree, fits_not: Tree
) -> Iterator[Row]:
    negated = f"not{name[0].upper()}{name[1:]}"
    http_only = name in ("hosts", "methods", "paths", "requestPrincipals")
    for field, one, other in ((name, fits, fits_not), (negated, fits_not, fits)):
        yield Row(
            name=f"{field}-{value}",
            rule=rule(field, value),
            fits=one,
            fits_not=other,
            http_only=http_only,
        )


WEB, API = peer("shop", "web"), peer("other", "api", "old.example")
SOURCES: tuple[tuple[str, str, Tree, Tree], ...] = (
    ("principals", "cluster.local/ns/shop/sa/web", WEB, API),
    ("principals", "*/sa/web", WEB, API),
    ("principals", "*", WEB, {}),
    ("namespaces", "shop", WEB, API),
    ("namespaces", "sh*", WEB, API),
    ("serviceAccounts", "shop/web", WEB, peer("shop", "wxb")),
    ("serviceAccounts", "w.b", peer("shop", "w.b"), WEB),
    ("trustDomains", "cluster.local", WEB, API),
    ("ipBlocks", "127.0.0.2/32", {"source": "127.0.0.2"}, {"source": "127.0.0.3"}),
    ("remoteIpBlocks", "10.0.0.0/8", {"client": "10.1.1.1"}, {"client": "11.1.1.1"}),
    ("requestPrincipals", f"{ISSUER}/jane", token(), token("joe")),
    ("requestPrincipals", "*", token(), {}),
    ("requestPrincipals", f"{ISSUER}/*", token(), token(issuer="https://b.example.com")),
    ("requestPrincipals", "*/jane", token(issuer="https://b.example.com"), token("joe")),
)
OPERATIONS: tuple[tuple[str, str, Tree, Tree], ...] = (
    ("hosts", "web.example.com", {"authority": "WEB.example.com:80"}, {"authority": "web.example"}),
    ("hosts", "*.example.com", {"authority": "a.example.com."}, {"authority": "example.com"}),
    ("hosts", "web.*", {"authority": "web.org"}, {"authority": "api.org"}),
    ("ports", "80", {"port": 80}, {"port": 81}),
    ("methods", "PUT", {"method": "PUT"}, {"method": "GET"}),
    ("methods", "P*", {"method": "POST"}, {"method": "GET"}),
    ("paths", "/a", {"path": "/a?b=c"}, {"path": "/a/b"}),
    ("paths", "/a*", {"path": "/a/b"}, {"path": "/b"}),
    ("paths", "*/b", {"path": "/a/b"}, {"path": "/a/b/c"}),
    ("paths", "/a/{*}/c", {"path": "/a/b/c"}, {"path": "/a/b/b/c"}),
    ("paths", "/a/{**}", {"path": "/a/b/c"}, {"path": "/b/a"}),
)
CONDITIONS: tuple[tuple[str, str, Tree, Tree], ...] = (
    ("request.headers[X-User]", "jane", header("x-user", "jane"), header("x-user", "joe")),
    ("request.headers[X-User]", "*", header("x-user", "jane"), {}),
    ("source.ip", "127.0.0.2", {"source": "127.0.0.2"}, {"source": "127.0.0.3"}),
    ("remote.ip", "10.0.0.0/8", {"client": "10.1.1.1"}, {"client": "11.1.1.1"}),
    ("source.namespace", "shop", WEB, API),
    ("source.principal", "cluster.local/ns/shop/sa/web", WEB, API),
    ("source.serviceAccount", "shop/web", WEB, API),
    ("source.trustDomain", "cluster.local", WEB, API),
    ("request.auth.principal", f"{ISSUER}/jane", token(), {}),
    ("request.auth.audiences", "web", token(aud=["api", "web"]), token(aud="api")),
    ("request.auth.presenter", "bot*", token(azp="bot-1"), token()),
    ("request.auth.claims[group]", "admins", token(group="admins"), token(group="users")),
    ("request.auth.claims[realm][groups]", "a*", token(realm={"groups": ["x", "ab"]}), token()),
    ("request.auth.claims[scope]", "write", token(scope="read write"), token(scope="read")),
    ("destination.ip", f"{DESTINATION}/32", {}, {"address": "198.18.0.8"}),
    ("destination.port", "80", {"port": 80}, {"port": 81}),
    ("connection.sni", "web.example.com", WEB | {"sni": "web.example.com"}, WEB | {"sni": "a.b"}),
)
ROWS = {row.name: row for row in rows()}
TOKENS = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: shop}}
spec:
  jwtRules:
  - {{issuer: "{ISSUER}", jwks: '{key_set(SIGNER)}', forwardOriginalToken: true}}
  - {{issuer: "https://b.example.com", jwks: '{key_set(SIGNER)}'}}
---
"""


def authorization(*specs: Tree, tokens: str = "") -> Authorization:
    """What policies become at a pod."""
    policies = "\n---\n".join(
        json.dumps(
            {
                "apiVersion": "security.istio.io/v1",
                "kind": "AuthorizationPolicy",
                "metadata": {"name": f"p{number}", "namespace": "shop"},
                "spec": spec,
            }
        )
        for number, spec in enumerate(specs)
    )
    pods = "---\npods: {shop: {web-1: {ip: 198.18.0.1, account: web}}}\n"
    world = world_in(f"{tokens}{policies}\n{pods}")
    workload = world.workloads["shop", "web-1"]
    sight = Sight(index=index_of(world), namespace="shop", labels=workload.labels)
    made, problems = authorization_of(sight, workload)
    assert problems == ()
    return made


def asked(more: Tree) -> Request:
    """A request that says nothing special but this; a server name needs TLS, and that a name."""
    usual: Tree = {"client": "10.0.0.1", "address": DESTINATION, "port": 80, "authority": "x"}
    made = usual | more
    if not made.get("peer"):
        made.pop("sni", None)
    return Request(way=Way.INBOUND, at=time.time(), **made)


def _field(rows: tuple[tuple[str, str, Tree, Tree], ...]) -> st.SearchStrategy[Tree]:
    """One or two fields of a source or an operation, or their negations."""
    names = [(name, value) for name, value, _, _ in rows]
    negated = [(f"not{name[0].upper()}{name[1:]}", value) for name, value in names]
    some = st.lists(st.sampled_from([*names, *negated]), min_size=1, max_size=2)
    return some.map(lambda pairs: {name: [v for n, v in pairs if n == name] for name, _ in pairs})


_conditions = st.builds(
    lambda row, field: {"key": row[0], field: [row[1]]},
    st.sampled_from(CONDITIONS),
    st.sampled_from(("values", "notValues")),
)
_rules = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(_field(SOURCES).map(lambda s: {"source": s}), min_size=1, max_size=2),
        "to": st.lists(_field(OPERATIONS).map(lambda o: {"operation": o}), min_size=1, max_size=2),
        "when": st.lists(_conditions, min_size=1, max_size=2),
    },
)
specs = st.lists(
    st.fixed_dictionaries(
        {
            "action": st.sampled_from(("ALLOW", "DENY")),
            "rules": st.lists(_rules, min_size=1, max_size=2),
        }
    ),
    min_size=1,
    max_size=3,
)
_fitting = [each for rows in (SOURCES, OPERATIONS, CONDITIONS) for row in rows for each in row[2:]]
requests = st.lists(st.sampled_from(_fitting), max_size=4).map(
    lambda parts: asked({key: value for part in parts for key, value in part.items()})
)
