"""Which part of the mesh a pod's proxy is told of, at which ports, and what it does with the rest.

In: a world, a workload.                     Out: Scope, Way, Chosen.
Before: world/model.py                       After: translate/views.py, translate/claims.py

Istio's order: the oldest Sidecar that selects the pod, else the oldest of its namespace without a
selector, else that of the root namespace. Without any, what the workload is said to need, else all of
the mesh.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from lateen.api.sidecar import IstioEgressListener, Sidecar
from lateen.base.origin import BUILT_IN, Origin
from lateen.ir.backends import BackendId
from lateen.ir.routes import Split
from lateen.translate.hosts import covers, full_host
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload, World
from lateen.world.needs import need_of

_LOOPBACK = "127.0.0.1"  # where Istio's proxy listens unless a Sidecar says otherwise


class Scope(Struct, frozen=True, kw_only=True, order=True):
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


class Way(Struct, frozen=True, kw_only=True, order=True):
    """A way out for the hosts of a scope: at each port they have, or at one of a Sidecar's own.

    `protocol` is the own port's, as the Sidecar writes it. `bind` is an address to listen at instead
    of the services' own; `own`: the proxy itself listens there, without redirection.
    """

    scope: Scope = ALL_OF_IT
    port: int = 0
    protocol: str = ""
    bind: str = ""
    own: bool = False
    origin: Origin = BUILT_IN


ONE_WAY = (Way(),)


class Chosen(Struct, frozen=True, kw_only=True):
    """What a Sidecar says to a pod; `allow_any` is None where it says nothing of unknown hosts.

    `origin`: what bounds the hosts it is told of; None for all of the mesh.
    """

    origin: Origin | None = None
    sidecar: Owned[Sidecar] | None = None
    ways: tuple[Way, ...] = ONE_WAY
    allow_any: bool | None = None
    egress_proxy: Split | None = None


def chosen_for(world: World, workload: Workload) -> Chosen:
    """What the Sidecar that holds for a pod says, or else its workload's needs."""
    sidecars = world.sidecars
    own = [each for each in sidecars if each.namespace == workload.namespace]
    root = [each for each in sidecars if each.namespace == ROOT_NAMESPACE]
    for each in own:
        selector = each.typed.spec.workload_selector
        if selector and selector.labels.items() <= workload.labels.items():
            return _said(each, workload.namespace)
    for each in (*own, *root):
        if each.typed.spec.workload_selector is None:
            return _said(each, workload.namespace)
    need = need_of(world.needs, workload.namespace, workload.workload)
    if need is None:
        return Chosen()
    scope = Scope(imports=_imports(need.hosts, workload.namespace))
    return Chosen(origin=need.origin, ways=(Way(scope=scope, origin=need.origin),))


def _said(sidecar: Owned[Sidecar], namespace: str) -> Chosen:
    spec = sidecar.typed.spec
    ways = (
        _way(listener, namespace, sidecar.origin(f"spec.egress[{index}]"))
        for index, listener in enumerate(spec.egress)
    )
    policy = spec.outbound_traffic_policy
    return Chosen(
        origin=sidecar.origin("spec.egress") if spec.egress else None,
        sidecar=sidecar,
        ways=tuple(way for way in ways if way) if spec.egress else ONE_WAY,
        allow_any=None if policy is None else policy.mode == "ALLOW_ANY",
        egress_proxy=_egress_proxy(sidecar, namespace),
    )


def _egress_proxy(sidecar: Owned[Sidecar], namespace: str) -> Split | None:
    """Where unknown traffic is to go by."""
    policy = sidecar.typed.spec.outbound_traffic_policy
    proxy = policy.egress_proxy if policy else None
    if proxy is None:
        return None
    backend = BackendId(
        host=full_host(proxy.host, namespace),
        port=proxy.port.number if proxy.port else 0,
        subset=proxy.subset,
    )
    origin = sidecar.origin("spec.outboundTrafficPolicy.egressProxy")
    return Split(backend=backend, weight=100, origin=origin)


def _imports(hosts: Iterable[tuple[str, str]], namespace: str) -> tuple[tuple[str, str], ...]:
    """Hosts by namespace, with the full names of those that are written short."""
    return tuple(
        sorted(
            (where, full_host(name, namespace if where == "*" else where)) for where, name in hosts
        )
    )


def _way(listener: IstioEgressListener, namespace: str, origin: Origin) -> Way | None:
    """One way out; None for a Unix socket, which is not carried."""
    hosts = (host.partition("/") for host in listener.hosts)
    imports = _imports(
        ((namespace if where == "." else where, name) for where, _, name in hosts if where != "~"),
        namespace,
    )
    port, own = listener.port, listener.capture_mode == "NONE"
    if port and not port.number:
        return None
    return Way(
        scope=Scope(imports=imports),
        port=port.number if port else 0,
        protocol=port.protocol if port else "",
        bind=listener.bind or (_LOOPBACK if own else ""),
        own=own,
        origin=origin,
    )
