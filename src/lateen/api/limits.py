"""LimitRange and ResourceQuota: what one pod, and all of a namespace, may ask for.

In: -    Out: the structs.    Source: core/v1.
Before: api/quantity.py, api/meta.py        After: check/limits.py, check/quotas.py
"""

from __future__ import annotations

from lateen.api.fields import Api, NotYet
from lateen.api.meta import ObjectMeta
from lateen.api.quantity import Quantity


class LimitRangeItem(Api, frozen=True, kw_only=True):
    """Bounds and defaults for each Container or Pod, by resource name."""

    type: str
    max: dict[str, Quantity] = {}
    min: dict[str, Quantity] = {}
    default: dict[str, Quantity] = {}
    default_request: dict[str, Quantity] = {}
    max_limit_request_ratio: dict[str, Quantity] = {}


class LimitRangeSpec(Api, frozen=True, kw_only=True):
    """The bounds."""

    limits: tuple[LimitRangeItem, ...]


class LimitRange(Api, frozen=True, kw_only=True):
    """core/v1 LimitRange."""

    api_version: str = "v1"
    kind: str = "LimitRange"
    metadata: ObjectMeta
    spec: LimitRangeSpec


class ResourceQuotaSpec(Api, frozen=True, kw_only=True):
    """The most there may be of each resource."""

    hard: dict[str, Quantity] = {}
    scopes: NotYet = None
    scope_selector: NotYet = None


class ResourceQuotaStatus(Api, frozen=True, kw_only=True):
    """The bounds in force, and what is used of them."""

    hard: dict[str, Quantity] = {}
    used: dict[str, Quantity] = {}


class ResourceQuota(Api, frozen=True, kw_only=True):
    """core/v1 ResourceQuota."""

    api_version: str = "v1"
    kind: str = "ResourceQuota"
    metadata: ObjectMeta
    spec: ResourceQuotaSpec = ResourceQuotaSpec()
    status: ResourceQuotaStatus = ResourceQuotaStatus()
