"""Apply patches to a listener: itself, its filters, its chains, their filters, HTTP filters in those.

In: Listener, Patches.        Out: the same, changed in place; the patches that took hold.
Before: envoy/patchwork.py    After: envoy/patching.py

Source: Istio pilot/pkg/networking/core/envoyfilter/listener_patch.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lateen.api.envoywords import pack, unpacked
from lateen.envoy import names
from lateen.envoy.patching_routes import patch_routes
from lateen.envoy.patchwork import (
    MERGES,
    edit_list,
    merge,
    merge_around_socket,
    merge_filter,
    refill,
    value_of,
)
from lateen.ir.patches import Operation, Patch, Spot

_VIRTUAL = (names.VIRTUAL_INBOUND, names.VIRTUAL_OUTBOUND)
_MANAGER = "envoy.filters.network.http_connection_manager"


def patch_listener(
    listener: Any, patches: tuple[Patch, ...], *, gateway: bool
) -> tuple[bool, set[Patch]]:
    """Apply the patches of one context; whether the listener stays, and which of them took hold."""
    taken: set[Patch] = set()
    for patch in _for(patches, "LISTENER"):
        if not _is_listener(listener, patch):
            continue
        if patch.operation is Operation.REMOVE:
            return False, {patch}
        if patch.operation in MERGES:
            merge(listener, patch)
            taken.add(patch)
    here = tuple(p for p in patches if _is_listener(listener, p))
    for patch in _for(here, "LISTENER_FILTER"):
        _patch_own_filter(listener, patch, taken)
    _patch_chains(listener, here, gateway, taken)
    # A route table that stands in the listener itself is looked for by its own name.
    for chain in (*listener.filter_chains, listener.default_filter_chain):
        for filter_ in chain.filters:
            if filter_.name == _MANAGER:
                _patch_manager_routes(filter_, patches, gateway, taken)
    return True, taken


def _for(patches: Iterable[Patch], *kinds: str) -> list[Patch]:
    return [patch for patch in patches if patch.apply_to in kinds]


def _port_of(listener: Any) -> int:
    """The port; that of a gateway's twin for the border stands in its name."""
    twin, _, port = listener.name.rpartition("_")
    if twin == "border" and port.isdecimal():
        return int(port)
    return int(listener.address.socket_address.port_value)


def _is_listener(listener: Any, patch: Patch) -> bool:
    spot, name = patch.spot, listener.name
    if name.startswith("border_"):
        name = names.wildcard_listener(_port_of(listener))
    if spot.name and spot.name != name:
        return False
    if patch.apply_to != "LISTENER" and name in _VIRTUAL:
        return True
    return spot.port in (0, _port_of(listener))


def _patch_own_filter(listener: Any, patch: Patch, taken: set[Patch]) -> None:
    spot = patch.spot
    if patch.operation not in MERGES:
        if edit_list(
            listener.listener_filters,
            patch,
            _named(spot.listener_filter),
            specific=bool(spot.listener_filter),
        ):
            taken.add(patch)
        return
    for each in listener.listener_filters:
        if spot.listener_filter and each.name == spot.listener_filter:
            merge_filter(each, patch)
            taken.add(patch)


def _patch_chains(
    listener: Any, patches: tuple[Patch, ...], gateway: bool, taken: set[Patch]
) -> None:
    kept = [c for c in listener.filter_chains if _patch_chain(listener, c, patches, taken)]
    for patch in _for(patches, "FILTER_CHAIN"):
        if patch.operation is Operation.ADD:
            kept.append(value_of(patch))
            taken.add(patch)
    refill(listener.filter_chains, kept)
    if listener.HasField("default_filter_chain") and not _patch_chain(
        listener, listener.default_filter_chain, patches, taken
    ):
        listener.ClearField("default_filter_chain")


def _patch_chain(listener: Any, chain: Any, patches: tuple[Patch, ...], taken: set[Patch]) -> bool:
    """Whether the chain stays."""
    here = [patch for patch in patches if _is_chain(listener, chain, patch.spot)]
    for patch in _for(here, "FILTER_CHAIN"):
        if patch.operation is Operation.REMOVE:
            taken.add(patch)
            return False
        if patch.operation in MERGES:
            merge_around_socket(chain, patch)
            taken.add(patch)
    network = _for(here, "NETWORK_FILTER")
    for patch in network:
        wanted = patch.spot.filter
        if patch.operation not in MERGES and edit_list(
            chain.filters, patch, _named(wanted), specific=bool(wanted)
        ):
            taken.add(patch)
    for filter_ in chain.filters:
        for patch in network:
            if patch.operation in MERGES and patch.spot.filter in ("", filter_.name):
                merge_filter(filter_, patch)
                taken.add(patch)
        if filter_.name == _MANAGER:
            _patch_manager(filter_, _for(here, "HTTP_FILTER", "EXTENSION_CONFIG"), taken)
    return True


def _is_chain(listener: Any, chain: Any, spot: Spot) -> bool:
    match = chain.filter_chain_match
    if listener.name in _VIRTUAL and spot.port not in (0, match.destination_port.value):
        return False
    return (
        spot.chain in ("", chain.name)
        and (not spot.sni or spot.sni in match.server_names)
        and spot.transport in ("", match.transport_protocol)
        and set(spot.alpn) <= set(match.application_protocols)
        and spot.destination_port in (0, match.destination_port.value)
    )


def _named(name: str) -> Callable[[Any], bool]:
    return lambda each: each.name == name


def _patch_manager(filter_: Any, patches: list[Patch], taken: set[Patch]) -> None:
    manager = unpacked(filter_.typed_config)
    if manager is None:
        return
    here = [p for p in _for(patches, "HTTP_FILTER") if p.spot.filter in ("", filter_.name)]
    for patch in here:
        wanted = patch.spot.sub_filter
        if patch.operation not in MERGES and edit_list(
            manager.http_filters, patch, _named(wanted), specific=bool(wanted)
        ):
            taken.add(patch)
    for inner in manager.http_filters:
        for patch in here:
            if patch.operation in MERGES and patch.spot.sub_filter in ("", inner.name):
                merge_filter(inner, patch)
                taken.add(patch)
        _put_extension(inner, _for(patches, "EXTENSION_CONFIG"), taken)
    pack(filter_.typed_config, manager)


def _put_extension(inner: Any, patches: list[Patch], taken: set[Patch]) -> None:
    """Give a filter that is to be discovered the config of its name at once."""
    if not inner.HasField("config_discovery"):
        return
    for patch in patches:
        value = value_of(patch)
        if patch.operation is Operation.ADD and value.name == inner.name:
            inner.typed_config.CopyFrom(value.typed_config)
            taken.add(patch)


def _patch_manager_routes(
    filter_: Any, patches: tuple[Patch, ...], gateway: bool, taken: set[Patch]
) -> None:
    routes = _for(patches, "ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
    if not routes:
        return
    manager = unpacked(filter_.typed_config)
    if manager is not None and manager.HasField("route_config"):
        taken |= patch_routes(manager.route_config, tuple(routes), gateway=gateway)
        pack(filter_.typed_config, manager)
