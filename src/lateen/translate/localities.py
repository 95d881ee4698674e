"""Which endpoints come first for a proxy, by where both are: Istio's locality load balancing.

In: LocalityLoadBalancerSetting, a proxy's place and labels, endpoints.    Out: ranks and shares.
Before: api/destinationrule.py, base/locality.py                           After: translate/backends.py

As in Istio `distribute` says what share each place gets and nothing comes first; failover needs outlier
detection, or traffic would never fall to what comes later: the same place first, then its zone,
its region, the region that a rule names, the rest. `failoverPriority` goes by labels before that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from lateen.api.destinationrule import LocalityFailover, LocalityLoadBalancerSetting
from lateen.base.locality import NOWHERE, Locality, locality_labels, parse_locality

T = TypeVar("T")

_NETWORK = "topology.istio.io/network"
NODE = "kubernetes.io/hostname"
_CLOSE = (_NETWORK, "topology.kubernetes.io/region", "topology.kubernetes.io/zone")
_SAME_NODE = (*_CLOSE, "topology.istio.io/subzone", NODE)
# Source: Kubernetes' trafficDistribution, in Istio's words for it.
_BY_DISTRIBUTION = {
    "PreferClose": _CLOSE,
    "PreferSameZone": _CLOSE,
    "PreferSameNode": _SAME_NODE,
}


class Viewer(Struct, frozen=True, kw_only=True):
    """From where a proxy looks: its place, and those of its labels that some preference looks at."""

    locality: Locality = NOWHERE
    labels: tuple[tuple[str, str], ...] = ()

    def label(self, name: str) -> str:
        """The label's value; "" where there is none."""
        known = locality_labels(self.locality) | dict(self.labels)
        return known.get(name, "")


SOMEWHERE = Viewer()


class Preference(Struct, frozen=True, kw_only=True):
    """A setting that holds. `forced`: also without outlier detection."""

    setting: LocalityLoadBalancerSetting
    forced: bool = False

    def decides(self, ejects: bool) -> bool:
        """Whether places make a difference. `ejects`: outliers are found, so that priorities can fall."""
        return bool(self.setting.distribute) or ejects or self.forced

    @property
    def weighted(self) -> bool:
        """Whether a place is chosen by weight before an endpoint is."""
        said = self.setting
        return bool(said.distribute or said.failover or said.failover_priority)


class Placed(Struct, Generic[T], frozen=True, kw_only=True):
    """An endpoint with its place, labels and weight."""

    item: T
    locality: Locality
    labels: Mapping[str, str]
    weight: int = 1


class Ranked(Struct, Generic[T], frozen=True, kw_only=True):
    """An endpoint with its priority, 0 first, and its place's share of a distribution (0: none)."""

    item: T
    priority: int = 0
    share: int = 0


def placed_labels(labels: Mapping[str, str], locality: Locality, node: str) -> dict[str, str]:
    """A pod's labels with those of its place and node, as Istio sees them."""
    beside = {NODE: node} if node else {}
    return {**labels, **locality_labels(locality), **beside}


def preference_of(
    rule: LocalityLoadBalancerSetting | None,
    distribution: str,
    mesh: LocalityLoadBalancerSetting | None,
) -> Preference | None:
    """What holds: the rule's setting, a Service's trafficDistribution, the mesh's; None if it is off."""
    if rule is None and distribution in _BY_DISTRIBUTION:
        made = LocalityLoadBalancerSetting(failover_priority=_BY_DISTRIBUTION[distribution])
        return Preference(setting=made, forced=True)
    said = rule or mesh or LocalityLoadBalancerSetting()
    return None if said.enabled is False else Preference(setting=said)


def ranked(preference: Preference, viewer: Viewer, placed: Sequence[Placed[T]]) -> list[Ranked[T]]:
    """The endpoints in their order, by a preference that decides; those that get no share are left out."""
    setting = preference.setting
    if setting.distribute:
        return _distributed(setting, viewer, placed)
    keys = [_rank(setting, viewer, each) for each in placed]
    order = {key: index for index, key in enumerate(sorted(set(keys)))}
    return [
        Ranked(item=each.item, priority=order[key]) for each, key in zip(placed, keys, strict=True)
    ]


def _rank(setting: LocalityLoadBalancerSetting, viewer: Viewer, each: Placed[T]) -> tuple[int, int]:
    by_label = _label_rank(setting.failover_priority, viewer, each.labels)
    if setting.failover_priority and not setting.failover:
        return by_label, 0
    return by_label, _place_rank(setting.failover, viewer.locality, each.locality)


def _place_rank(rules: Iterable[LocalityFailover], own: Locality, other: Locality) -> int:
    """0 for the same place, 1 for the same zone, 2 for the region, 3 for where a rule leads, 4."""
    if own.region == other.region:
        same_zone = own.zone == other.zone
        return (0 if own.subzone == other.subzone else 1) if same_zone else 2
    rule = next((each for each in rules if each.from_ == own.region), None)
    return 3 if rule is None or rule.to == other.region else 4


def _label_rank(wanted: tuple[str, ...], viewer: Viewer, labels: Mapping[str, str]) -> int:
    """How many of the labels, from the last, are behind the first that differs.

    A network that differs comes after all that are on the proxy's own, as in Istio.
    """
    beyond = 0
    for index, text in enumerate(wanted):
        label, given, value = text.partition("=")
        own = value if given else viewer.label(label)
        if own == labels.get(label, ""):
            continue
        if index == 0 and label == _NETWORK:
            beyond = len(wanted)
            continue
        return beyond + len(wanted) - index
    return beyond


def _distributed(
    setting: LocalityLoadBalancerSetting, viewer: Viewer, placed: Sequence[Placed[T]]
) -> list[Ranked[T]]:
    """By the first rule for the proxy's place; without one every place keeps its own weight."""
    rule = next((d for d in setting.distribute if holds(d.from_, viewer.locality)), None)
    if rule is None:
        return [Ranked(item=each.item) for each in placed]
    weights: dict[Locality, int] = {}
    for each in placed:
        weights[each.locality] = weights.get(each.locality, 0) + each.weight
    shares: dict[Locality, int] = {}
    for pattern, percent in rule.to.items():
        here = {p: w for p, w in weights.items() if p not in shares and holds(pattern, p)}
        whole = sum(here.values())
        for place, weight in here.items():
            shares[place] = math.ceil(weight * percent / whole)
    return [
        Ranked(item=each.item, share=shares[each.locality])
        for each in placed
        if shares.get(each.locality)
    ]


def holds(pattern: str, place: Locality) -> bool:
    """Whether a place is meant: `region/zone/*`, where what is left out may be anything."""
    wanted = parse_locality(pattern)
    return (
        wanted.region in ("*", place.region)
        and wanted.zone in ("*", "", place.zone)
        and wanted.subzone in ("*", "", place.subzone)
    )
