"""TokenRequest and TokenReview: tokens asked for, and tokens asked about. None is ever stored.

In: -    Out: the structs.    Source: authentication.k8s.io/v1.
Before: api/meta.py        After: apiserver/tokenrequests.py
"""

from __future__ import annotations

from lateen.api.fields import Api
from lateen.api.meta import ObjectMeta

AUTHENTICATION = "authentication.k8s.io"


class BoundObjectReference(Api, frozen=True, kw_only=True):
    """The object whose end ends the token."""

    api_version: str = "v1"
    kind: str = ""
    name: str = ""
    uid: str = ""


class TokenRequestSpec(Api, frozen=True, kw_only=True):
    """For whom the token is, how many seconds it lives, what it is bound to."""

    audiences: tuple[str, ...] = ()
    expiration_seconds: int | None = None
    bound_object_ref: BoundObjectReference | None = None


class TokenRequest(Api, frozen=True, kw_only=True):
    """Asks for a token of a service account."""

    metadata: ObjectMeta = ObjectMeta()
    spec: TokenRequestSpec = TokenRequestSpec()


class TokenReviewSpec(Api, frozen=True, kw_only=True):
    """The token, and the audiences of which it should have one."""

    token: str = ""
    audiences: tuple[str, ...] = ()


class TokenReview(Api, frozen=True, kw_only=True):
    """Asks whose token it is."""

    metadata: ObjectMeta = ObjectMeta()
    spec: TokenReviewSpec = TokenReviewSpec()
