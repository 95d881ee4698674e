"""Istio WorkloadGroup: what machines that join a mesh by themselves are to be like.

In: -    Out: WorkloadGroup.    Source: networking.istio.io WorkloadGroup.
Before: api/serviceentry.py     After: check/workloadgroup.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, Labels
from lateen.api.meta import ObjectMeta
from lateen.api.serviceentry import WorkloadEntrySpec


class WorkloadMeta(Api, frozen=True, kw_only=True):
    """Labels and annotations that every WorkloadEntry of the group gets."""

    labels: Labels = {}
    annotations: dict[str, str] = {}


class WorkloadGroupSpec(Api, frozen=True, kw_only=True):
    """The template of WorkloadEntries, and how a machine's health is asked for."""

    metadata: WorkloadMeta | None = None
    template: WorkloadEntrySpec | None = None
    probe: Informative = None
    location: Informative = None


class WorkloadGroup(Api, frozen=True, kw_only=True):
    """networking.istio.io WorkloadGroup."""

    api_version: str = "networking.istio.io/v1"
    kind: str = "WorkloadGroup"
    metadata: ObjectMeta
    spec: WorkloadGroupSpec = WorkloadGroupSpec()
    status: Informative = None
