"""Check one Sidecar as Istio does before it takes one.

In: Sidecar.           Out: problems.    Source: Istio ValidateSidecar.
Before: check/at.py    After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.names import label_fault, label_faults
from lateen.api.sidecar import Sidecar
from lateen.base.problem import Problem
from lateen.check.at import At, one_of
from lateen.check.hosts import wildcard_host_fault

_MODES = ("ALLOW_ANY", "REGISTRY_ONLY")


def check_sidecar(sidecar: Sidecar, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = sidecar.spec, at.key("spec")
    if spec.workload_selector:
        here = at.key("workloadSelector", "labels")
        if not spec.workload_selector.labels:
            yield here.required("the pods it is for")
        for key, text, words in label_faults(spec.workload_selector.labels):
            yield here.key(key).invalid(text, words)
    for index, listener in enumerate(spec.egress):
        here = at.key("egress").item(index).key("hosts")
        if not listener.hosts:
            yield here.error("sidecar: egress listener must contain at least one host")
        for number, host in enumerate(listener.hosts):
            yield from _host(host, here.item(number))
    if spec.outbound_traffic_policy:
        here = at.key("outboundTrafficPolicy", "mode")
        yield from one_of(here, spec.outbound_traffic_policy.mode, _MODES)


def _host(host: str, at: At) -> Iterator[Problem]:
    namespace, slash, name = host.partition("/")
    if not slash or not namespace or not name:
        yield at.error(
            "host must be of form namespace/dnsName", 'such as "./*" or "istio-system/*"'
        )
        return
    if namespace not in ("*", ".", "~") and label_fault(namespace):
        yield at.error(f'invalid namespace value "{namespace}"')
    if fault := wildcard_host_fault(name):
        yield at.error(fault)
