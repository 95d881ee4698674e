"""Settings of locality load balancing: what Istio refuses, in its words."""

from __future__ import annotations

import msgspec
import pytest

from lateen.api.destinationrule import LocalityLoadBalancerSetting
from lateen.check.localities import locality_faults

FAULTS = [
    (
        '{"distribute": [{"from": "eu/*", "to": {"eu/*": 100}}], "failover": [{"from": "eu", "to": "us"}]}',
        "can not simultaneously specify 'distribute' and 'failover'",
    ),
    (
        '{"failover": [{"from": "eu", "to": "us"}], "failoverPriority": ["topology.kubernetes.io/zone"]}',
        "can not simultaneously set 'failover' and topology label 'topology.kubernetes.io/zone' in"
        " 'failover_priority'",
    ),
    (
        '{"distribute": [{"from": "eu", "to": {"eu": 60, "us": 30}}]}',
        "total locality weight 90 != 100",
    ),
    (
        '{"distribute": [{"from": "eu", "to": {"eu": 101, "us": -1}}]}',
        "locality weight must be in range [1, 100]",
    ),
    (
        '{"distribute": [{"from": "*/a", "to": {"eu": 100}}]}',
        "locality */a wildcard '*' number can not exceed 1 and must be in the end",
    ),
    (
        '{"distribute": [{"from": "eu//1", "to": {"eu": 100}}]}',
        "locality eu//1 must not contain empty region/zone/subzone info",
    ),
    (
        '{"failover": [{"from": "eu", "to": "eu"}]}',
        "locality lb failover settings must specify different regions",
    ),
    ('{"failover": [{"from": "eu/a", "to": "us"}]}', "locality lb failover only specify region"),
    (
        '{"failover": [{"from": "*", "to": "us"}]}',
        "locality lb failover region should not contain '*' wildcard",
    ),
]


@pytest.mark.parametrize(("setting", "fault"), FAULTS)
def test_what_istio_refuses_is_refused(setting: str, fault: str) -> None:
    written = msgspec.json.decode(setting, type=LocalityLoadBalancerSetting)
    assert list(locality_faults(written)) == [fault]
