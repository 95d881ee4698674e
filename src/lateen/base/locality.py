"""Where something runs: region, zone and subzone, as Kubernetes' labels and Istio's rules name them.

In: `eu/a/rack1`, or the labels of a node.    Out: Locality.
Before: -        After: cluster/nodes.py, world/workloads.py, ir/backends.py, envoy/endpoints.py
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
SUBZONE = "topology.istio.io/subzone"


class Locality(Struct, frozen=True, kw_only=True, order=True):
    """A place; all empty when nobody said where. Its text is `region/zone/subzone`, as Istio's."""

    region: str = ""
    zone: str = ""
    subzone: str = ""

    def __bool__(self) -> bool:
        return bool(self.region or self.zone or self.subzone)

    def __str__(self) -> str:
        return "/".join((self.region, self.zone, self.subzone)).rstrip("/")


NOWHERE = Locality()


def parse_locality(text: str) -> Locality:
    """`region`, `region/zone` or `region/zone/subzone`; parts after the third are passed over."""
    parts = [*text.split("/"), "", "", ""]
    return Locality(region=parts[0], zone=parts[1], subzone=parts[2])


def locality_of(labels: Mapping[str, str]) -> Locality:
    """What a node's labels say of its place."""
    return Locality(
        region=labels.get(REGION, ""), zone=labels.get(ZONE, ""), subzone=labels.get(SUBZONE, "")
    )


def locality_labels(place: Locality) -> dict[str, str]:
    """The labels that say so; none for what is not known."""
    named = {REGION: place.region, ZONE: place.zone, SUBZONE: place.subzone}
    return {label: value for label, value in named.items() if value}
