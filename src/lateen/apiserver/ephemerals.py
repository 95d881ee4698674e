"""What a write may do to a pod's ephemeral containers: `kubectl debug` adds some, nothing else does.

In: a pod before and after, the subresource written.    Out: the spec with no other change; problems.
Before: check/ephemerals.py        After: apiserver/saving.py, applying.py, reviewing.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lateen.api.objects import Obj
from lateen.apiserver.faults import ApiFault
from lateen.base.problem import Problem
from lateen.check.at import At
from lateen.check.ephemerals import FIELD, check_coming

SUBRESOURCE = "ephemeralcontainers"


def spec_with_ephemerals(spec: Mapping[str, Any], wanted: Any) -> dict[str, Any]:
    """The spec with the ephemeral containers wanted, and no other change; raises ApiFault 400."""
    if not isinstance(wanted, Mapping):
        raise ApiFault(400, "spec is not an object")
    others = {key: value for key, value in spec.items() if key != FIELD}
    return others | ({FIELD: wanted[FIELD]} if wanted.get(FIELD) else {})


def changed_ephemerals(raw: Mapping[str, Any], old: Obj, subresource: str) -> tuple[Problem, ...]:
    """What is wrong with a pod that is to take the place of `old`."""
    at = At(old).key("spec")
    if subresource == SUBRESOURCE:
        return tuple(check_coming(old.raw, raw, at))
    before, after = (tree["spec"].get(FIELD) or [] for tree in (old.raw, raw))
    if before == after:
        return ()
    words = f"Forbidden: pod updates may not change {FIELD}; its subresource may"
    return (at.error(words),)
