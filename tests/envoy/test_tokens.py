"""Real tokens at a real Envoy: what is accepted, what is refused, and what the app is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lateen.explain.presenting import presented
from lateen.explain.request import Request, Unverified, Way
from lateen.ir.backends import BackendId
from lateen.ir.policy import Authorization
from lateen.ir.tokens import FetchedKeys, GivenKeys, NoKeys, TokenHeader, TokenRule
from tests.envoy import plans, real
from tests.envoy.judging import Answer, ask, listener, short_folder
from tests.envoy.test_accepted import bootstrap
from tests.envoy.tokens import Signer, bearer, claims, key_set, signer, unsigned

pytestmark = pytest.mark.e2e
RSA, EC, EC3, ED = (signer(a, a) for a in ("RS256", "ES256", "ES384", "EdDSA"))
THEIRS, STRANGER = signer("ES256", "theirs"), signer("RS256", "RS256")
A, B = "https://a.example.com", "https://b.example.com"
BEARER = TokenHeader(name="authorization", prefix="Bearer ")
SHOWN = (":path", "authorization", "cookie", "x-payload", "x-sub", "x-group", "x-token")
SOON, HOUR = 120, 3600


def rule(issuer: str, *signers: Signer, **more: Any) -> TokenRule:
    usual = {"headers": (BEARER,), "params": ("access_token",)}
    keys = GivenKeys(key_set(*signers))
    return TokenRule(**{"issuer": issuer, "keys": keys, "origin": plans.POLICY, **usual, **more})


ONE = rule(
    A,
    *(RSA, EC, EC3, ED),
    audiences=("shop", "https://shop.example.com/"),
    cookies=("token",),
    payload_header="x-payload",
    claim_headers=(("x-sub", "sub"), ("x-group", "realm.group")),
)
SITES = {
    "one": (ONE,),
    "two": (rule(A, RSA), rule(B, THEIRS, forward=True)),
    "elsewhere": (
        rule(A, RSA, headers=(TokenHeader(name="x-token", prefix="Token "),), params=()),
        rule(B, THEIRS, headers=(TokenHeader(name="x-token"),), params=("t",)),
    ),
    "lost": (rule(A, keys=NoKeys()), rule(B, THEIRS)),
}


@dataclass(frozen=True)
class Site:
    """The real Envoy, and the plan it runs."""

    folder: Path

    def ask(self, name: str, request: Request) -> Answer:
        """The real answer, which must be the one that the plan tells."""
        answer = ask(self.folder / name, request)
        told = presented(Authorization(tokens=SITES[name]), request)
        assert (answer.status in (401, 403)) == isinstance(told, Unverified), answer
        if isinstance(told, Request):
            assert answer.seen["path"] == told.path
            headers = dict(told.headers)
            for header in ("authorization", "x-sub", "x-group", "x-token"):
                assert answer.seen.get(header) == headers.get(header)
        return answer


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with short_folder() as folder:
        config = json.loads(bootstrap(plans.SIDECAR, folder))
        config["static_resources"]["listeners"] = [
            listener(Authorization(tokens=rules), folder / name, SHOWN)
            for name, rules in SITES.items()
        ]
        with real.running(config, folder):
            yield Site(folder)


def request(*headers: tuple[str, str], path: str = "/p", method: str = "GET") -> Request:
    return Request(
        way=Way.INBOUND,
        port=80,
        path=path,
        method=method,
        headers=headers,
        client="10.0.0.1",
        at=time.time(),
    )


def good(**more: Any) -> dict[str, Any]:
    return claims(A, **{"aud": "shop", **more})


@pytest.mark.parametrize("by", [RSA, EC, EC3, ED], ids=lambda by: by.algorithm)
def test_a_good_token_is_accepted_and_not_sent_on(site: Site, by: Signer) -> None:
    token = by.sign(good(realm={"group": "admins"}))
    answer = site.ask("one", request(*bearer(token)))
    assert answer.status == 200
    assert (answer.seen["x-sub"], answer.seen["x-group"]) == ("jane", "admins")
    assert "authorization" not in answer.seen


def _confused(by: Signer) -> str:
    """HS256 with the public key's text as the secret."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives import serialization

    pem = by.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = unsigned({"alg": "HS256", "kid": by.kid}, good()).rpartition(".")[0]
    made = hmac.new(pem, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{unsigned({}, {}, made).rpartition('.')[2]}"


def _relabelled(by: Signer, algorithm: str) -> str:
    """A good token under the name of another algorithm."""
    _, payload, signature = by.sign(good()).split(".")
    header = unsigned({"alg": algorithm, "kid": by.kid}, {}).partition(".")[0]
    return f"{header}.{payload}.{signature}"


def _bringing_its_key() -> str:
    import jwt

    headers = {"jwk": STRANGER.jwk, "jku": "https://evil.example.com", "kid": STRANGER.kid}
    return jwt.encode(good(), STRANGER.key, algorithm="RS256", headers=headers)


def _changed(token: str) -> str:
    header, _, signature = token.split(".")
    payload = unsigned({}, good(sub="root")).split(".")[1]
    return f"{header}.{payload}.{signature}"


def now() -> int:
    """The time a token is made: long after this file was read, in a long run."""
    return int(time.time())


ACCEPTED: dict[str, Callable[[], str]] = {
    "no-kid": lambda: RSA.sign(good(), kid=""),
    "one-of-its-audiences": lambda: EC.sign(good(aud=["other", "shop"])),
    "audience-without-scheme": lambda: EC.sign(good(aud="shop.example.com")),
    "without-expiry": lambda: EC.sign({"iss": A, "sub": "jane", "aud": "shop"}),
    "clocks-differ-a-little": lambda: EC.sign(good(exp=int(time.time()) - 20)),
}

REFUSED: dict[str, Callable[[], str]] = {
    "alg-none": lambda: unsigned({"alg": "none"}, good()),
    "alg-none-with-a-signature": lambda: unsigned({"alg": "none"}, good(), b"x"),
    "alg-None": lambda: unsigned({"alg": "None", "typ": "JWT"}, good()),
    "hs256-with-the-public-key": lambda: _confused(RSA),
    "es256-by-an-rsa-key": lambda: _relabelled(RSA, "ES256"),
    "key-of-a-stranger": lambda: STRANGER.sign(good()),
    "key-of-a-stranger-without-kid": lambda: STRANGER.sign(good(), kid=""),
    "kid-that-is-not-there": lambda: RSA.sign(good(), kid="other"),
    "kid-of-another-key": lambda: RSA.sign(good(), kid=EC.kid),
    "key-in-its-own-header": _bringing_its_key,
    "another-issuer": lambda: RSA.sign(claims(B, aud="shop")),
    "issuer-with-a-slash": lambda: RSA.sign(claims(A + "/", aud="shop")),
    "no-issuer": lambda: RSA.sign({"sub": "jane", "aud": "shop"}),
    "another-audience": lambda: RSA.sign(good(aud="bank")),
    "no-audience": lambda: RSA.sign(claims(A)),
    "expired": lambda: RSA.sign(good(exp=now() - SOON)),
    "not-yet-valid": lambda: RSA.sign(good(nbf=now() + SOON)),
    "payload-changed": lambda: _changed(RSA.sign(good())),
    "signature-cut": lambda: RSA.sign(good())[:-8],
    "no-signature": lambda: RSA.sign(good()).rpartition(".")[0],
    "not-a-token": lambda: "xyz",
    "two-tokens-in-one": lambda: f"{RSA.sign(good())},{STRANGER.sign(good())}",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(site: Site, name: str) -> None:
    assert site.ask("one", request(*bearer(ACCEPTED[name]()))).status == 200


@pytest.mark.parametrize("name", REFUSED)
def test_refused(site: Site, name: str) -> None:
    token = REFUSED[name]()
    assert site.ask("one", request(*bearer(token))).status in (401, 403)
    assert site.ask("one", request(path=f"/p?access_token={token}")).status in (401, 403)
    if "," not in token:
        assert site.ask("one", request(("cookie", f"a=b; token={token}"))).status in (401, 403)


def test_a_refusal_says_why(site: Site) -> None:
    expired = site.ask("one", request(*bearer(RSA.sign(good(exp=now() - SOON)))))
    assert (expired.status, expired.body) == (401, "Jwt is expired")
    others = site.ask("one", request(*bearer(RSA.sign(good(aud="bank")))))
    assert (others.status, others.body) == (403, "Audiences in Jwt are not allowed")


def test_without_a_token_a_request_passes_and_its_claims_are_not_believed(site: Site) -> None:
    forged = request(("x-sub", "root"), ("x-group", "admins"), ("x-payload", "e30"))
    answer = site.ask("one", forged)
    assert answer.status == 200
    assert answer.seen == {"path": "/p"}


def test_each_place_of_a_token(site: Site) -> None:
    token = RSA.sign(good())
    by_query = site.ask("one", request(path=f"/p?a=1&access_token={token}&b=2"))
    assert (by_query.status, by_query.seen["path"]) == (200, "/p?a=1&b=2")
    alone = site.ask("one", request(path=f"/p?access_token={token}"))
    assert (alone.status, alone.seen["path"]) == (200, "/p")
    assert site.ask("one", request(("cookie", f"x=1; token={token}"))).seen["x-sub"] == "jane"
    both = request(*bearer(token), path="/p?access_token=xyz")
    assert site.ask("one", both).status == 401


def test_other_words_before_a_token_are_no_token(site: Site) -> None:
    for words in ("Basic xyz", "bearer xyz", "Bearer"):
        answer = site.ask("one", request(("authorization", words)))
        assert (answer.status, answer.seen["authorization"]) == (200, words)


def test_a_browsers_question_needs_no_token(site: Site) -> None:
    asks = (("origin", "https://x"), ("access-control-request-method", "PUT"))
    assert site.ask("one", request(*asks, *bearer("xyz"), method="OPTIONS")).status == 200
    assert site.ask("one", request(*bearer("xyz"), method="OPTIONS")).status == 401


def test_several_issuers_at_one_place(site: Site) -> None:
    ours, theirs = RSA.sign(claims(A)), THEIRS.sign(claims(B))
    assert "authorization" not in site.ask("two", request(*bearer(ours))).seen
    assert site.ask("two", request(*bearer(theirs))).seen["authorization"] == f"Bearer {theirs}"
    assert site.ask("two", request()).status == 200
    assert site.ask("two", request(*bearer(THEIRS.sign(claims(A))))).status == 401
    assert site.ask("two", request(*bearer(RSA.sign(claims(B))))).status == 401
    assert site.ask("two", request(*bearer(ours), path=f"/?access_token={theirs}")).status == 401


def test_headers_of_ones_own(site: Site) -> None:
    ours = ("x-token", f"Token {RSA.sign(claims(A))}")
    assert "x-token" not in site.ask("elsewhere", request(ours)).seen
    assert site.ask("elsewhere", request(*bearer("xyz"))).status == 200
    assert site.ask("elsewhere", request(("x-token", "Token xyz"))).status == 401
    assert site.ask("elsewhere", request(path=f"/?t={THEIRS.sign(claims(B))}")).status == 200


def test_an_issuer_whose_keys_are_lost_concerns_only_its_own_tokens(site: Site) -> None:
    assert site.ask("lost", request(*bearer(RSA.sign(claims(A))))).status == 401
    assert site.ask("lost", request(*bearer(THEIRS.sign(claims(B))))).status == 200
    assert site.ask("lost", request()).status == 200


class _Issuer(ThreadingHTTPServer):
    """Gives its keys, or an error while it has none."""

    keys = ""
    asked = 0


class _Keys(BaseHTTPRequestHandler):
    server: _Issuer

    def do_GET(self) -> None:
        self.server.asked += 1
        body = self.server.keys.encode()
        self.send_response(200 if body else 503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def issuer() -> Iterator[_Issuer]:
    with _Issuer(("127.0.0.1", 0), _Keys) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def _fetching(folder: Path, port: int) -> dict[str, Any]:
    """An Envoy that fetches the keys of A from a port of the loopback."""
    backend = BackendId(host="keys", port=80)
    keys = FetchedKeys(uri="http://keys/certs", backend=backend)
    rules = (rule(A, keys=keys), rule(B, THEIRS))
    config: dict[str, Any] = json.loads(bootstrap(plans.SIDECAR, folder))
    at = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    place = {"endpoints": [{"lb_endpoints": [{"endpoint": at}]}], "cluster_name": "x"}
    cluster = {"name": "outbound|80||keys", "type": "STATIC", "load_assignment": place}
    config["static_resources"]["clusters"].append(cluster)
    config["static_resources"]["listeners"] = [
        listener(Authorization(tokens=rules), folder / "fetch", SHOWN)
    ]
    return config


def test_keys_are_fetched_kept_and_asked_for_again_when_they_did_not_come(issuer: _Issuer) -> None:
    ours, theirs = RSA.sign(claims(A)), THEIRS.sign(claims(B))
    with short_folder() as folder, real.running(_fetching(folder, issuer.server_port), folder):
        at = folder / "fetch"
        assert ask(at, request(*bearer(ours))).status == 401  # no keys came
        assert ask(at, request(*bearer(theirs))).status == 200
        assert ask(at, request()).status == 200
        issuer.keys = key_set(RSA)
        _until(lambda: ask(at, request(*bearer(ours))).status == 200)
        asked = issuer.asked
        issuer.keys = ""  # the issuer goes away; its keys are kept
        for _ in range(5):
            assert ask(at, request(*bearer(ours))).status == 200
        assert ask(at, request(*bearer(STRANGER.sign(claims(A))))).status == 401
        assert issuer.asked == asked


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)
