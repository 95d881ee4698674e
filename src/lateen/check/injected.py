"""Tell of what a pod's annotations ask of its proxy and its redirection, and is not done.

In: a pod's annotations.    Out: problems (LAT0002).    Source: istio/api, resource annotations.
Before: check/at.py         After: check/workload.py

A value that asks for what is done anyway is taken in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lateen.api.codes import NOT_YET_HONOURED
from lateen.base.problem import Problem
from lateen.check.at import At

_ALL = "all TCP of a pod with a proxy goes through it"
_BOOTSTRAP = "Envoy's bootstrap is lateen's own; an EnvoyFilter for BOOTSTRAP can change it"
_OWN = "how much Envoy writes of itself is not to be chosen"
# What is done anyway, and why nothing else is.
_ASKED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "traffic.sidecar.istio.io/excludeInterfaces": (("",), _ALL),
    "traffic.sidecar.istio.io/includeOutboundPorts": (("", "*"), _ALL),
    "traffic.sidecar.istio.io/includeOutboundIPRanges": (("*",), _ALL),
    "traffic.sidecar.istio.io/kubevirtInterfaces": (("",), "there are no virtual machines in pods"),
    "sidecar.istio.io/interceptionMode": (("REDIRECT",), "connections are redirected, as by REDIRECT"),
    "sidecar.istio.io/bootstrapOverride": ((), _BOOTSTRAP),
    "sidecar.istio.io/agentLogLevel": ((), _OWN),
    "sidecar.istio.io/componentLogLevel": ((), _OWN),
    "sidecar.istio.io/logLevel": ((), _OWN),
    "proxy.istio.io/overrides": ((), "the container of a proxy is not in the pod's spec here"),
}  # fmt: skip


def check_injected(annotations: Mapping[str, str], at: At) -> Iterator[Problem]:
    """What has no effect; `at` is the pod's metadata."""
    for name, (done, why) in _ASKED.items():
        if name in annotations and annotations[name].strip() not in done:
            yield at.key("annotations", name).warning(f"no effect: {why}", code=NOT_YET_HONOURED)
