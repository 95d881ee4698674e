"""Who a caller is: the admin, a service account by its token, a certificate's subject, nobody."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import jwt
import pytest

from lateen.apiserver.accounttokens import AccountKey, Bound
from lateen.apiserver.app import make_app
from lateen.base.clock import FakeClock
from lateen.base.errors import EnvironmentFault
from lateen.base.origin import ObjectKey
from lateen.cluster.roles import provide_roles
from lateen.store.memory import MemoryStore
from tests.apiserver.roles import account, token_for
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import deps_for, pod, store_with

pytestmark = pytest.mark.anyio
KEY = AccountKey.make()
TOKENS = "/api/v1/namespaces/default/serviceaccounts/web/token"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def world() -> MemoryStore:
    store = store_with(account("web"), pod("web-1"))
    provide_roles(store)
    return store


async def who(client: Client, token: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    status, body = await asked(client, "POST", WHOAMI, json={}, headers=headers)
    return status, body["status"]["userInfo"] if status == 201 else body


async def test_a_token_names_its_account() -> None:
    store = world()
    async with client_of(make_app(store, deps_for(store), key=KEY), token="") as client:
        status, user = await who(client, token_for(store, KEY, "web"))
    assert status == 201
    assert user["username"] == "system:serviceaccount:default:web"
    assert user["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]


async def test_tokens_are_asked_for_and_bound_to_a_pod() -> None:
    store = world()
    uid = store.list(kind="Pod")[0].meta.uid
    body = {"spec": {"expirationSeconds": 900, "boundObjectRef": {"kind": "Pod", "name": "web-1"}}}
    async with client_of(make_app(store, deps_for(store), token=TOKEN, key=KEY)) as client:
        status, answer = await asked(client, "POST", TOKENS, json=body)
        token = answer["status"]["token"]
        said = jwt.decode(token, options={"verify_signature": False})
        assert status == 201
        assert said["exp"] - said["iat"] == 900
        assert said["kubernetes.io"]["pod"] == {"name": "web-1", "uid": uid}
        assert answer["spec"]["boundObjectRef"]["uid"] == uid
        _, user = await who(client, token)
        assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["web-1"]
        store.delete(ObjectKey(group="", kind="Pod", namespace="default", name="web-1"))
        assert (await who(client, token))[0] == 401


async def test_what_a_request_for_a_token_may_not_say() -> None:
    store = world()
    async with client_of(make_app(store, deps_for(store), token=TOKEN, key=KEY)) as client:

        async def refused(path: str = TOKENS, **spec: Any) -> tuple[int, str]:
            status, body = await asked(client, "POST", path, json={"spec": spec})
            return status, body["message"]

        status, words = await refused(expirationSeconds=10)
        assert (status, "less than 10 minutes" in words) == (422, True)
        status, words = await refused(boundObjectRef={"kind": "ConfigMap", "name": "x"})
        assert (status, "object of type ConfigMap" in words) == (400, True)
        status, words = await refused(boundObjectRef={"kind": "Pod", "name": "no"})
        assert (status, words) == (404, 'pods "no" not found')
        status, words = await refused(
            boundObjectRef={"kind": "Pod", "name": "web-1", "uid": "another"}
        )
        assert (status, "does not match the UID in record" in words) == (409, True)
        status, words = await refused(TOKENS.replace("web", "nobody"))
        assert (status, words) == (404, 'serviceaccounts "nobody" not found')
        status, words = await refused(expirationSeconds="soon")
        assert status == 400


async def test_tokens_that_open_nothing() -> None:
    clock = FakeClock()
    store = world()
    made = token_for(store, KEY, "web", clock=clock, seconds=600)
    head, payload, signature = made.split(".")
    unsigned = jwt.encode(
        jwt.decode(made, options={"verify_signature": False}), "", algorithm="none"
    )
    bad = {
        "another key": token_for(store, AccountKey.make(), "web", clock=clock),
        "another audience": token_for(store, KEY, "web", clock=clock, audiences=("vault",)),
        "a pod that is gone": token_for(
            store, KEY, "web", clock=clock, bound=Bound(kind="Pod", name="web-1", uid="old")
        ),
        "no signature": unsigned,
        "a cut signature": f"{head}.{payload}.{signature[:-4]}",
        "no token": "opensesame",
    }
    app = make_app(store, deps_for(store), token=TOKEN, key=KEY, clock=clock)
    async with client_of(app, token="") as client:
        assert (await who(client, made))[0] == 201
        for why, token in bad.items():
            assert (await who(client, token))[0] == 401, why
        await clock.advance(601)
        assert (await who(client, made))[0] == 401
        fresh = token_for(store, KEY, "web", clock=clock)
        found = ObjectKey(group="", kind="ServiceAccount", namespace="default", name="web")
        store.delete(found)
        store.put(account("web"))
        assert (await who(client, fresh))[0] == 401


async def test_nobody_is_anonymous() -> None:
    store = world()
    async with client_of(make_app(store, deps_for(store), token=TOKEN), token="") as client:
        status, body = await asked(client, "GET", "/api/v1/pods")
        assert (status, body["reason"], body["message"]) == (401, "Unauthorized", "Unauthorized")
        async with client.get("/healthz") as answer:
            assert await answer.text() == "ok"
        headers = {"Impersonate-User": "kubernetes-admin"}
        assert (await asked(client, "GET", "/api/v1/pods", headers=headers))[0] == 401


async def test_a_review_says_whose_a_token_is() -> None:
    store = world()
    token = token_for(store, KEY, "web", audiences=("vault", "api"))
    async with client_of(make_app(store, deps_for(store), token=TOKEN, key=KEY)) as client:
        spec = {"token": token, "audiences": ["vault", "other"]}
        _, body = await asked(client, "POST", REVIEWS, json={"spec": spec})
        assert body["status"]["authenticated"] is True
        assert body["status"]["audiences"] == ["vault"]
        assert body["status"]["user"]["username"] == "system:serviceaccount:default:web"
        _, body = await asked(client, "POST", REVIEWS, json={"spec": {"token": token}})
        assert "authenticated" not in body["status"]
        assert (await asked(client, "POST", REVIEWS, json={"spec": {}}))[0] == 400


async def test_others_can_verify_with_the_published_key() -> None:
    store = world()
    token = token_for(store, KEY, "web")
    async with client_of(make_app(store, deps_for(store), token=TOKEN, key=KEY)) as client:
        _, discovery = await asked(client, "GET", "/.well-known/openid-configuration")
        _, keys = await asked(client, "GET", "/openid/v1/jwks")
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    said = jwt.decode(
        token, key, algorithms=["ES256"], audience=discovery["issuer"], issuer=discovery["issuer"]
    )
    assert said["sub"] == "system:serviceaccount:default:web"


def test_the_key_is_private_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "serviceaccounts.key"
    first = AccountKey.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert AccountKey.open(path).key_id == first.key_id
    path.chmod(0o644)
    with pytest.raises(EnvironmentFault, match="can be read by others"):
        AccountKey.open(path)
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(EnvironmentFault, match="is damaged"):
        AccountKey.open(path)
