"""A made-up request, and what becomes of it.

In: -    Out: Request and the outcomes (a union).
Before: -       After: walk_ir.py, walk_envoy.py, cli/
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from lateen.ir.routes import HeaderChanges


class Way(StrEnum):
    """Which way a request passes the proxy."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    GATEWAY = "gateway"


class Request(Struct, frozen=True, kw_only=True):
    """An HTTP request as it reaches a proxy. `path` has the query; header names in lower case.

    `address` is the address dialled where that decides (a port that declares no protocol); `peer`
    the caller's SPIFFE identity, "" without mTLS; `tls` whether the client spoke TLS; `raw` that what
    it says (inside TLS, if any) is not HTTP. A sidecar sees nothing but the server name of its app's
    TLS. `sni` is the server name as policies see it, `source` the address of the connection's other
    end, `client` that of the original client where a trusted proxy told of another. `at` is the moment
    by which its tokens are judged, in seconds since 1970, 0 for one at which they are valid; `claims`
    are those of a token that was accepted. `authorizer` is what an external one answers, if asked.
    `trusted` are tokens whose signature is taken for granted.
    """

    way: Way
    port: int
    method: str = "GET"
    path: str = "/"
    authority: str = "localhost"
    headers: tuple[tuple[str, str], ...] = ()
    address: str = ""
    peer: str = ""
    tls: bool = False
    raw: bool = False
    sni: str = ""
    source: str = ""
    client: str = ""
    at: float = 0.0
    claims: Mapping[str, Any] | None = None
    authorizer: bool = True
    trusted: frozenset[str] = frozenset()

    @property
    def scheme(self) -> str:
        """`https` where a gateway ended TLS; what proxies say to each other is `http`."""
        return "https" if self.way is Way.GATEWAY and self.tls else "http"

    @property
    def host(self) -> str:
        """The authority without its port, in lower case."""
        return self.authority.lower().partition(":")[0]


class Tries(Struct, frozen=True, kw_only=True):
    """Attempts after the first: how many at most, on what, and the longest one may take, in seconds."""

    attempts: int
    on: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    each: float | None = None


class Changes(Struct, frozen=True):
    """What is done to the headers of requests to one cluster, and of their answers, in this order."""

    request: tuple[HeaderChanges, ...] = ()
    response: tuple[HeaderChanges, ...] = ()


class Forwarded(Struct, frozen=True, kw_only=True):
    """Sent on, to one of the clusters by share, with this path and authority.

    `mirrors`: clusters that get a copy, with the percent of requests; `aborts`: the percent that is
    answered with an error on purpose instead, and its status; `delays`: the percent that is held back,
    and for how many seconds; `hashed`: what of the request decides about the endpoint; `changes`: for
    each share in turn, none if headers stay as they are; `authorities`: in the same way, where the
    clusters' requests get one of their own. A timeout (seconds) of 0 means none.
    """

    route: str
    origin: str
    shares: tuple[tuple[str, int], ...]  # cluster, weight
    path: str
    authority: str
    mirrors: tuple[tuple[str, float], ...] = ()
    aborts: tuple[float, int] | None = None
    hashed: tuple[str, ...] = ()
    timeout: float = 0.0
    tries: Tries | None = None
    delays: tuple[float, float] | None = None
    changes: tuple[Changes, ...] = ()
    authorities: tuple[str, ...] = ()


class Redirected(Struct, frozen=True, kw_only=True):
    """Answered with a redirect."""

    route: str
    origin: str
    status: int
    location: str


class Answered(Struct, frozen=True, kw_only=True):
    """Answered at once."""

    route: str
    origin: str
    status: int
    body: str = ""


class Denied(Struct, frozen=True, kw_only=True):
    """Refused (with 403, or as an authorizer wants) by this rule; `none` if no ALLOW rule matched."""

    rule: str


class Unverified(Struct, frozen=True):
    """Refused with 401 (403 for another's audience): no rule accepts the token it shows."""


class Lost(Struct, frozen=True, kw_only=True):
    """Nothing takes it: why."""

    why: str


UNVERIFIED = Unverified()
NO_LISTENER = Lost(why="no listener for this port")
NO_CHAIN = Lost(why="the connection is closed: no filter chain takes it")
NO_HOST = Lost(why="404: no virtual host of this name")
NO_ROUTE = Lost(why="404: no route of the virtual host matches")

Outcome = Forwarded | Redirected | Answered | Denied | Unverified | Lost
