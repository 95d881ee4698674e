"""Apply patches to a route table: the table, its virtual hosts, their routes.

In: RouteConfiguration, Patches.    Out: the same, changed in place; the patches that took hold.
Before: envoy/patchwork.py          After: envoy/patching.py, envoy/patching_listeners.py

Source: Istio pilot/pkg/networking/core/envoyfilter/rc_patch.go.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from lateen.envoy.patchwork import MERGES, edit_list, merge, refill, value_of
from lateen.ir.patches import Operation, Patch, Spot

_INSERTS = (Operation.ADD, Operation.BEFORE, Operation.AFTER, Operation.FIRST)


def patch_routes(table: Any, patches: tuple[Patch, ...], *, gateway: bool) -> set[Patch]:
    """Apply the patches of one context; at a `gateway` tables are named by server."""
    taken: set[Patch] = set()
    here = [patch for patch in patches if _is_table(table.name, patch.spot, gateway)]
    for patch in here:
        if patch.apply_to == "ROUTE_CONFIGURATION" and patch.operation in MERGES:
            merge(table, patch)
            taken.add(patch)
    kept = []
    for host in table.virtual_hosts:
        made = _patched_host(host, here, taken)
        if made is not None:
            kept.append(made)
    for patch in here:
        if patch.apply_to == "VIRTUAL_HOST" and patch.operation is Operation.ADD:
            kept.append(value_of(patch))
            taken.add(patch)
    refill(table.virtual_hosts, kept)
    return taken


def _is_table(name: str, spot: Spot, gateway: bool) -> bool:
    if spot.name and spot.name != name:
        return False
    port, server, owner = _named(name) if gateway else (_port(name), "", "")
    return (
        (not gateway or not spot.server or spot.server == server)
        and (not gateway or not spot.gateway or spot.gateway == owner)
        and spot.port in (0, port)
    )


def _port(name: str) -> int:
    """The port in a sidecar's table: `80`, `inbound|8080||`; 0 where none is told."""
    text = name.split("|")[1] if name.startswith("inbound|") else name
    return int(text) if text.isdecimal() else 0


def _named(name: str) -> tuple[int, str, str]:
    """Port, server and Gateway of `http.80` or `https.443.NAME.GATEWAY.NAMESPACE`."""
    parts = name.split(".")
    port = int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else 0
    if parts[0] == "https" and len(parts) > 4:
        return port, parts[2], f"{parts[4]}/{parts[3]}"
    return port, "", ""


def _patched_host(host: Any, patches: list[Patch], taken: set[Patch]) -> Any | None:
    """The virtual host as it is to be; None for one that is removed."""
    for patch in patches:
        if patch.apply_to != "VIRTUAL_HOST" or not _is_host(host, patch.spot):
            continue
        if patch.operation is Operation.REMOVE:
            taken.add(patch)
            return None
        if patch.operation in MERGES:
            merge(host, patch)
            taken.add(patch)
        elif patch.operation is Operation.REPLACE:
            host = value_of(patch)
            taken.add(patch)
    _patch_rules(host, [p for p in patches if p.apply_to == "HTTP_ROUTE"], taken)
    return host


def _is_host(host: Any, spot: Spot) -> bool:
    return spot.host in ("", host.name) and (not spot.domain or spot.domain in host.domains)


def _patch_rules(host: Any, patches: list[Patch], taken: set[Patch]) -> None:
    here = [patch for patch in patches if _is_host(host, patch.spot)]
    kept = []
    for route in host.routes:
        removed = False
        for patch in here:
            if not _is_route(route, patch.spot):
                continue
            if patch.operation is Operation.REMOVE:
                removed = True
                taken.add(patch)
                break
            if patch.operation in MERGES:
                merge(route, patch)
                taken.add(patch)
        if not removed:
            kept.append(route)
    refill(host.routes, kept)
    for patch in here:
        if patch.operation not in _INSERTS:
            continue
        specific = not patch.spot.any_route
        known = any(_is_route(route, patch.spot) for route in host.routes)
        if specific and patch.operation is not Operation.ADD and not known:
            continue
        if edit_list(host.routes, patch, partial(_is_route, spot=patch.spot), specific=specific):
            taken.add(patch)


def _is_route(route: Any, spot: Spot) -> bool:
    return spot.route in ("", route.name) and spot.action in ("", route.WhichOneof("action"))
