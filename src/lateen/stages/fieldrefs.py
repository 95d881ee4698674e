"""What a pod can be told of itself: its fields, and its containers' resources.

In: Pod, a field path or ResourceFieldRef.    Out: text; BadReference.
Before: api/pod.py, api/quantity.py        After: stages/resolving.py, stages/podvolumes.py
Source: "Downward API"; kubernetes pkg/fieldpath, pkg/api/v1/resource.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from fractions import Fraction

from lateen.api.pod import Container, Pod, ResourceFieldRef
from lateen.api.quantity import exact

_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class BadReference(Exception):
    """A reference that leads nowhere; its text is Kubernetes' words."""


def field_text(pod: Pod, path: str) -> str:
    """A field for an environment variable or a file; raises BadReference."""
    address, host = pod.status.pod_ip, pod.status.host_ip
    simple = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name or "default",
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": host,
        "status.hostIPs": host,
    }
    if path in simple:
        return simple[path]
    if path == "metadata.labels":
        return _lines(pod.metadata.labels)
    if path == "metadata.annotations":
        return _lines(pod.metadata.annotations)
    if keyed := _KEYED.fullmatch(path):
        table = pod.metadata.labels if keyed[1] == "labels" else pod.metadata.annotations
        return table.get(keyed[2], "")
    raise BadReference(f"fieldRef {path} is not a field a container can be given")


def resource_text(pod: Pod, ref: ResourceFieldRef, container: Container | None) -> str:
    """A request or limit in whole divisors, rounded up; `container` is whose file or variable it is.

    A limit that is not set is what the machine has. Raises BadReference.
    """
    if ref.container_name:
        every = (*pod.spec.containers, *pod.spec.init_containers)
        container = next((c for c in every if c.name == ref.container_name), None)
    if container is None:
        raise BadReference(f"container {ref.container_name} not found")
    sort, _, name = ref.resource.partition(".")
    if sort not in ("limits", "requests") or not name:
        raise BadReference(f"unsupported container resource : {ref.resource}")
    limits, requests = container.resources.limits, container.resources.requests
    given = limits.get(name) if sort == "limits" else requests.get(name, limits.get(name))
    amount = exact(given) if given is not None else Fraction(0)
    if sort == "limits" and not amount:
        amount = _machine_has(name)
    divisor = exact(ref.divisor) or Fraction(1)
    return str(math.ceil(amount / divisor))


def _lines(table: Mapping[str, str]) -> str:
    quoted = (f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in sorted(table.items()))
    return "\n".join(quoted)


def _machine_has(resource: str) -> Fraction:
    if resource == "cpu":
        return Fraction(os.cpu_count() or 1)
    if resource == "memory":
        return Fraction(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return Fraction(0)
