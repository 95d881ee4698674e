"""Who is asked about a request from outside the proxy, and what it is told.

In: -    Out: Authorizer (a union).
Before: ir/backends.py, ir/match.py       After: ir/policy.py, translate/authorizers.py, envoy/filters/

Source: Istio MeshConfig, extension providers envoyExtAuthzHttp and envoyExtAuthzGrpc.
"""

from __future__ import annotations

from msgspec import Struct

from lateen.ir.backends import BackendId
from lateen.ir.match import StringMatch

Names = tuple[StringMatch, ...]  # of headers, in lower case


class Body(Struct, frozen=True, kw_only=True):
    """At most so many bytes of the body are shown; longer ones are refused unless `partial`."""

    most: int
    partial: bool = False
    as_bytes: bool = False


class Asking(Struct, frozen=True, kw_only=True):
    """What any authorizer is asked with.

    `timeout` in seconds; without an answer a request is refused with `status_on_error`, or passes
    if `fail_open`. `reroute`: headers it adds may lead to another route.
    """

    backend: BackendId
    timeout: float = 600.0
    fail_open: bool = False
    status_on_error: int = 403
    body: Body | None = None
    reroute: bool = False


class HttpAuthorizer(Struct, frozen=True, kw_only=True):
    """Asked by a request of the same method and path below `prefix`; 200 allows.

    `shown` are request headers it is sent, `added` more of our own. Of its answer's headers
    `upstream` go to the app of an allowed request, `refused` to the client of a refused one,
    `allowed` to the client of an allowed one.
    """

    asking: Asking
    prefix: str = ""
    shown: Names = ()
    added: tuple[tuple[str, str], ...] = ()
    upstream: Names = ()
    refused: Names = ()
    allowed: Names = ()


class GrpcAuthorizer(Struct, frozen=True, kw_only=True):
    """Asked by Envoy's gRPC service; it judges raw connections, too."""

    asking: Asking


Authorizer = HttpAuthorizer | GrpcAuthorizer
