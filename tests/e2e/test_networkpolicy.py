"""NetworkPolicies hold between real pods, at once, whether they have a proxy or not, and for what is outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e import outside
from tests.e2e.harness import Mesh, eventually

POLICIES = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
ENTRIES = "/apis/networking.istio.io/v1/namespaces/shop/serviceentries"
# What came of a request within a second: its status, or "nothing in time", or the error's name.
ASK = """
import errno, json, os, socket, urllib.error, urllib.request
os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
def ask(url):
    try: return urllib.request.urlopen(url, timeout=1).status
    except urllib.error.HTTPError as fault: return fault.code
    except TimeoutError: return "nothing in time"
    except urllib.error.URLError as fault:
        why = fault.reason
        if isinstance(why, TimeoutError): return "nothing in time"
        return "no name" if isinstance(why, socket.gaierror) else type(why).__name__
    except OSError as fault: return type(fault).__name__
def ping(family, address, kind=socket.SOCK_DGRAM):
    try:
        with socket.socket(family, kind) as s:
            s.settimeout(1); s.connect(address); s.send(b"x"); s.send(b"x")
            return s.recv(9).decode()
    except OSError as error: return errno.errorcode.get(error.errno, "nothing in time")
"""
UNPROXIED = "http://{}:8080/v1/x"


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def app(name: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app": name}}}


def told(mesh: Mesh, expression: str, via: str = "") -> Any:
    """What an expression was in an app: ASK's functions are there."""
    return json.loads(mesh.inside(f"{ASK}\nprint(json.dumps({expression}))", via=via))


def becomes(mesh: Mesh, expression: str, value: object, via: str = "") -> None:
    """It is so before long."""
    seen: list[object] = []

    def now() -> bool:
        seen.append(told(mesh, expression, via))
        return seen[-1] == value

    assert eventually(now, within=10), f"{expression} is {seen[-1]!r}"


def test_a_pod_answers_those_that_are_let_in_and_no_one_else(mesh: Mesh) -> None:
    addresses = [pod["ip"] for pod in mesh.pods("api-")]
    by_name = "ask('http://api/v1/x')"
    assert told(mesh, by_name) == 200
    only = policy(
        "api-only-web",
        **app("api"),
        ingress=[{"from": [app("web")], "ports": [{"port": 8080}]}],
    )
    with mesh.made(POLICIES, only):
        # The connections that proxies keep open are held to it, too.
        becomes(mesh, by_name, "nothing in time", "/other")
        assert told(mesh, by_name) == 200
        for address in addresses:
            assert told(mesh, f"ask({UNPROXIED.format(address)!r})", "/plain") == "nothing in time"
        # Where nothing is carried at all there is no way around.
        tries = f"[ping(socket.AF_INET, ({addresses[0]!r}, 8080))," + (
            " ping(socket.AF_INET6, ('ff02::1%eth0', 8080)),"
            " ping(socket.AF_INET6, ('fe80::1%eth0', 8080), socket.SOCK_STREAM)]"
        )
        got = told(mesh, tries, "/plain")
        assert not any(got == "x" for got in got), got
        # The app's and the proxy's probes go on.
        assert all(pod["ready"] for pod in mesh.pods("api-"))
    # A caller whose identity the AuthorizationPolicy refuses is heard again, and refused by that.
    becomes(mesh, by_name, 403, "/other")


@pytest.mark.parametrize(
    ("via", "answer"),
    [
        ("/other", 200),
        ("/plain", "ConnectionResetError"),
    ],  # STRICT mTLS hears plaintext and hangs up
)
def test_a_pod_goes_where_it_may_and_names_are_found_as_in_a_cluster(
    mesh: Mesh, via: str, answer: object
) -> None:
    dns = {
        "to": [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                },
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"port": 53, "protocol": "UDP"}],
    }
    name = via[1:]
    closed = policy(f"{name}-closed", **app(name), policyTypes=["Egress"])
    to_web = {"to": [app("web")], "ports": [{"port": 8080}]}
    some = policy(f"{name}-some", **app(name), egress=[dns, to_web], policyTypes=["Egress"])
    with mesh.made(POLICIES, closed):
        becomes(mesh, "ask('http://web/')", "no name", via)
        with mesh.made(POLICIES, some):
            becomes(mesh, "ask('http://web/')", answer, via)
            assert told(mesh, "ask('http://canary/')", via) == "nothing in time"


def test_what_is_outside_is_judged_by_its_address(mesh: Mesh) -> None:
    with outside.serving() as (_, web):
        entry = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "held-outside"},
            "spec": {
                "hosts": ["held.example"],
                "location": "MESH_EXTERNAL",
                "resolution": "STATIC",
                "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": web}],
                "endpoints": [{"address": "127.0.0.1"}],
            },
        }
        names = {"ports": [{"port": 53, "protocol": "UDP"}]}
        ask = "ask('http://held.example/')"

        def held(cidr: str) -> dict[str, Any]:
            rule = {"to": [{"ipBlock": {"cidr": cidr}}]}
            return policy(
                "other-held", **app("other"), egress=[names, rule], policyTypes=["Egress"]
            )

        # In force before anyone asks: a connection that is open stays so.
        with mesh.made(POLICIES, held("10.0.0.0/8")):
            becomes(mesh, "ask('http://canary/')", "nothing in time", "/other")
            with mesh.made(ENTRIES, entry):
                becomes(mesh, ask, 503, "/other")
                becomes(mesh, ask, 200)  # it is about one pod
        with mesh.made(POLICIES, held("127.0.0.0/8")), mesh.made(ENTRIES, entry):
            becomes(mesh, ask, 200, "/other")


def test_the_gateway_is_closed_to_the_host_by_a_policy_about_it(mesh: Mesh) -> None:
    gateway = "/apis/networking.k8s.io/v1/namespaces/istio-system/networkpolicies"
    inside_only = policy("inside-only", podSelector={}, ingress=[{"from": [{"podSelector": {}}]}])
    with mesh.made(gateway, inside_only):
        assert eventually(lambda: mesh.get("/").status == 0)
    assert eventually(lambda: mesh.get("/").status == 200)
