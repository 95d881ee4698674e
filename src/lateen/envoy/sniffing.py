"""Write the listener filters that look at a connection's first bytes, and where they must not.

In: ports.     Out: listener filters.
Before: -      After: listeners_out.py, listeners_in.py, gateway.py, bynumber.py

Looking costs a server that speaks first the whole timeout, so ports that declare their protocol
are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    FilterChainMatch,
    ListenerFilter,
    ListenerFilterChainMatchPredicate,
)
from lateen.envoy.pb.envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2 import (
    HttpInspector,
)
from lateen.envoy.pb.envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import (
    OriginalDst,
)
from lateen.envoy.pb.envoy.extensions.filters.listener.proxy_protocol.v3.proxy_protocol_pb2 import (
    ProxyProtocol,
)
from lateen.envoy.pb.envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import (
    TlsInspector,
)
from lateen.envoy.pb.envoy.type.v3.range_pb2 import Int32Range
from lateen.envoy.wire import duration, packed

Predicate = ListenerFilterChainMatchPredicate

# How long a silent connection is waited for before it is taken for raw TCP.
OUTBOUND_WAIT: Duration = duration(0.3)
INBOUND_WAIT: Duration = duration(1)

HTTP_NAMES = ("http/1.0", "http/1.1", "h2c")  # what the HTTP inspector calls what it finds
RAW = FilterChainMatch(transport_protocol="raw_buffer")
RAW_HTTP = FilterChainMatch(transport_protocol="raw_buffer", application_protocols=HTTP_NAMES)


def waited(asked: float | None, otherwise: Duration) -> Duration:
    """How long first bytes are waited for: as asked, in seconds (0 for ever), or as it is otherwise."""
    return otherwise if asked is None else duration(asked)


def _filter(kind: str, config: Message, off: Predicate | None = None) -> ListenerFilter:
    return ListenerFilter(
        name=f"envoy.filters.listener.{kind}", typed_config=packed(config), filter_disabled=off
    )


def _at(port: int) -> Predicate:
    return Predicate(destination_port_range=Int32Range(start=port, end=port + 1))


def _any_of(ports: Iterable[int]) -> Predicate | None:
    rules = [_at(port) for port in sorted(ports)]
    if len(rules) < 2:
        return rules[0] if rules else None
    return Predicate(or_match=Predicate.MatchSet(rules=rules))


def only_at(ports: Iterable[int]) -> Predicate:
    """The condition "off", for a filter that is wanted at these ports alone."""
    wanted = _any_of(ports)
    return Predicate(not_match=wanted) if wanted else Predicate(any_match=True)


def none_at(ports: Iterable[int]) -> Predicate | None:
    """The condition "off", for a filter that is wanted everywhere but at these ports."""
    return _any_of(ports)


def original_dst() -> ListenerFilter:
    """Learn the address dialled before redirection."""
    return _filter("original_dst", OriginalDst())


def tls_inspector(off: Predicate | None = None) -> ListenerFilter:
    """Tell TLS from the rest, and read its SNI and ALPN."""
    return _filter("tls_inspector", TlsInspector(), off)


def http_inspector(off: Predicate | None = None) -> ListenerFilter:
    """Tell HTTP from the rest."""
    return _filter("http_inspector", HttpInspector(), off)


def proxy_protocol() -> ListenerFilter:
    """Learn the client's address from the border."""
    return _filter("proxy_protocol", ProxyProtocol())
