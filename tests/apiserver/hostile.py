"""Requests nobody sends in good faith, made from a seed.

In: random.Random.    Out: Hostile requests; `judged`, what is wrong with an answer.
"""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lateen.api.kinds import KINDS, Kind
from lateen.store.memory import MemoryStore
from tests.apiserver.world import config_map, deployment, pod, store_with, virtual_service

ALLOWED_FAULTS = (501, 504)  # not served; a revision that is not reached yet
SLOWEST = 5.0  # seconds
NAMES = ("one", "web", "a" * 300, "..", "%2e%2e", "A_b", "\u0000", "é", "kube root", "x")
USUAL = ("one", "web", "x")
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
TYPES = (*PATCHES, "application/json", "application/yaml", "text/plain", "", "a/b; c=d; ==")
QUERIES = {
    "dryRun": ("All", "", "None", "all"),
    "fieldManager": ("me", "", "x" * 200, "\u0007", "kubectl"),
    "fieldSelector": ("metadata.name=a", "a", "=", "status.phase!=x,", "metadata.name==\u0000"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "strict"),
    "force": ("true", "", "2"),
    "gracePeriodSeconds": ("0", "-1", "x", "9" * 30),
    "includeObject": ("None", "Object", "All"),
    "labelSelector": ("a=b", "a in (b", "!a", "a==b==c", "a notin ()", "," * 50, "((((("),
    "limit": ("1", "0", "-1", "x", "9" * 18, "٣"),
    "continue": ("x", "bm9uZQ==", "eyJydiI6MX0=", "\u0000"),
    "propagationPolicy": ("Orphan", "Foreground", "Background", "None"),
    "resourceVersion": ("0", "1", "x", "-1", "9" * 18),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x"),
    "pretty": ("true",),
}
_SEEDED = [k for k in KINDS if k.kind in ("ConfigMap", "Deployment", "Pod", "VirtualService")]
SCALARS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    -(2**63),
    10**30,
    1.5,
    1e308,
    "",
    " ",
    "x" * 5000,
    "\u0000",
    "\ud800",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "1e9999",
    "true",
    "null",
    "Infinity",
    "%",
    "é́",
    [],
    {},
    [[]],
    [None],
    {"": ""},
    {"$patch": "replace"},
    {"$patch": "delete"},
    [{"$patch": "replace"}],
    {"$retainKeys": "x"},
    {"$setElementOrder/containers": [{"name": 1}, 2]},
    {"$deleteFromPrimitiveList/finalizers": {}},
    [{"name": "a"}, {"name": "a"}],
    [{"name": None}, {"name": []}],
)
BYTES = (
    b"",
    b"{",
    b"[" * 2000,
    b'{"a":' * 2000,
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b'"x"',
    b"a: &a [*a]",
    b"a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b]",
    b"--- \n---\n",
    b"!!python/object:os.system {}",
    b"k8s\x00\n\x0c",
    b'{"a":1e999}',
    b'{"a":NaN}',
    b'{"metadata":{"name":"x","name":"y"}}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One request; `path` is already quoted."""

    method: str
    path: str
    content_type: str
    body: bytes


def attacked() -> MemoryStore:
    """A store with objects of the usual names."""
    return store_with(
        *(
            made
            for name in USUAL
            for made in (
                config_map(name, a="1"),
                deployment(name),
                pod(name),
                virtual_service(name, ("web", 100)),
            )
        )
    )


def hostile(rng: random.Random) -> Hostile:
    """The next request."""
    kind = rng.choice(KINDS if rng.random() < 0.4 else _SEEDED)
    method = rng.choices(("POST", "PUT", "PATCH", "DELETE", "GET"), weights=(20, 20, 45, 1, 14))[0]
    content_type = rng.choice(PATCHES if method == "PATCH" and rng.random() < 0.9 else TYPES)
    if method in ("POST", "PUT") and rng.random() < 0.9:
        content_type = "application/json"
    version = kind.api_version(rng.choice(kind.versions))
    name = rng.choice(USUAL if rng.random() < 0.9 else NAMES)
    return Hostile(
        method=method,
        path=_path(rng, kind, version, method, name),
        content_type=content_type,
        body=_body(rng, kind, version, content_type, name),
    )


def judged(answer_status: int, content_type: str, body: bytes) -> str:
    """What is wrong with an answer; "" if nothing is."""
    if answer_status >= 500 and answer_status not in ALLOWED_FAULTS:
        return f"status {answer_status}"
    if answer_status < 400:
        return ""
    if content_type != "application/json":
        return f"a refusal in {content_type}"
    said = json.loads(body)
    if said.get("kind") != "Status" or said.get("code") != answer_status or not said["message"]:
        return f"a refusal that is no Status: {said}"
    return "a traceback" if "Traceback" in said["message"] else ""


def _path(rng: random.Random, kind: Kind, version: str, method: str, name: str) -> str:
    root = f"/apis/{version}" if kind.group else f"/api/{version}"
    namespace = "default" if rng.random() < 0.95 else rng.choice(NAMES)
    inside = f"/namespaces/{quote(namespace, safe='')}" if kind.namespaced else ""
    path = f"{root}{inside}/{kind.plural}"
    if method != "POST" and rng.random() < 0.9:
        path += "/" + quote(name, safe="")
        if rng.random() < 0.2:
            path += "/" + rng.choice(("status", "scale", "log", "nonsense", "%00"))
    asked = rng.sample(sorted(QUERIES), rng.randrange(3))
    query = "&".join(f"{name}={quote(rng.choice(QUERIES[name]))}" for name in asked)
    if method == "PATCH" and "fieldManager" not in asked:
        query += "&fieldManager=fuzz"
    return f"{path}?{query}"


def _body(rng: random.Random, kind: Kind, version: str, content_type: str, name: str) -> bytes:
    if rng.random() < 0.05:
        return rng.choice(BYTES)
    if content_type == "application/json-patch+json":
        tree: Any = [_operation(rng) for _ in range(rng.randrange(4))]
    else:
        tree = _tree(kind, version, name)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
            tree = mutated(rng, tree)
    return json.dumps(tree).encode()


def _tree(kind: Kind, version: str, name: str) -> Any:
    known = {
        "ConfigMap": config_map(name, a="1"),
        "Deployment": deployment(name),
        "Pod": pod(name),
        "VirtualService": virtual_service(name, ("web", 100)),
    }
    plain = {
        "apiVersion": version,
        "kind": kind.kind,
        "metadata": {"name": name},
        "spec": {},
    }
    return copy.deepcopy(known.get(kind.kind, plain)) | {"apiVersion": version}


def _operation(rng: random.Random) -> Any:
    paths = ("", "/", "/metadata/name", "/spec", "/data/a", "/a/b/c", "x", "/~2", "/metadata/-")
    operation = {
        "op": rng.choice(("add", "remove", "replace", "move", "copy", "test", "x", None)),
        "path": rng.choice(paths),
        "from": rng.choice(paths),
        "value": copy.deepcopy(rng.choice(SCALARS)),
    }
    return mutated(rng, operation) if rng.random() < 0.3 else operation


def mutated(rng: random.Random, tree: Any) -> Any:
    """The tree with one part of it replaced, removed, renamed or doubled."""
    if not isinstance(tree, dict | list) or not tree or rng.random() < 0.15:
        return copy.deepcopy(rng.choice(SCALARS))
    if isinstance(tree, list):
        at = rng.randrange(len(tree))
        if rng.random() < 0.2:
            return [*tree, copy.deepcopy(tree[at])]
        return [mutated(rng, part) if n == at else part for n, part in enumerate(tree)]
    name = rng.choice(sorted(tree, key=str))
    chance = rng.random()
    if chance < 0.1:
        return {k: v for k, v in tree.items() if k != name}
    if chance < 0.2:
        return {(k + "\u0000" if k == name else k): v for k, v in tree.items()}
    if chance < 0.3:
        managed = [{"manager": "m", "operation": "Apply", "fieldsV1": rng.choice(SCALARS)}]
        extra = rng.choice(({"managedFields": managed}, {"finalizers": ["a/b", 1]}, {"x" * 50: 1}))
        return tree | extra
    return tree | {name: mutated(rng, tree[name])}
