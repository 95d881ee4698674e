"""Find out who sends a request.

In: a request; the store, the admin's token, the key of accounts' tokens.    Out: User, or None.
Before: apiserver/access.py, accounttokens.py        After: apiserver/guarding.py

The owner's Unix socket is their own door. Over TCP, and from a pod, a caller shows a client certificate that TLS verified
(CN is the name, each O a group), the admin's token, or a service account's token. Nobody is anonymous.

Source: Kubernetes "Authenticating".
"""

from __future__ import annotations

from asyncio import BaseTransport

from aiohttp import web
from msgspec import Struct

from lateen.api.objects import Obj
from lateen.apiserver.access import bearer_of, is_local_socket, same_token
from lateen.apiserver.accounttokens import API_AUDIENCE, AccountKey, Bound, Claims
from lateen.apiserver.deps import Objects
from lateen.apiserver.identity import (
    ADMIN,
    AUTHENTICATED,
    User,
    account_groups,
    account_name,
)
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey

_EXTRA = "authentication.kubernetes.io"


class Authenticator(Struct, frozen=True, kw_only=True):
    """Knows every way in. `admin_token` "" lets no such token in."""

    store: Objects
    key: AccountKey
    clock: Clock
    admin_token: str = ""

    def user_of(self, request: web.Request) -> User | None:
        """Who sends the request; None when nothing it shows proves a name."""
        if is_local_socket(request.transport):
            return ADMIN
        if (user := user_of_certificate(request.transport)) is not None:
            return user
        token = bearer_of(request)
        return self.user_of_token(token, (API_AUDIENCE,)) if token else None

    def user_of_token(self, token: str, audiences: tuple[str, ...]) -> User | None:
        """Whose token it is, if it is meant for one of the audiences."""
        if same_token(token, self.admin_token):
            return ADMIN if API_AUDIENCE in audiences else None
        claims = self.key.read(token, clock=self.clock)
        if claims is None or not set(claims.audiences) & set(audiences):
            return None
        return _account_user(claims) if self._still_stands(claims) else None

    def audiences_of(self, token: str) -> tuple[str, ...]:
        """For whom a token is meant; () for one that is not ours."""
        if same_token(token, self.admin_token):
            return (API_AUDIENCE,)
        claims = self.key.read(token, clock=self.clock)
        return claims.audiences if claims else ()

    def _still_stands(self, claims: Claims) -> bool:
        """Whether the account, and what the token is bound to, are the same as when it was made."""
        account = self._get("ServiceAccount", claims.namespace, claims.account)
        if account is None or account.meta.uid != claims.account_uid:
            return False
        return claims.bound is None or self._is_there(claims.namespace, claims.bound)

    def _is_there(self, namespace: str, bound: Bound) -> bool:
        found = self._get(bound.kind, "" if bound.kind == "Node" else namespace, bound.name)
        return found is not None and found.meta.uid == bound.uid

    def _get(self, kind: str, namespace: str, name: str) -> Obj | None:
        return self.store.get(ObjectKey(group="", kind=kind, namespace=namespace, name=name))


def user_of_certificate(transport: BaseTransport | None) -> User | None:
    """The subject of a client certificate that TLS has verified, if it has a common name."""
    if transport is None:
        return None
    certificate = transport.get_extra_info("peercert") or {}
    pairs = [pair for entry in certificate.get("subject", ()) for pair in entry]
    name = next((value for key, value in pairs if key == "commonName"), "")
    groups = tuple(value for key, value in pairs if key == "organizationName")
    return User(name=name, groups=(*groups, AUTHENTICATED)) if name else None


def _account_user(claims: Claims) -> User:
    extra = {f"{_EXTRA}/credential-id": (f"JTI={claims.token_id}",)}
    if claims.bound is not None:
        kind = claims.bound.kind.lower()
        extra |= {
            f"{_EXTRA}/{kind}-name": (claims.bound.name,),
            f"{_EXTRA}/{kind}-uid": (claims.bound.uid,),
        }
    return User(
        name=account_name(claims.namespace, claims.account),
        uid=claims.account_uid,
        groups=account_groups(claims.namespace),
        extra=extra,
    )
