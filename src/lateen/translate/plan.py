"""From the world to what each proxy is to do.

In: World.    Out: proxies, ProxyPlan and problems of each.
Before: translate/outbound.py, translate/inbound.py, translate/gateways.py        After: envoy/, explain/

`plans` is the whole step. What sidecars of one namespace share is worked out once and is the same
object in all their plans, so that later stages can tell by identity what they have done already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from msgspec import Struct

from lateen.base.problem import Problem
from lateen.ir.backends import Backend, EndpointSet
from lateen.ir.plan import Outbound, Proxy, ProxyPlan, Role, SniffOut, TcpOut
from lateen.translate.calling import called_backends, callees
from lateen.translate.certfiles import file_credentials
from lateen.translate.envoyfilters import patches_for, unnamed
from lateen.translate.gateways import gateway_view
from lateen.translate.inbound import inbound_of, wait_of
from lateen.translate.leaving import is_held, only_registry
from lateen.translate.manners import manners_of
from lateen.translate.outbound import OutboundView, View, outbound_view, view_of
from lateen.translate.policy import authorization_of, reads_of
from lateen.translate.proxyconfigs import settings_of
from lateen.translate.reporting import telemetry_of
from lateen.translate.scope import chosen_for
from lateen.translate.views import Index, index_of, sight_of
from lateen.world.model import CLUSTER_DOMAIN, Injection, Workload, World

T = TypeVar("T", bound=Backend | EndpointSet)


class Planned(Struct, frozen=True, kw_only=True):
    """One proxy's plan, and what is wrong with the rules it was made from."""

    plan: ProxyPlan
    problems: tuple[Problem, ...]


def proxy_of(workload: Workload) -> Proxy | None:
    """The proxy a pod has: none without injection, or once the pod has ended."""
    if workload.injection is Injection.NONE or workload.ended:
        return None
    role = Role.GATEWAY if workload.injection is Injection.GATEWAY else Role.SIDECAR
    where = f"{workload.name}.{workload.namespace}"
    return Proxy(
        id=f"{role.value}~{workload.address}~{where}~{workload.namespace}.svc.{CLUSTER_DOMAIN}",
        role=role,
        namespace=workload.namespace,
        pod=workload.name,
        address=workload.address,
        identity=workload.identity,
        workload=workload.workload,
        app=workload.app,
        version=workload.version,
        locality=workload.locality,
        metadata=workload.proxy_metadata,
    )


def proxies(world: World) -> tuple[Proxy, ...]:
    """Every proxy there is, by namespace and pod. A pod that is ending keeps its own until gone."""
    found = (proxy_of(workload) for workload in world.workloads.values())
    return tuple(proxy for proxy in found if proxy)


def plans(world: World, *, allow_any: bool = True) -> tuple[Planned, ...]:
    """The plan of every proxy. `allow_any`: what no service claims may leave by the border."""
    index = index_of(world)
    views: dict[View, OutboundView] = {}
    made: list[Planned] = []
    for proxy in proxies(world):
        if proxy.role is Role.GATEWAY:
            made.append(gateway_plan(index, proxy))
            continue
        workload = world.workloads[proxy.namespace, proxy.pod]
        view = view_of(index, workload, allow_any=allow_any)
        if view not in views:
            views[view] = outbound_view(index, view)
        made.append(_sidecar_plan(index, proxy, views[view]))
    return tuple(made)


def plan_for(
    world: World, proxy: Proxy, *, allow_any: bool = True
) -> tuple[ProxyPlan, tuple[Problem, ...]]:
    """The plan of one proxy alone; `plans` is cheaper for more than one."""
    index = index_of(world)
    if proxy.role is Role.GATEWAY:
        planned = gateway_plan(index, proxy)
    else:
        workload = world.workloads[proxy.namespace, proxy.pod]
        view = view_of(index, workload, allow_any=allow_any)
        planned = _sidecar_plan(index, proxy, outbound_view(index, view))
    return planned.plan, planned.problems


