"""Edit Envoy's messages by patches: merge, and lists with something put in or taken out.

In: messages of Envoy's whole API.    Out: the same, changed in place.
Before: api/envoywords.py             After: envoy/patching.py, envoy/patching_listeners.py, envoy/patching_routes.py

Source: Istio pkg/proto/merge and pilot's envoyfilter. The messages are copies: nothing else sees them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lateen.api.envoywords import TYPES, pack, read_words, unpacked
from lateen.ir.patches import Operation, Patch

MERGES = (Operation.MERGE, Operation.MERGE_LISTS)
_DURATION = "google.protobuf.Duration"


def value_of(patch: Patch) -> Any:
    """The patch's value as a message; it was read once before, so it can be."""
    return read_words(TYPES[patch.apply_to], json.loads(patch.value or "{}"))


def merge(into: Any, patch: Patch, value: Any | None = None) -> None:
    """Merge a patch's value (or a part of it) into a message: what it sets is set, lists grow.

    A duration is replaced as a whole, and with MERGE_AND_REPLACE_LIST a list is.
    """
    value = value_of(patch) if value is None else value
    _forget(into, value, lists=patch.operation is Operation.MERGE_LISTS)
    into.MergeFrom(value)


def _forget(into: Any, value: Any, *, lists: bool) -> None:
    """Clear what is to be replaced instead of merged."""
    for field, given in value.ListFields():
        if field.is_repeated:
            is_map = field.message_type and field.message_type.GetOptions().map_entry
            if lists and not is_map:
                into.ClearField(field.name)
        elif field.message_type and field.message_type.full_name == _DURATION:
            into.ClearField(field.name)
        elif field.message_type and into.HasField(field.name):
            _forget(getattr(into, field.name), given, lists=lists)


def merge_packed(into: Any, value: Any, patch: Patch) -> None:
    """Merge what is in two Anys; of different types the old one stays, as in Istio."""
    if into.type_url != value.type_url:
        return
    old, new = unpacked(into), unpacked(value)
    if old is not None and new is not None:
        merge(old, patch, new)
        pack(into, old)


def merge_filter(into: Any, patch: Patch) -> None:
    """Merge into a filter of any kind: its name, and what is in its config."""
    value = value_of(patch)
    if value.name:
        into.name = value.name
    if value.HasField("typed_config") and into.HasField("typed_config"):
        merge_packed(into.typed_config, value.typed_config, patch)


def merge_around_socket(into: Any, patch: Patch) -> None:
    """Merge into a cluster or chain; a transport socket of the same name is merged by itself.

    A value with a transport socket changes nothing else, as in Istio.
    """
    value = value_of(patch)
    if not value.HasField("transport_socket"):
        merge(into, patch)
        return
    socket = value.transport_socket
    matches = getattr(into, "transport_socket_matches", ())
    if len(matches):
        found = [m.transport_socket for m in matches if m.transport_socket.name == socket.name]
        if found and socket.HasField("typed_config"):
            merge_packed(found[0].typed_config, socket.typed_config, patch)
    elif into.transport_socket.name == socket.name:
        merge_packed(into.transport_socket.typed_config, socket.typed_config, patch)
    else:
        into.transport_socket.CopyFrom(socket)


def edit_list(items: Any, patch: Patch, matches: Callable[[Any], bool], *, specific: bool) -> bool:
    """Put a value into a list of filters or routes, or take some out; whether that was done.

    `specific`: the patch names one. Without a name before means first and after means last, and
    nothing is taken out or replaced.
    """
    old = list(items)
    at = next((index for index, each in enumerate(old) if matches(each)), None)
    match patch.operation:
        case Operation.ADD:
            made = [*old, value_of(patch)]
        case Operation.FIRST:
            made = [value_of(patch), *old]
        case Operation.BEFORE if not specific:
            made = [value_of(patch), *old]
        case Operation.AFTER if not specific:
            made = [*old, value_of(patch)]
        case Operation.BEFORE if at is not None:
            made = [*old[:at], value_of(patch), *old[at:]]
        case Operation.AFTER if at is not None:
            made = [*old[: at + 1], value_of(patch), *old[at + 1 :]]
        case Operation.REPLACE if specific and at is not None:
            made = [*old[:at], value_of(patch), *old[at + 1 :]]
        case Operation.REMOVE if specific and at is not None:
            made = [each for each in old if not matches(each)]
        case _:
            return False
    refill(items, made)
    return True


def refill(items: Any, made: list[Any]) -> None:
    """Make a repeated field hold these and nothing else."""
    kept = [type(each).FromString(each.SerializeToString()) for each in made]
    del items[:]
    items.extend(kept)
