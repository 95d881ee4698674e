"""Changes to what Envoy is sent that users wrote in Envoy's own words.

In: base/origin.py       Out: Patch, and where it applies.
Before: -                After: translate/envoyfilters.py, envoy/patching.py

They are the one part of a plan that says nothing of traffic: `walk_ir` cannot follow them, and only
what is emitted shows what they do.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from lateen.base.origin import Origin


class Operation(StrEnum):
    """What a patch does."""

    MERGE = "MERGE"
    MERGE_LISTS = "MERGE_AND_REPLACE_LIST"
    ADD = "ADD"
    REMOVE = "REMOVE"
    BEFORE = "INSERT_BEFORE"
    AFTER = "INSERT_AFTER"
    FIRST = "INSERT_FIRST"
    REPLACE = "REPLACE"


class Context(StrEnum):
    """Which way, or at which kind of proxy."""

    ANY = "ANY"
    INBOUND = "SIDECAR_INBOUND"
    OUTBOUND = "SIDECAR_OUTBOUND"
    GATEWAY = "GATEWAY"


class Spot(Struct, frozen=True, kw_only=True):
    """Where in a proxy's configuration; "" and 0 stand for any.

    `port` is a listener's, a route table's or a cluster's; `filter` a network filter, `sub_filter` an
    HTTP filter in it.
    """

    name: str = ""
    port: int = 0
    chain: str = ""
    sni: str = ""
    transport: str = ""
    alpn: tuple[str, ...] = ()
    destination_port: int = 0
    filter: str = ""
    sub_filter: str = ""
    listener_filter: str = ""
    server: str = ""  # of gateways: the server's port name ...
    gateway: str = ""  # ... and the Gateway, as NAMESPACE/NAME
    host: str = ""
    domain: str = ""
    route: str = ""
    action: str = ""  # "route", "redirect", "direct_response"
    any_route: bool = True
    service: str = ""
    subset: str = ""


class Patch(Struct, frozen=True, kw_only=True):
    """One change. `value` is JSON of Envoy's message for `apply_to`, "" where nothing is put in."""

    apply_to: str
    operation: Operation
    context: Context
    spot: Spot
    value: str
    origin: Origin
