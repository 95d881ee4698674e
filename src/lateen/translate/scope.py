"""Which part of the mesh a pod's proxy is told of, and what it does with the rest.

In: Sidecars in order of age, a workload.    Out: Scope.
Before: world/model.py                       After: translate/views.py, translate/claims.py

Istio's order: the oldest Sidecar that selects the pod, else the oldest of its namespace without a
selector, else that of the root namespace. Without any, all of the mesh.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lateen.api.sidecar import Sidecar
from lateen.translate.hosts import covers, full_host
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Scope:
    """Hosts by namespace (`*` for any) that a proxy is told of; None: all of them."""

    imports: tuple[tuple[str, str], ...] | None = None

    def host(self, host: str, namespace: str) -> bool:
        """Whether a service of that namespace is among them."""
        if self.imports is None:
            return True
        return any(
            where in ("*", namespace) and covers(pattern, host) for where, pattern in self.imports
        )

    def rule(self, hosts: Iterable[str], namespace: str) -> bool:
        """Whether a VirtualService of that namespace, for these hosts, is among them."""
        if self.imports is None:
            return True
        full = [full_host(host, namespace) for host in hosts]
        return any(
            where in ("*", namespace) and (covers(pattern, host) or covers(host, pattern))
            for where, pattern in self.imports
            for host in full
        )


ALL_OF_IT = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a Sidecar says to a pod; `allow_any` is None where it says nothing of unknown hosts."""

    scope: Scope = ALL_OF_IT
    allow_any: bool | None = None


def chosen_for(sidecars: tuple[Owned[Sidecar], ...], workload: Workload) -> Chosen:
    """What the Sidecar that holds for a pod says."""
    own = [each for each in sidecars if each.namespace == workload.namespace]
    root = [each for each in sidecars if each.namespace == ROOT_NAMESPACE]
    for each in own:
        selector = each.typed.spec.workload_selector
        if selector and selector.labels.items() <= workload.labels.items():
            return _said(each, workload.namespace)
    for each in (*own, *root):
        if each.typed.spec.workload_selector is None:
            return _said(each, workload.namespace)
    return Chosen()


def _said(sidecar: Owned[Sidecar], namespace: str) -> Chosen:
    spec = sidecar.typed.spec
    hosts = [host.partition("/") for listener in spec.egress for host in listener.hosts]
    imports = tuple(
        sorted(
            (namespace if where == "." else where, full_host(name, namespace))
            for where, _, name in hosts
            if where != "~"
        )
    )
    policy = spec.outbound_traffic_policy
    return Chosen(
        scope=Scope(imports=imports) if spec.egress else ALL_OF_IT,
        allow_any=None if policy is None else policy.mode == "ALLOW_ANY",
    )
