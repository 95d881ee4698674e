"""What an HTTP filter is here: a name and two pure functions.

In: -    Out: HttpFilter, HttpSite, Side.
Before: ir/policy.py, ir/routes.py       After: each file of this folder
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from google.protobuf.message import Message
from msgspec import Struct

from lateen.ir.manners import USUAL_MANNERS, Manners
from lateen.ir.policy import EVERYTHING_ALLOWED, Authorization
from lateen.ir.routes import Route


class Side(StrEnum):
    """Which way requests pass."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    GATEWAY = "gateway"


class HttpSite(Struct, frozen=True, kw_only=True):
    """Where a chain of filters stands; `gateway_port` is 0 in a sidecar.

    `tells_b3`: the trace is told in B3, besides the tracer's own way. `asks`: some requests go to hosts
    that are looked up by the name asked for.
    """

    side: Side
    gateway_port: int = 0
    authorization: Authorization = EVERYTHING_ALLOWED
    manners: Manners = USUAL_MANNERS
    tells_b3: bool = False
    asks: bool = False


class HttpFilter(Struct, frozen=True, kw_only=True):
    """A filter: its config at a place and its word on a route; None for "not there", "nothing"."""

    name: str
    on_listener: Callable[[HttpSite], Message | None]
    on_route: Callable[[Route], Message | None] = lambda _route: None
