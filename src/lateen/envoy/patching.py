"""Change what a proxy is sent by its patches in Envoy's own words.

In: Resources, the plan's Patches.    Out: Resources.
Before: envoy/emit.py                 After: xds/, explain/walk_envoy.py

A resource that a patch took hold of is of its EnvoyFilter, too: what Envoy refuses is traced to it and
set aside, and the rest goes live.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lateen.api.envoywords import TYPES, message_class
from lateen.envoy import names
from lateen.envoy.memo import Memo
from lateen.envoy.patching_listeners import patch_listener
from lateen.envoy.patching_routes import patch_routes
from lateen.envoy.patchwork import MERGES, merge_around_socket, value_of
from lateen.envoy.resources import Resource, Resources, ResourceType, version_of
from lateen.ir.patches import Context, Operation, Patch, Spot

_INBOUND_LISTENER = 1  # envoy.config.core.v3.TrafficDirection
_OF_LISTENERS = frozenset(
    [
        *("LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "LISTENER_FILTER", "HTTP_FILTER"),
        *("EXTENSION_CONFIG", "ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"),
    ]
)
_OF_ROUTES = frozenset(["ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"])


def patched(
    resources: Resources, patches: tuple[Patch, ...], memo: Memo, *, gateway: bool
) -> Resources:
    """All resources of a proxy as its patches leave them."""
    clusters = tuple(p for p in patches if p.apply_to == "CLUSTER")
    listeners = tuple(p for p in patches if p.apply_to in _OF_LISTENERS)
    routes = tuple(p for p in patches if p.apply_to in _OF_ROUTES)
    made = dict(resources)
    for kind, change, chosen in (
        (ResourceType.CLUSTER, _cluster, clusters),
        (ResourceType.LISTENER, _listener, listeners),
        (ResourceType.ROUTES, _table, routes),
    ):
        if chosen:
            kept = (memo.once(change, each, chosen, gateway) for each in resources[kind].values())
            there = [each for each in kept if each is not None]
            there.extend(_added(kind, chosen, gateway))
            made[kind] = {each.name: each for each in sorted(there, key=lambda each: each.name)}
    return made


def _is_for(patch: Patch, context: Context) -> bool:
    return patch.context in (Context.ANY, context)


def _side(gateway: bool, inbound: bool) -> Context:
    if gateway:
        return Context.GATEWAY
    return Context.INBOUND if inbound else Context.OUTBOUND


def _changed(resource: Resource, message: Any, taken: set[Patch]) -> Resource:
    if not taken:
        return resource
    keys = {patch.origin.key for patch in taken if patch.origin.key}
    body = message.SerializeToString(deterministic=True)
    origins = tuple(sorted({*resource.origins, *keys}))
    return Resource(name=resource.name, version=version_of(body), body=body, origins=origins)


def _cluster(resource: Resource, patches: tuple[Patch, ...], gateway: bool) -> Resource | None:
    inbound = resource.name.startswith("inbound|") or resource.name == names.INBOUND_PASSTHROUGH
    context = _side(gateway, inbound)
    message = message_class(TYPES["CLUSTER"]).FromString(resource.body)
    taken: set[Patch] = set()
    for patch in patches:
        if not (_is_for(patch, context) and _is_cluster(resource.name, patch.spot)):
            continue
        if patch.operation is Operation.REMOVE:
            return None
        if patch.operation in MERGES:
            merge_around_socket(message, patch)
            taken.add(patch)
    return _changed(resource, message, taken)


def _is_cluster(name: str, spot: Spot) -> bool:
    if spot.name:
        return spot.name == name
    parts = name.split("|")
    port, subset, host = ("0", "", "") if len(parts) != 4 else parts[1:]
    return (
        spot.subset in ("", subset)
        and spot.service in ("", host)
        and spot.port in (0, int(port) if port.isdecimal() else 0)
    )


def _listener(resource: Resource, patches: tuple[Patch, ...], gateway: bool) -> Resource | None:
    message = message_class(TYPES["LISTENER"]).FromString(resource.body)
    context = _side(gateway, message.traffic_direction == _INBOUND_LISTENER)
    here = tuple(patch for patch in patches if _is_for(patch, context))
    stays, taken = patch_listener(message, here, gateway=gateway)
    return _changed(resource, message, taken) if stays else None


def _table(resource: Resource, patches: tuple[Patch, ...], gateway: bool) -> Resource | None:
    message = message_class(TYPES["ROUTE_CONFIGURATION"]).FromString(resource.body)
    here = tuple(patch for patch in patches if _is_for(patch, _side(gateway, False)))
    return _changed(resource, message, patch_routes(message, here, gateway=gateway))


def _added(kind: ResourceType, patches: tuple[Patch, ...], gateway: bool) -> Iterator[Resource]:
    """Whole clusters and listeners that patches add."""
    apply_to = {ResourceType.CLUSTER: "CLUSTER", ResourceType.LISTENER: "LISTENER"}.get(kind)
    sides = (Context.GATEWAY,) if gateway else (Context.OUTBOUND, Context.INBOUND)
    for patch in patches:
        if patch.apply_to != apply_to or patch.operation is not Operation.ADD:
            continue
        if any(_is_for(patch, side) for side in sides):
            value = value_of(patch)
            body = value.SerializeToString(deterministic=True)
            key = patch.origin.key
            yield Resource(
                name=value.name,
                version=version_of(body),
                body=body,
                origins=(key,) if key else (),
            )
