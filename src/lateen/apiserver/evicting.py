"""Answer a pod's `eviction` subresource: delete it if its PodDisruptionBudget lets it go now.

In: a pod and an Eviction.    Out: a Status; 429 while the budget does not allow it.
Before: apiserver/deleting.py        After: apiserver/app.py
Source: kubernetes pkg/registry/core/pod/rest/eviction.go; Kubernetes "API-initiated eviction".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.policy import PodDisruptionBudget
from lateen.apiserver.deleting import check_preconditions, delete_by, options_of
from lateen.apiserver.deps import Deletion, Objects
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.reading import found
from lateen.apiserver.serializing import json_response
from lateen.apiserver.targets import Target
from lateen.apiserver.writing import body_of
from lateen.base.clock import Clock

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_AGAIN = 10  # seconds after which to ask again while a budget is not reckoned yet
Budget = tuple[Obj, PodDisruptionBudget]


async def answer_eviction(
    request: web.Request, target: Target, store: Objects, delete: Deletion, clock: Clock
) -> web.Response:
    """201 once the pod is on its way out; 429 where its budget keeps it, 500 where it has several."""
    body = await body_of(request)
    given = body if isinstance(body, Mapping) else {}
    if (given.get("metadata") or {}).get("name") not in (None, "", target.name):
        raise ApiFault(400, "name in URL does not match name in Eviction object")
    options = options_of(given.get("deleteOptions") or {}, request.query)
    obj = found(store, target)
    check_preconditions(options, target, obj)
    budget = _budget_of(obj, store)
    with store.transaction():
        if budget is not None and not _may_go(obj, budget[1]):
            _check_allowance(*budget)
            if not options.dry:
                left = budget[1].status.disruptions_allowed - 1
                status = {**(budget[0].raw.get("status") or {}), "disruptionsAllowed": left}
                store.put_status(budget[0].key, status)
        if not options.dry:
            store.put_status(obj.key, _disrupted(obj, clock))
            delete_by(target, obj, options, store, delete)
    return json_response(
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201},
        201,
    )


def _budget_of(obj: Obj, store: Objects) -> Budget | None:
    """The one that speaks of the pod; an ended pod, or one that never ran, needs none."""
    pod = obj.typed
    if not isinstance(pod, Pod) or obj.meta.deletion_timestamp or pod.status.phase != "Running":
        return None
    budgets = store.list(group="policy", kind="PodDisruptionBudget", namespace=obj.key.namespace)
    mine = [
        (b, b.typed)
        for b in budgets
        if isinstance(b.typed, PodDisruptionBudget)
        and b.typed.spec.selector is not None
        and b.typed.spec.selector.matches(obj.meta.labels)
    ]
    if len(mine) > 1:
        words = "which the eviction subresource does not support."
        raise ApiFault(500, f"This pod has more than one PodDisruptionBudget, {words}")
    return mine[0] if mine else None


def _may_go(obj: Obj, budget: PodDisruptionBudget) -> bool:
    """Whether the pod counts for nothing: it is not ready, and the budget lets such pods go."""
    pod = obj.typed
    if isinstance(pod, Pod) and any(
        c.type == "Ready" and c.status == "True" for c in pod.status.conditions
    ):
        return False
    if budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow":
        return True
    status = budget.status
    return 0 < status.desired_healthy <= status.current_healthy


def _check_allowance(obj: Obj, budget: PodDisruptionBudget) -> None:
    """Raises ApiFault 429 with Kubernetes' cause."""
    name, status = obj.key.name, budget.status
    if status.observed_generation < obj.meta.generation:
        words = f"The disruption budget {name} is still being processed by the server."
        raise _too_many(words, after=_AGAIN)
    if status.disruptions_allowed <= 0:
        raise _too_many(
            f"The disruption budget {name} needs {status.desired_healthy} healthy pods and has "
            f"{status.current_healthy} currently"
        )


def _too_many(cause: str, after: int = 0) -> ApiFault:
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if after:
        details["retryAfterSeconds"] = after
    return ApiFault(429, _REFUSED, details=details)


def _disrupted(obj: Obj, clock: Clock) -> dict[str, Any]:
    """The status with the condition that says why the pod ends."""
    status = dict(obj.raw.get("status") or {})
    why = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastTransitionTime": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    others = [c for c in status.get("conditions") or [] if c.get("type") != why["type"]]
    return {**status, "conditions": [*others, why]}
