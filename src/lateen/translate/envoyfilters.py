"""Which patches in Envoy's own words are for a proxy, in their order.

In: EnvoyFilters, a workload.         Out: Patches, problems.
Before: api/envoyfilter.py, world/    After: translate/plan.py

As in Istio the lower priority goes first, then the root namespace, then old before new.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache

from lateen.api.envoyfilter import ConfigObjectMatch, ConfigPatch, EnvoyFilter, ProxyMatch
from lateen.api.envoywords import TYPES, read_words
from lateen.base.problem import Problem
from lateen.ir.patches import Context, Operation, Patch, Spot
from lateen.translate.faults import not_carried
from lateen.translate.selecting import attached
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload

_LISTED = ("HTTP_FILTER", "NETWORK_FILTER", "HTTP_ROUTE", "LISTENER_FILTER")
_INSERTS = (Operation.BEFORE, Operation.AFTER, Operation.FIRST)


def patches_for(
    filters: tuple[Owned[EnvoyFilter], ...], workload: Workload
) -> tuple[tuple[Patch, ...], tuple[Problem, ...]]:
    """The patches for a workload's proxy; one that Envoy's API cannot read is left out."""
    chosen = [each for each in filters if _selects(each, workload)]
    chosen.sort(key=lambda f: (f.typed.spec.priority, f.namespace != ROOT_NAMESPACE, f.age))
    found: list[Patch] = []
    problems: list[Problem] = []
    for each in chosen:
        for index, written in enumerate(each.typed.spec.config_patches):
            path = f"spec.configPatches[{index}]"
            patch = _patch(each, written, path, workload)
            if patch is None:
                continue
            if fault := _fault(patch.apply_to, patch.value):
                problems.append(not_carried(each.origin(f"{path}.patch.value"), fault))
            else:
                found.append(patch)
    return tuple(found), tuple(problems)


def unnamed(patches: Iterable[Patch]) -> Iterator[Problem]:
    """What to tell where only the registry may be called: the border lets by no cluster of a patch's own."""
    for patch in patches:
        if patch.apply_to != "CLUSTER" or patch.operation is not Operation.ADD:
            continue
        for address in dict.fromkeys(_addresses(json.loads(patch.value or "{}"))):
            message = (
                f"under REGISTRY_ONLY the border lets by only what the registry names: {address} is not"
                " reached. The cluster of a ServiceEntry is, by its name outbound|PORT||HOST"
            )
            yield not_carried(patch.origin, message)


def _addresses(value: object) -> Iterator[str]:
    """The hosts that a message of Envoy's gives as addresses outside of the pod."""
    if isinstance(value, list):
        for each in value:
            yield from _addresses(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in ("socket_address", "socketAddress") and isinstance(each, dict):
                host = each.get("address")
                if isinstance(host, str) and not host.startswith("127."):
                    yield host
            else:
                yield from _addresses(each)


def _selects(filter_: Owned[EnvoyFilter], workload: Workload) -> bool:
    if filter_.namespace not in (ROOT_NAMESPACE, workload.namespace):
        return False
    spec = filter_.typed.spec
    if spec.target_refs:
        return attached(spec.target_refs, filter_.namespace, workload)
    selector = spec.workload_selector
    return selector is None or selector.labels.items() <= workload.labels.items()


def _patch(
    owner: Owned[EnvoyFilter], written: ConfigPatch, path: str, workload: Workload
) -> Patch | None:
    """One patch; None if it is incomplete, or for other proxies."""
    patch, match = written.patch, written.match or ConfigObjectMatch()
    if patch is None or written.apply_to not in TYPES or patch.operation not in list(Operation):
        return None
    if match.context not in list(Context) or not _is_meant(match.proxy, workload):
        return None
    operation = Operation(patch.operation)
    if operation in _INSERTS and written.apply_to not in _LISTED:
        operation = Operation.ADD
    return Patch(
        apply_to=written.apply_to,
        operation=operation,
        context=Context(match.context),
        spot=_spot(match),
        value="" if patch.value is None else json.dumps(patch.value, sort_keys=True),
        origin=owner.origin(path),
    )


def _is_meant(proxy: ProxyMatch | None, workload: Workload) -> bool:
    """By what a proxy says of itself; of Istio's versions it is none."""
    if proxy is None:
        return True
    said = {
        "NAME": workload.name,
        "NAMESPACE": workload.namespace,
        "WORKLOAD_NAME": workload.workload,
        "INSTANCE_IPS": workload.address,
    }
    return not proxy.proxy_version and proxy.metadata.items() <= said.items()


def _spot(match: ConfigObjectMatch) -> Spot:
    if listener := match.listener:
        chain = listener.filter_chain
        inner = chain.filter if chain else None
        return Spot(
            name=listener.name,
            port=listener.port_number,
            listener_filter=listener.listener_filter,
            chain=chain.name if chain else "",
            sni=chain.sni if chain else "",
            transport=chain.transport_protocol if chain else "",
            alpn=tuple(filter(None, chain.application_protocols.split(","))) if chain else (),
            destination_port=chain.destination_port if chain else 0,
            filter=inner.name if inner else "",
            sub_filter=inner.sub_filter.name if inner and inner.sub_filter else "",
        )
    if table := match.route_configuration:
        host = table.vhost
        route = host.route if host else None
        return Spot(
            name=table.name,
            port=table.port_number,
            server=table.port_name,
            gateway=table.gateway,
            host=host.name if host else "",
            domain=host.domain_name if host else "",
            route=route.name if route else "",
            action="" if route is None or route.action == "ANY" else route.action.lower(),
            any_route=route is None,
        )
    if cluster := match.cluster:
        return Spot(
            name=cluster.name,
            service=cluster.service,
            subset=cluster.subset,
            port=cluster.port_number,
        )
    return Spot()


@lru_cache(maxsize=1024)
def _fault(apply_to: str, value: str) -> str:
    """What Envoy's API finds wrong with a value; "" for nothing."""
    try:
        if value:
            read_words(TYPES[apply_to], json.loads(value))
    except ValueError as fault:
        return str(fault).partition("\n")[0]
    return ""
