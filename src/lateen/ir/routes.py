"""What becomes of a request: virtual hosts, routes, actions.

In: -    Out: RouteTable, VirtualHost, Route and the actions (a union).
Before: ir/match.py, ir/backends.py       After: translate/routes.py, envoy/routes.py, explain/

Times are seconds; shares are whole numbers that add up to the route's total.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lateen.base.origin import Origin
from lateen.ir.backends import BackendId
from lateen.ir.match import RequestMatch


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderChanges:
    """Headers set (overwriting), added, and removed."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


NO_CHANGES = HeaderChanges()


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A backend and its share of the route's requests.

    A header `host` among `request_headers.set` is the authority its requests get.
    """

    backend: BackendId
    weight: int
    request_headers: HeaderChanges = NO_CHANGES
    response_headers: HeaderChanges = NO_CHANGES
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Attempts after the first. `on` are Envoy's words (they are Istio's API too)."""

    attempts: int
    per_try_timeout: float | None = None
    on: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """New prefix (or whole path, for an exact or regex match) and authority; "" leaves as is."""

    path: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Send on, to one backend or split by weight. A timeout of 0 means none."""

    splits: tuple[Split, ...]
    timeout: float = 0.0
    retries: Retries | None = None
    rewrite: Rewrite | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Answer with a redirect. Empty or None fields keep the request's own."""

    code: int = 301
    path: str = ""
    authority: str = ""
    port: int | None = None
    scheme: str = ""
    strip_port: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Answer at once."""

    status: int
    body: str = ""


class Elsewhere(StrEnum):
    """Where a request goes that no service claims."""

    PASSTHROUGH = "PassthroughCluster"  # the address the client dialled, leaving by the border
    BLACK_HOLE = "BlackHoleCluster"  # nowhere


Action = Forward | Redirect | Respond | Elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Trouble made on purpose. Shares are percent, 0 to 100."""

    delay: float = 0.0
    delay_percent: float = 0.0
    abort_status: int = 0
    abort_grpc: str = ""
    abort_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One rule: the first whose match holds decides."""

    name: str
    match: RequestMatch
    action: Action
    fault: Fault | None = None
    request_headers: HeaderChanges = NO_CHANGES
    response_headers: HeaderChanges = NO_CHANGES
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualHost:
    """The rules of a set of domains (`reviews`, `*.example.com`, `*`).

    A request's host is compared without its port, as Istio has it: a gateway's port 80 is often
    another one outside.
    """

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    require_tls: bool = False  # answer plaintext requests with a redirect to https
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """All virtual hosts of one port, named as Istio names them (`80`, `http.8080`)."""

    name: str
    hosts: tuple[VirtualHost, ...]
