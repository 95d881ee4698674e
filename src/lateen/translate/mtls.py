"""Settle which mTLS mode a workload's ports ask for.

In: PeerAuthentications, a workload.    Out: MtlsModes, problems.
Before: world/model.py                  After: translate/inbound.py, translate/backends.py

Istio's order: the workload's own policy, its namespace's, the mesh's (root namespace); of several
at one level the oldest holds; UNSET inherits.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from lateen.api.security import MutualTLS, PeerAuthentication
from lateen.base.origin import BUILT_IN, Origin
from lateen.base.problem import Problem
from lateen.ir.plan import Mtls
from lateen.translate.faults import overruled
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload

# Where no PeerAuthentication says otherwise. Istio's default is PERMISSIVE, so that a mesh can grow
# into a cluster; a mesh that starts whole has nobody to be permissive to.
MODE_BY_DEFAULT = Mtls.STRICT

_MODES = {"STRICT": Mtls.STRICT, "PERMISSIVE": Mtls.PERMISSIVE, "DISABLE": Mtls.DISABLE}


class MtlsModes(Struct, frozen=True, kw_only=True):
    """The mode of a workload, and of its ports where they differ; with where it comes from."""

    mode: Mtls
    origin: Origin
    by_port: Mapping[int, tuple[Mtls, Origin]] = field(default_factory=dict)

    def of(self, port: int) -> Mtls:
        """The mode of one of the pod's ports."""
        return self.by_port[port][0] if port in self.by_port else self.mode

    @property
    def origins(self) -> tuple[tuple[int, Origin], ...]:
        """Where the modes come from: of single ports, and (0) of all others; none by default."""
        for_all = () if self.origin == BUILT_IN else ((0, self.origin),)
        return (*for_all, *((port, origin) for port, (_, origin) in sorted(self.by_port.items())))


class MtlsIndex(Struct, frozen=True, kw_only=True):
    """The PeerAuthentications that hold: for the mesh, by namespace, and by workload, oldest first."""

    mesh: Owned[PeerAuthentication] | None
    namespaces: Mapping[str, Owned[PeerAuthentication]]
    selecting: Mapping[str, tuple[Owned[PeerAuthentication], ...]]
    problems: tuple[Problem, ...] = ()

    def modes(self, workload: Workload) -> MtlsModes:
        """The modes of one workload."""
        mode, origin = MODE_BY_DEFAULT, BUILT_IN
        own = self._own(workload)
        for policy in (self.mesh, self.namespaces.get(workload.namespace), own):
            said = _mode(policy.typed.spec.mtls) if policy else None
            if policy and said:
                mode, origin = said, policy.origin("spec.mtls")
        return MtlsModes(mode=mode, origin=origin, by_port=_by_port(own, mode))

    def _own(self, workload: Workload) -> Owned[PeerAuthentication] | None:
        return next(
            (
                policy
                for policy in self.selecting.get(workload.namespace, ())
                if policy.typed.spec.selector
                and policy.typed.spec.selector.match_labels.items() <= workload.labels.items()
            ),
            None,
        )


def mtls_index(policies: tuple[Owned[PeerAuthentication], ...]) -> MtlsIndex:
    """Index the policies; they come oldest first."""
    mesh: Owned[PeerAuthentication] | None = None
    namespaces: dict[str, Owned[PeerAuthentication]] = {}
    selecting: dict[str, list[Owned[PeerAuthentication]]] = {}
    problems: list[Problem] = []
    for policy in policies:
        selector = policy.typed.spec.selector
        if selector and selector.match_labels:
            if policy.namespace == ROOT_NAMESPACE:
                message = "a policy with a selector has no effect in the root namespace"
                problems.append(overruled(policy.origin("spec.selector"), message))
            else:
                selecting.setdefault(policy.namespace, []).append(policy)
            continue
        older = mesh if policy.namespace == ROOT_NAMESPACE else namespaces.get(policy.namespace)
        if older:
            message = f"{older.obj.key}, which is older, holds for the same workloads"
            problems.append(overruled(policy.origin("spec"), message))
        elif policy.namespace == ROOT_NAMESPACE:
            mesh = policy
        else:
            namespaces[policy.namespace] = policy
    return MtlsIndex(
        mesh=mesh,
        namespaces=namespaces,
        selecting={namespace: tuple(found) for namespace, found in selecting.items()},
        problems=tuple(problems),
    )


def _mode(mtls: MutualTLS | None) -> Mtls | None:
    return _MODES.get(mtls.mode) if mtls else None


def _by_port(
    policy: Owned[PeerAuthentication] | None, mode: Mtls
) -> dict[int, tuple[Mtls, Origin]]:
    if policy is None:
        return {}
    ports = policy.typed.spec.port_level_mtls
    return {
        int(port): (_mode(ports[port]) or mode, policy.origin(f"spec.portLevelMtls.{port}"))
        for port in sorted(ports, key=lambda p: (len(p), p))
        if port.isdigit()
    }