def _sidecar_plan(index: Index, proxy: Proxy, shared: OutboundView) -> Planned:
    workload = index.world.workloads[proxy.namespace, proxy.pod]
    sidecar = chosen_for(index.world, workload).sidecar
    inbound, problems = inbound_of(index, workload, sidecar)
    egress_proxy = shared.view.egress_proxy
    sight = sight_of(index, workload)
    telemetry, untold = telemetry_of(sight, workload)
    wanted = callees(inbound.authorization) | telemetry.backends
    further = called_backends(wanted, sight, Role.SIDECAR, shared.backends)
    patches, unread = patches_for(index.world.envoy_filters, workload)
    pairs, roots, lacking = file_credentials(shared.backends, index.world, workload)
    plan = ProxyPlan(
        proxy=proxy,
        patches=patches,
        outbound=_without_self(shared.outbound, proxy.address),
        inbound=inbound,
        tables=shared.tables,
        backends=_with(shared.backends, further.backends),
        endpoints=_with(shared.endpoints, further.endpoints),
        secrets=shared.secrets + pairs,
        roots=shared.roots + roots,
        allow_any=shared.view.allow_any,
        egress_proxy=egress_proxy.backend if egress_proxy and shared.view.allow_any else None,
        trust_domain=index.world.trust_domain,
        reads=reads_of(index.world.mesh),
        manners=manners_of(settings_of(index.world, workload), Role.SIDECAR),
        telemetry=telemetry,
        wait=wait_of(index.world.mesh),
    )
    found = dict.fromkeys(
        [
            *(*shared.problems, *problems, *further.problems, *unread, *lacking, *untold),
            *_unnamed(index, plan),
        ]
    )
    return Planned(plan=plan, problems=tuple(found))


def _unnamed(index: Index, plan: ProxyPlan) -> Iterator[Problem]:
    """What patches lead to that the border does not let by."""
    if plan.patches and is_held(plan, only_registry=only_registry(index.world.mesh)):
        yield from unnamed(plan.patches)


def _with(shared: tuple[T, ...], further: tuple[T, ...]) -> tuple[T, ...]:
    """Both, in order of their ids; what is shared stays the same object where nothing comes on top."""
    return tuple(sorted(shared + further, key=lambda each: each.id)) if further else shared


def _without_self(outbound: tuple[Outbound, ...], address: str) -> tuple[Outbound, ...]:
    """A headless Service's pod does not reach itself through its own proxy; as in Istio."""
    others = tuple(
        o for o in outbound if not isinstance(o, TcpOut | SniffOut) or o.address != address
    )
    return outbound if len(others) == len(outbound) else others


def gateway_plan(index: Index, proxy: Proxy) -> Planned:
    """The plan of a gateway's proxy."""
    workload = index.world.workloads[proxy.namespace, proxy.pod]
    view, problems = gateway_view(index, workload)
    sight = sight_of(index, workload)
    authorization, found = authorization_of(sight, workload)
    telemetry, untold = telemetry_of(sight, workload)
    wanted = callees(authorization) | telemetry.backends
    further = called_backends(wanted, sight, Role.GATEWAY, view.backends)
    patches, unread = patches_for(index.world.envoy_filters, workload)
    pairs, roots, lacking = file_credentials(view.backends, index.world, workload)
    plan = ProxyPlan(
        proxy=proxy,
        patches=patches,
        gateway=view.ports,
        authorization=authorization,
        tables=view.tables,
        backends=_with(view.backends, further.backends),
        endpoints=_with(view.endpoints, further.endpoints),
        secrets=tuple(dict.fromkeys([*view.secrets, *pairs])),
        roots=tuple(dict.fromkeys([*view.roots, *roots])),
        allow_any=False,
        trust_domain=index.world.trust_domain,
        reads=reads_of(index.world.mesh),
        manners=manners_of(settings_of(index.world, workload), Role.GATEWAY),
        telemetry=telemetry,
    )
    told = dict.fromkeys(
        [
            *(*problems, *found, *further.problems, *unread, *lacking, *untold),
            *_unnamed(index, plan),
        ]
    )
    return Planned(plan=plan, problems=tuple(told))
