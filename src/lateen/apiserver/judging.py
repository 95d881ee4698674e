"""Let ValidatingAdmissionPolicies judge a write of a user.

In: a write.    Out: what they warn of; ApiFault if one denies it.
Before: check/policies.py, apiserver/rbac.py        After: apiserver/saving.py, apiserver/deleting.py

Source: Kubernetes "Validating Admission Policy"; what policies note for an audit goes to lateen's log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from lateen.apiserver.attributes import Attributes
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault, resource
from lateen.apiserver.identity import User, account_groups, account_of
from lateen.apiserver.rbac import decide
from lateen.apiserver.webhooks import Write, shown
from lateen.check.policies import Judging, judged

_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_log = logging.getLogger("lateen.audit")


def policed(store: Objects, write: Write) -> tuple[str, ...]:
    """What policies warn of; raises ApiFault with the reason of the first that denies the write."""
    verdict = judged(store, _judging(store, write))
    for note in verdict.notes:
        _log.info("%s %s: %s", write.operation, write.target.key, note)
    if verdict.refusal:
        kind = write.target.kind
        details = {"name": write.name, "group": kind.group, "kind": kind.plural}
        raise ApiFault(
            _CODES.get(verdict.reason, 422),
            f'{resource(kind)} "{write.name}" is forbidden: {verdict.refusal}',
            reason=verdict.reason,
            details={k: v for k, v in details.items() if v}
            | {"causes": [{"message": verdict.refusal}]},
        )
    return verdict.warnings


def _judging(store: Objects, write: Write) -> Judging:
    target = write.target

    def authorize(asked: Mapping[str, str]) -> tuple[bool, str]:
        user = _asked_for(asked.get("user", "")) or write.user
        named = {k: v for k, v in asked.items() if k in Attributes.__dataclass_fields__}
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
