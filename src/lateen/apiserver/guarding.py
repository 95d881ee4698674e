"""Let a request in, or say in Kubernetes' words why not.

In: a request.    Out: who sends it, kept with the request; ApiFault 401 or 403.
Before: apiserver/authenticating.py, rbac.py        After: apiserver/app.py

A caller may speak as another (`kubectl --as`) if a rule lets it `impersonate` that user, each of the
groups and all else it names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from msgspec import Struct

from lateen.apiserver.access import is_local_socket, is_loopback_host, is_pods_socket
from lateen.apiserver.attributes import Attributes, attributes_of
from lateen.apiserver.authenticating import Authenticator
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.identity import (
    AUTHENTICATED,
    User,
    account_groups,
    account_of,
)
from lateen.apiserver.rbac import Decision, decide

_FOR_ALL = frozenset({"/healthz", "/livez", "/readyz"})
_USER = web.RequestKey("user", User)
_EXTRA = "Impersonate-Extra-"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard(Struct, frozen=True, kw_only=True):
    """Authentication and authorization over one store."""

    authenticator: Authenticator
    store: Objects

    def middleware(self) -> Middleware:
        """The check every request passes first."""

        @web.middleware
        async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
            # A page of another name could lead a browser to the TCP port, but to no Unix socket.
            unix = is_local_socket(request.transport) or is_pods_socket(request.transport)
            if not unix and not is_loopback_host(request.host):
                raise ApiFault(403, "this API answers only to 127.0.0.1 and localhost")
            if request.path in _FOR_ALL:
                return await handler(request)
            user = self.authenticator.user_of(request)
            if user is None:
                raise ApiFault(401, "Unauthorized")
            user = self._as_asked(request, user)
            request[_USER] = user
            self.require(user, attributes_of(request.method, request.path, request.query))
            return await handler(request)

        return guarding

    def decide(self, user: User, wanted: Attributes) -> Decision:
        """Whether the user may."""
        return decide(self.store, user, wanted)

    def require(self, user: User, wanted: Attributes) -> None:
        """Raises ApiFault 403 unless the user may."""
        decision = decide(self.store, user, wanted)
        if not decision.allowed:
            raise forbidden(user, wanted, decision.reason)

    def _as_asked(self, request: web.Request, user: User) -> User:
        """The user the caller wants to be, if it may."""
        headers = request.headers
        name = headers.get("Impersonate-User", "")
        groups = tuple(headers.getall("Impersonate-Group", ()))
        uid = headers.get("Impersonate-Uid", "")
        extra = {
            key[len(_EXTRA) :].lower(): tuple(headers.getall(key))
            for key in headers
            if key.lower().startswith(_EXTRA.lower())
        }
        if not name:
            if groups or uid or extra:
                raise ApiFault(
                    400, "requested groups, uid or extra for impersonation without a user"
                )
            return user
        for wanted in _impersonations(name, groups, uid, extra):
            self.require(user, wanted)
        account = account_of(name)
        if account is not None and not groups:
            groups = account_groups(account[0])
        if AUTHENTICATED not in groups:
            groups = (*groups, AUTHENTICATED)
        return User(name=name, uid=uid, groups=groups, extra=extra)


def user_of(request: web.Request) -> User:
    """Who sends a request that the guard has let in."""
    return request[_USER]


def forbidden(user: User, wanted: Attributes, reason: str = "") -> ApiFault:
    """403 as Kubernetes words it."""
    why = f": {reason}" if reason else ""
    if not wanted.resource:
        return ApiFault(
            403, f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"{why}'
        )
    resource = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    what = f'{resource} "{wanted.name}"' if wanted.name else resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    details = {"name": wanted.name, "group": wanted.group, "kind": wanted.resource}
    return ApiFault(
        403,
        f'{what} is forbidden: User "{user.name}" cannot {wanted.verb} resource '
        f'"{wanted.full_resource}" in API group "{wanted.group}" {where}{why}',
        details={key: value for key, value in details.items() if value},
    )


def _impersonations(
    name: str, groups: tuple[str, ...], uid: str, extra: dict[str, tuple[str, ...]]
) -> list[Attributes]:
    account = account_of(name)
    if account is not None:
        first = _impersonate("", "serviceaccounts", account[1], namespace=account[0])
    else:
        first = _impersonate("", "users", name)
    authentication = "authentication.k8s.io"
    return [
        first,
        *(_impersonate("", "groups", group) for group in groups),
        *([_impersonate(authentication, "uids", uid)] if uid else []),
        *(
            _impersonate(authentication, "userextras", value, below=key)
            for key, values in extra.items()
            for value in values
        ),
    ]


def _impersonate(
    group: str, resource: str, name: str, *, namespace: str = "", below: str = ""
) -> Attributes:
    return Attributes(
        verb="impersonate",
        group=group,
        version="v1",
        resource=resource,
        subresource=below,
        namespace=namespace,
        name=name,
    )
