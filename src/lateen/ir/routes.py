"""What becomes of a request: virtual hosts, routes, actions.

In: -    Out: RouteTable, VirtualHost, Route and the actions (a union).
Before: ir/match.py, ir/backends.py       After: translate/routes.py, envoy/routes.py, explain/

Times are seconds; shares are whole numbers that add up to the route's total.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from lateen.base.origin import Origin
from lateen.ir.backends import BackendId
from lateen.ir.match import RequestMatch, StringMatch

BLACK_HOLE_STATUS = 502  # Istio's answer to what no service claims, under REGISTRY_ONLY


class HeaderChanges(Struct, frozen=True, kw_only=True):
    """Headers set (overwriting), added, and removed."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


NO_CHANGES = HeaderChanges()


class Split(Struct, frozen=True, kw_only=True):
    """A backend and its share of the route's requests.

    A header `host` among `request_headers.set` is the authority its requests get.
    """

    backend: BackendId
    weight: int
    request_headers: HeaderChanges = NO_CHANGES
    response_headers: HeaderChanges = NO_CHANGES
    origin: Origin


class Retries(Struct, frozen=True, kw_only=True):
    """Attempts after the first. `on` are Envoy's words (they are Istio's API too).

    `same_host`: an attempt may go to a host that failed before; `other_priorities`: it goes to other
    localities first; `backoff`: the shortest pause before an attempt, in seconds.
    """

    attempts: int
    same_host: bool = False
    other_priorities: bool = False
    backoff: float | None = None
    per_try_timeout: float | None = None
    on: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    origin: Origin


class Rewrite(Struct, frozen=True, kw_only=True):
    """New prefix (or whole path, for an exact or regex match) and authority; "" leaves as is.

    With a `pattern` (RE2) all that it finds in the path is replaced by `substitution` instead.
    """

    path: str = ""
    pattern: str = ""
    substitution: str = ""
    authority: str = ""


class Mirror(Struct, frozen=True, kw_only=True):
    """A copy of a share of the requests, in percent; nobody waits for its answer."""

    backend: BackendId
    percent: float = 100.0
    origin: Origin


class HeaderHash(Struct, frozen=True):
    """Requests alike in a header go to one endpoint."""

    name: str


class CookieHash(Struct, frozen=True, kw_only=True):
    """Requests alike in a cookie; made where a request has none if `ttl` (seconds) is given."""

    name: str
    path: str = ""
    ttl: float | None = None
    attributes: tuple[tuple[str, str], ...] = ()


class QueryHash(Struct, frozen=True):
    """Requests alike in a query parameter."""

    name: str


class SourceHash(Struct, frozen=True):
    """Requests from one address."""


HashBy = HeaderHash | CookieHash | QueryHash | SourceHash


class Forward(Struct, frozen=True, kw_only=True):
    """Send on, to one backend or split by weight. A timeout of 0 means none."""

    splits: tuple[Split, ...]
    timeout: float = 0.0
    retries: Retries | None = None
    rewrite: Rewrite | None = None
    mirrors: tuple[Mirror, ...] = ()
    hashed: tuple[HashBy, ...] = ()


class Redirect(Struct, frozen=True, kw_only=True):
    """Answer with a redirect. Empty or None fields keep the request's own.

    `path` replaces the whole path, `prefix` what the route's match took of it.
    """

    code: int = 301
    path: str = ""
    prefix: str = ""
    authority: str = ""
    port: int | None = None
    scheme: str = ""
    strip_port: bool = False


class Respond(Struct, frozen=True, kw_only=True):
    """Answer at once; `raw` is a body that need not be text."""

    status: int
    body: str = ""
    raw: bytes = b""


class Elsewhere(StrEnum):
    """Where a request goes that no service claims."""

    PASSTHROUGH = "PassthroughCluster"  # the address the client dialled, leaving by the border
    BLACK_HOLE = "BlackHoleCluster"  # nowhere


Action = Forward | Redirect | Respond | Elsewhere


class Fault(Struct, frozen=True, kw_only=True):
    """Trouble made on purpose. Shares are percent, 0 to 100."""

    delay: float = 0.0
    delay_percent: float = 0.0
    abort_status: int = 0
    abort_grpc: str = ""
    abort_percent: float = 0.0


class Cors(Struct, frozen=True, kw_only=True):
    """Which origins' scripts may call, and what they are told; `max_age` in whole seconds.

    `forward_unmatched`: a preflight of an unknown origin goes to the backend.
    """

    origins: tuple[StringMatch, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: int | None = None
    credentials: bool | None = None
    forward_unmatched: bool = True


class Route(Struct, frozen=True, kw_only=True):
    """One rule: the first whose match holds decides."""

    name: str
    match: RequestMatch
    action: Action
    fault: Fault | None = None
    cors: Cors | None = None
    stat_prefix: str = ""
    request_headers: HeaderChanges = NO_CHANGES
    response_headers: HeaderChanges = NO_CHANGES
    origin: Origin


class VirtualHost(Struct, frozen=True, kw_only=True):
    """The rules of a set of domains (`reviews`, `*.example.com`, `*`).

    A request's host is compared without its port, as Istio has it: a gateway's port 80 is often
    another one outside.
    """

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    require_tls: bool = False  # answer plaintext requests with a redirect to https
    origin: Origin


class RouteTable(Struct, frozen=True, kw_only=True):
    """All virtual hosts of one port, named as Istio names them (`80`, `http.8080`)."""

    name: str
    hosts: tuple[VirtualHost, ...]
