"""Kubernetes' common metadata: ObjectMeta, OwnerReference, LabelSelector, Condition.

In: -    Out: the structs.    Source: k8s.io/apimachinery meta/v1.
Before: api/fields.py         After: every kind
"""

from __future__ import annotations

from collections.abc import Mapping

from lateen.api.fields import Api, Informative, Labels


class OwnerReference(Api, frozen=True, kw_only=True):
    """Who made this object; it goes when its owner goes."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(Api, frozen=True, kw_only=True):
    """Name, place, labels and bookkeeping of an object."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    labels: Labels = {}
    annotations: dict[str, str] = {}
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: Informative = None
    self_link: Informative = None


class LabelSelectorRequirement(Api, frozen=True, kw_only=True):
    """`key in (a, b)`, `key notin (a)`, `key`, `!key`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Api, frozen=True, kw_only=True):
    """Labels that must match; an empty selector matches everything."""

    match_labels: Labels = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        if any(labels.get(k) != v for k, v in self.match_labels.items()):
            return False
        return all(_holds(r, labels) for r in self.match_expressions)


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    present = requirement.key in labels
    match requirement.operator:
        case "In":
            return present and labels[requirement.key] in requirement.values
        case "NotIn":
            return not present or labels[requirement.key] not in requirement.values
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
        case _:
            return False


class Condition(Api, frozen=True, kw_only=True):
    """One condition of a status (`Ready`, `Available`, `Programmed`)."""

    type: str
    status: str = "Unknown"
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    last_probe_time: str | None = None
    last_heartbeat_time: str | None = None
    last_update_time: str | None = None
    observed_generation: int | None = None
