"""Let ValidatingAdmissionPolicies judge a write of a user.

In: a write.    Out: what they warn of; ApiFault if one denies it.
Before: check/policies.py, apiserver/writes.py        After: apiserver/saving.py, apiserver/deleting.py

Source: Kubernetes "Validating Admission Policy"; what policies note for an audit goes to lateen's log.
"""

from __future__ import annotations

import logging

from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault, resource
from lateen.apiserver.writes import Write, judging_of
from lateen.check.policies import judged

_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_log = logging.getLogger("lateen.audit")


def policed(store: Objects, write: Write) -> tuple[str, ...]:
    """What policies warn of; raises ApiFault with the reason of the first that denies the write."""
    verdict = judged(store, judging_of(store, write))
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
