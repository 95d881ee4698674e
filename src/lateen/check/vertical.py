"""Check one VerticalPodAutoscaler.

In: the object.       Out: problems.
Before: check/at.py   After: check/objects.py
Source: kubernetes/autoscaler vertical-pod-autoscaler/pkg/admission-controller/resource/vpa.
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.quantity import exact
from lateen.api.vertical import ContainerPolicy, VerticalPodAutoscaler
from lateen.base.problem import Problem
from lateen.check.at import At, between, one_of
from lateen.check.sets import check_quantities

UPDATE_MODES = ("Off", "Initial", "Recreate", "InPlaceOrRecreate", "Auto")
_RESOURCES = ("cpu", "memory")


def check_vertical(vertical: VerticalPodAutoscaler, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, here = vertical.spec, at.key("spec")
    if not spec.target_ref.name:
        yield here.key("targetRef", "name").required()
    update = here.key("updatePolicy")
    yield from one_of(update.key("updateMode"), spec.update_policy.update_mode, UPDATE_MODES)
    yield from between(update.key("minReplicas"), spec.update_policy.min_replicas, 1)
    for index, policy in enumerate(spec.resource_policy.container_policies):
        yield from _policy(policy, here.key("resourcePolicy", "containerPolicies").item(index))


def _policy(policy: ContainerPolicy, at: At) -> Iterator[Problem]:
    if not policy.container_name:
        yield at.key("containerName").required()
    yield from one_of(at.key("mode"), policy.mode, ("Auto", "Off"))
    values = ("RequestsAndLimits", "RequestsOnly")
    yield from one_of(at.key("controlledValues"), policy.controlled_values, values)
    for index, resource in enumerate(policy.controlled_resources or ()):
        yield from one_of(at.key("controlledResources").item(index), resource, _RESOURCES)
    bounds = (("minAllowed", policy.min_allowed), ("maxAllowed", policy.max_allowed))
    faults = [p for name, some in bounds for p in check_quantities(some, at.key(name))]
    yield from faults
    for resource in policy.min_allowed.keys() & policy.max_allowed.keys() if not faults else ():
        low, high = policy.min_allowed[resource], policy.max_allowed[resource]
        if exact(high) < exact(low):
            words = f"max resource for {resource} is lower than min"
            yield at.key("maxAllowed", resource).invalid(str(high), words)
