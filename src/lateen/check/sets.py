"""Check one StatefulSet, DaemonSet, claim, volume or Node, in Kubernetes' words.

In: the object.         Out: problems.    Source: Kubernetes pkg/apis/apps/validation, .../core/validation.
Before: check/workload.py    After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lateen.api.names import label_fault
from lateen.api.node import Node
from lateen.api.quantity import Quantity, exact
from lateen.api.sets import DaemonSet, StatefulSet
from lateen.api.storage import ClaimSpec, PersistentVolume, PersistentVolumeClaim
from lateen.base.problem import Problem
from lateen.check.at import At, between, one_of
from lateen.check.placing import check_taints
from lateen.check.workload import check_selector_and_template, check_share, is_zero

STRATEGIES = ("OnDelete", "RollingUpdate")
MANAGEMENT = ("OrderedReady", "Parallel")
RETENTION = ("Delete", "Retain")
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def check_stateful_set(stateful_set: StatefulSet, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone. The mounts of its claims count as declared volumes."""
    spec, here = stateful_set.spec, at.key("spec")
    yield from between(here.key("replicas"), spec.replicas, 0)
    yield from between(here.key("minReadySeconds"), spec.min_ready_seconds, 0)
    yield from between(here.key("ordinals", "start"), spec.ordinals.start, 0)
    yield from one_of(here.key("podManagementPolicy"), spec.pod_management_policy, MANAGEMENT)
    strategy = here.key("updateStrategy")
    yield from one_of(strategy.key("type"), spec.update_strategy.type, STRATEGIES)
    partition = spec.update_strategy.rolling_update.partition
    yield from between(strategy.key("rollingUpdate", "partition"), partition, 0)
    most = spec.update_strategy.rolling_update.max_unavailable
    if most is not None:
        place = strategy.key("rollingUpdate", "maxUnavailable")
        yield from check_share(most, place)
        if is_zero(most):
            yield place.invalid(most, "cannot be 0")
    retention, kept = (
        spec.persistent_volume_claim_retention_policy,
        here.key("persistentVolumeClaimRetentionPolicy"),
    )
    yield from one_of(kept.key("whenDeleted"), retention.when_deleted, RETENTION)
    yield from one_of(kept.key("whenScaled"), retention.when_scaled, RETENTION)
    names = frozenset(claim.metadata.name for claim in spec.volume_claim_templates)
    for index, claim in enumerate(spec.volume_claim_templates):
        place = here.key("volumeClaimTemplates").item(index)
        if words := label_fault(claim.metadata.name):
            yield place.key("metadata", "name").invalid(claim.metadata.name, words)
        yield from _claim(claim.spec, place.key("spec"))
    for problem in check_selector_and_template(spec.selector, spec.template, here):
        if not any(problem.message == f'Not found: "{name}"' for name in names):
            yield problem


def check_daemon_set(daemon_set: DaemonSet, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, here = daemon_set.spec, at.key("spec")
    yield from between(here.key("minReadySeconds"), spec.min_ready_seconds, 0)
    yield from between(here.key("revisionHistoryLimit"), spec.revision_history_limit, 0)
    strategy, rolling = here.key("updateStrategy"), spec.update_strategy.rolling_update
    yield from one_of(strategy.key("type"), spec.update_strategy.type, STRATEGIES)
    place = strategy.key("rollingUpdate")
    yield from check_share(rolling.max_unavailable, place.key("maxUnavailable"))
    yield from check_share(rolling.max_surge, place.key("maxSurge"))
    if is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge):
        words = "cannot be 0 when maxSurge is 0"
        yield place.key("maxUnavailable").invalid(rolling.max_unavailable, words)
    if not is_zero(rolling.max_unavailable) and not is_zero(rolling.max_surge):
        words = "may not be set when maxUnavailable is non-zero"
        yield place.key("maxSurge").invalid(rolling.max_surge, words)
    yield from check_selector_and_template(spec.selector, spec.template, here)


def check_claim(claim: PersistentVolumeClaim, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    return _claim(claim.spec, at.key("spec"))


def check_volume(volume: PersistentVolume, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, here = volume.spec, at.key("spec")
    if not spec.access_modes:
        yield here.key("accessModes").required()
    for index, mode in enumerate(spec.access_modes):
        yield from one_of(here.key("accessModes").item(index), mode, ACCESS_MODES)
    if "storage" not in spec.capacity:
        yield here.key("capacity").required()
    yield from check_quantities(spec.capacity, here.key("capacity"))


def check_node(node: Node, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    yield from check_taints(node.spec.taints, at.key("spec", "taints"))
    yield from check_quantities(node.status.capacity, at.key("status", "capacity"))
    yield from check_quantities(node.status.allocatable, at.key("status", "allocatable"))


def check_quantities(amounts: Mapping[str, Quantity], at: At) -> Iterator[Problem]:
    """Amounts by resource name, none of them negative."""
    for name, amount in amounts.items():
        try:
            negative = exact(amount) < 0
        except ValueError as fault:
            yield at.key(name).invalid(amount, str(fault))
            continue
        if negative:
            yield at.key(name).invalid(amount, "must be greater than or equal to 0")


def _claim(spec: ClaimSpec, at: At) -> Iterator[Problem]:
    if not spec.access_modes:
        yield at.key("accessModes").required("at least 1 access mode is required")
    for index, mode in enumerate(spec.access_modes):
        yield from one_of(at.key("accessModes").item(index), mode, ACCESS_MODES)
    here = at.key("resources", "requests", "storage")
    if "storage" not in spec.resources.requests:
        yield here.required()
        return
    try:
        size = exact(spec.resources.requests["storage"])
    except ValueError as fault:
        yield here.invalid(spec.resources.requests["storage"], str(fault))
        return
    if size <= 0:
        yield here.invalid(spec.resources.requests["storage"], "must be greater than zero")
