"""Who a caller is, once it is known.

In: -    Out: User, the names Kubernetes gives to groups of users.
Before: -       After: apiserver/authenticating.py, rbac.py

Source: Kubernetes "Authenticating", `k8s.io/apiserver/pkg/authentication/user`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ANONYMOUS = "system:anonymous"
SERVICE_ACCOUNTS = "system:serviceaccounts"
_ACCOUNT = "system:serviceaccount:"


class User(Struct, frozen=True, kw_only=True):
    """A name, the groups it is in, and what the way it proved itself adds."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def tree(self) -> dict[str, object]:
        """As `authentication.k8s.io/v1` UserInfo."""
        info: dict[str, object] = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            info["uid"] = self.uid
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra.items()}
        return info


# The owner of the machine's files: whoever can open a 0600 socket or read the admin's token.
ADMIN = User(name="kubernetes-admin", groups=(MASTERS, AUTHENTICATED))


def account_name(namespace: str, name: str) -> str:
    """The user name of a service account: `system:serviceaccount:shop:web`."""
    return f"{_ACCOUNT}{namespace}:{name}"


def account_groups(namespace: str) -> tuple[str, ...]:
    """The groups every service account of a namespace is in."""
    return SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED


def account_of(user_name: str) -> tuple[str, str] | None:
    """Namespace and name of a service account's user name; None for any other user."""
    namespace, _, name = user_name.removeprefix(_ACCOUNT).partition(":")
    if not user_name.startswith(_ACCOUNT) or not namespace or not name:
        return None
    return namespace, name
