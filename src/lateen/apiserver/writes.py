"""One write as admission sees it: who writes what, and how policies and webhooks are told of it.

In: -    Out: Write; the Judging that check/policies.py takes.
Before: apiserver/targets.py, apiserver/rbac.py, check/policies.py        After: apiserver/webhooks.py, apiserver/judging.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.apiserver.attributes import Attributes
from lateen.apiserver.deps import Objects, OpenPodStream
from lateen.apiserver.identity import User, account_groups, account_of
from lateen.apiserver.rbac import decide
from lateen.apiserver.targets import Target
from lateen.check.policies import Judging


class Write(Struct, frozen=True, kw_only=True):
    """One write: `operation` is CREATE, UPDATE or DELETE; `raw` is None for a deletion."""

    operation: str
    user: User
    target: Target
    name: str
    raw: Mapping[str, Any] | None
    old: Obj | None = None
    dry: bool = False
    open_stream: OpenPodStream  # the way to webhooks that run in pods


def shown(tree: Mapping[str, Any] | None, target: Target) -> dict[str, Any] | None:
    """A tree in the version its writer speaks."""
    return None if tree is None else {**tree, "apiVersion": target.api_version}


def judging_of(store: Objects, write: Write) -> Judging:
    """The write as policies and conditions judge it; their `authorizer` asks the roles of its writer."""
    target = write.target

    def authorize(asked: Mapping[str, str]) -> tuple[bool, str]:
        user = _asked_for(asked.get("user", "")) or write.user
        named = {k: v for k, v in asked.items() if k in Attributes.__struct_fields__}
        decision = decide(store, user, Attributes(**named))
        return decision.allowed, decision.reason

    return Judging(
        operation=write.operation,
        kind=target.kind,
        version=target.version,
        name=write.name,
        namespace=target.namespace,
        subresource=target.subresource,
        object=shown(write.raw, target),
        old=shown(write.old.raw, target) if write.old else None,
        user=write.user.tree(),
        dry=write.dry,
        authorize=authorize,
    )


def _asked_for(account: str) -> User | None:
    """The service account an expression asks for, instead of the writer."""
    found = account_of(account)
    return User(name=account, groups=account_groups(found[0])) if found else None
