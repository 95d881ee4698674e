"""Give out tokens of service accounts, and say whose token one is.

In: a TokenRequest or TokenReview.    Out: it, with its status; the key set and who signs.
Before: apiserver/accounttokens.py, authenticating.py, questions.py        After: apiserver/app.py

Source: Kubernetes "Managing Service Accounts", authentication.k8s.io/v1, OpenID Connect Discovery.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from lateen.api.authentication import (
    BoundObjectReference,
    TokenRequest,
    TokenRequestSpec,
    TokenReview,
)
from lateen.api.objects import Obj
from lateen.apiserver.accounttokens import (
    API_AUDIENCE,
    LONGEST,
    SHORTEST,
    USUAL,
    Bound,
    Claims,
    discovery_document,
)
from lateen.apiserver.asking import answered, question_of
from lateen.apiserver.authenticating import Authenticator
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.questions import TOKEN_REQUEST, TOKEN_REVIEW
from lateen.apiserver.serializing import json_response
from lateen.base.origin import ObjectKey

_BINDABLE = ("Pod", "Secret", "Node")


def token_routes(authenticator: Authenticator) -> list[web.RouteDef]:
    """TokenRequest, TokenReview, and what verifiers of tokens read."""

    async def requested(request: web.Request) -> web.Response:
        question, tree = await question_of(request, TOKEN_REQUEST, TokenRequest)
        found = request.match_info
        status, spec = _token(authenticator, found["namespace"], found["name"], question.spec)
        head = {"name": found["name"], "namespace": found["namespace"]}
        return answered(TOKEN_REQUEST, {**tree, "metadata": head, "spec": spec}, status)

    async def reviewed(request: web.Request) -> web.Response:
        question, tree = await question_of(request, TOKEN_REVIEW, TokenReview)
        if not question.spec.token:
            raise ApiFault(400, "token is required for TokenReview in authentication")
        status = _review(authenticator, question)
        return answered(TOKEN_REVIEW, tree, status)

    async def key_set(_: web.Request) -> web.Response:
        response = json_response(authenticator.key.key_set())
        response.content_type = "application/jwk-set+json"
        return response

    async def discovery(_: web.Request) -> web.Response:
        return json_response(discovery_document())

    return [
        web.post("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", requested),
        web.post(f"/apis/{TOKEN_REVIEW.api_version}/{TOKEN_REVIEW.plural}", reviewed),
        web.get("/openid/v1/jwks", key_set),
        web.get("/.well-known/openid-configuration", discovery),
    ]


def _token(
    authenticator: Authenticator, namespace: str, name: str, spec: TokenRequestSpec
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The status with the token, and the spec with its defaults."""
    account = _found(authenticator, "ServiceAccount", namespace, name)
    seconds = USUAL if spec.expiration_seconds is None else spec.expiration_seconds
    if seconds < SHORTEST:
        raise _invalid(f"may not specify a duration less than {SHORTEST // 60} minutes", seconds)
    if seconds > LONGEST:
        raise _invalid("may not specify a duration larger than 2^32 seconds", seconds)
    bound = _bound(authenticator, namespace, spec.bound_object_ref)
    audiences = spec.audiences or (API_AUDIENCE,)
    claims = Claims(
        namespace=namespace,
        account=name,
        account_uid=account.meta.uid,
        audiences=audiences,
        bound=bound,
    )
    token = authenticator.key.mint(claims, seconds=seconds, clock=authenticator.clock)
    end = authenticator.clock.now() + timedelta(seconds=seconds)
    status = {"token": token, "expirationTimestamp": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
    whole: dict[str, Any] = {"audiences": list(audiences), "expirationSeconds": seconds}
    if bound is not None:
        reference = {"kind": bound.kind, "apiVersion": "v1", "name": bound.name, "uid": bound.uid}
        whole["boundObjectRef"] = reference
    return status, whole


def _bound(
    authenticator: Authenticator, namespace: str, ref: BoundObjectReference | None
) -> Bound | None:
    if ref is None:
        return None
    if ref.kind not in _BINDABLE or ref.api_version != "v1":
        raise ApiFault(400, f"cannot bind token for serviceaccount to object of type {ref.kind}")
    inside = "" if ref.kind == "Node" else namespace
    found = _found(authenticator, ref.kind, inside, ref.name)
    if ref.uid and ref.uid != found.meta.uid:
        raise ApiFault(
            409,
            f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. "
            "The object might have been deleted and then recreated",
        )
    return Bound(kind=ref.kind, name=ref.name, uid=found.meta.uid)


def _found(authenticator: Authenticator, kind: str, namespace: str, name: str) -> Obj:
    key = ObjectKey(group="", kind=kind, namespace=namespace, name=name)
    obj = authenticator.store.get(key)
    if obj is None:
        plural = f"{kind.lower()}s"
        details = {"name": name, "kind": plural}
        raise ApiFault(404, f'{plural} "{name}" not found', details=details)
    return obj


def _review(authenticator: Authenticator, review: TokenReview) -> dict[str, Any]:
    wanted = review.spec.audiences or (API_AUDIENCE,)
    user = authenticator.user_of_token(review.spec.token, wanted)
    if user is None:
        return {"user": {}, "error": "invalid bearer token, or for none of these audiences"}
    known = set(authenticator.audiences_of(review.spec.token))
    shared = [audience for audience in wanted if audience in known]
    return {"authenticated": True, "user": user.tree(), "audiences": shared}


def _invalid(words: str, seconds: int) -> ApiFault:
    return ApiFault(
        422,
        f'TokenRequest.{TOKEN_REQUEST.group} "" is invalid: spec.expirationSeconds: '
        f"Invalid value: {seconds}: {words}",
    )
