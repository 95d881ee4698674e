"""Check the settings of locality load balancing.

In: LocalityLoadBalancerSetting.    Out: what is wrong.    Source: Istio ValidateLocalityLbSetting.
Before: api/destinationrule.py      After: check/destinationrule.py, check/meshconfig.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.destinationrule import LocalityLoadBalancerSetting
from lateen.base.locality import REGION, SUBZONE, ZONE

NO_OUTLIERS = "outlier detection policy must be provided for failover"
_WHOLE = 100


def locality_faults(setting: LocalityLoadBalancerSetting) -> Iterator[str]:
    """Every fault, in Istio's words."""
    if setting.distribute and setting.failover:
        yield "can not simultaneously specify 'distribute' and 'failover'"
    for label in setting.failover_priority if setting.failover else ():
        if label in (REGION, ZONE, SUBZONE):
            yield (
                f"can not simultaneously set 'failover' and topology label '{label}' in"
                " 'failover_priority'"
            )
    for rule in setting.distribute:
        for place in (rule.from_, *rule.to):
            yield from _place_faults(place)
        total = sum(rule.to.values())
        if any(not 1 <= share <= _WHOLE for share in rule.to.values()):
            yield "locality weight must be in range [1, 100]"
        elif total != _WHOLE:
            yield f"total locality weight {total} != 100"
    for each in setting.failover:
        if each.from_ == each.to:
            yield "locality lb failover settings must specify different regions"
        if "/" in each.from_ + each.to:
            yield "locality lb failover only specify region"
        if "*" in each.from_ + each.to:
            yield "locality lb failover region should not contain '*' wildcard"


def _place_faults(place: str) -> Iterator[str]:
    parts = place.split("/")
    if len(parts) > 3 or not all(parts):
        yield f"locality {place} must not contain empty region/zone/subzone info"
    elif place.count("*") > 1 or ("*" in place and not place.endswith("*")):
        yield f"locality {place} wildcard '*' number can not exceed 1 and must be in the end"
