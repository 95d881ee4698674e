"""Find the filter chain of a listener that Envoy takes for a connection.

In: Listener, Request.              Out: FilterChain.
Before: envoy/pb, request.py        After: walk_envoy.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import (
    FilterChain,
    FilterChainMatch,
)
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from lateen.envoy.pb.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import (
    DownstreamTlsContext,
)
from lateen.envoy.sniffing import HTTP_NAMES
from lateen.envoy.tls import ALPN_HTTP, ALPN_TCP
from lateen.explain.request import Request, Way
from lateen.explain.urls import best_domain
from lateen.ir.networks import narrowest

_Manager = http_connection_manager_pb2.HttpConnectionManager


def _closest(
    chains: Iterable[FilterChain], request: Request, transport: str, alpn: tuple[str, ...]
) -> FilterChain | None:
    """The chain Envoy takes: by port, then address, server name, transport, ALPN.

    At each step only the closest chains stay, and there is no way back: plaintext to a port that
    has chains of its own, all of them for TLS, does not fall to the chains for any port.
    Source: Envoy's FilterChainManagerImpl::findFilterChain.
    """
    at_port = _to_address(_at_port(chains, request.port), request.address)
    hosts = [host for chain in at_port for host in chain.filter_chain_match.server_names]
    host = best_domain(hosts, request.host) if transport == "tls" else None
    named = _closer(at_port, lambda match: match.server_names, (host,) if host else ())
    carried = _closer(
        named,
        lambda match: [match.transport_protocol] if match.transport_protocol else [],
        (transport,),
    )
    return next(iter(_closer(carried, lambda match: match.application_protocols, alpn)), None)


def _at_port(chains: Iterable[FilterChain], port: int) -> list[FilterChain]:
    every = list(chains)
    own = [each for each in every if each.filter_chain_match.destination_port.value == port]
    anywhere = [each for each in every if not each.filter_chain_match.HasField("destination_port")]
    return own or anywhere


def _to_address(chains: list[FilterChain], address: str) -> list[FilterChain]:
    """Those for the narrowest network that the address dialled is in."""
    closest = narrowest((each for chain in chains for each in _networks(chain)), address)
    return [] if closest is None else [chain for chain in chains if closest in _networks(chain)]


def _networks(chain: FilterChain) -> tuple[str, ...]:
    ranges = chain.filter_chain_match.prefix_ranges
    return tuple(f"{each.address_prefix}/{each.prefix_len.value}" for each in ranges) or ("",)


def _closer(
    chains: list[FilterChain],
    wanted: Callable[[FilterChainMatch], Sequence[str]],
    offered: tuple[str, ...],
) -> list[FilterChain]:
    """The chains that want one of what is offered; if there are none, those that want nothing."""
    fitting = [c for c in chains if set(wanted(c.filter_chain_match)).intersection(offered)]
    return fitting or [c for c in chains if not wanted(c.filter_chain_match)]


def chain_for(listener: Listener, request: Request) -> FilterChain | None:
    """A client of the mesh speaks mTLS where the server takes it; a gateway's as it says."""
    chains = listener.filter_chains
    if request.way is Way.GATEWAY and request.tls:
        chain = _closest(chains, request, "tls", HTTP_NAMES)
        if chain is None:
            return None
        # A chain for plain HTTP can make nothing of TLS; one for raw bytes takes anything.
        anything = chain.HasField("filter_chain_match") or not _reads_http(chain)
        return chain if anything and not (_wants_client(chain) and not request.peer) else None
    if request.way is Way.INBOUND and request.peer:
        name = ALPN_TCP if request.raw else ALPN_HTTP
        chain = _closest(chains, request, "tls", (name,))
        if chain is not None and chain.HasField("transport_socket"):
            return chain
    chain = _closest(
        chains,
        request,
        "tls" if request.tls else "raw_buffer",
        () if request.raw or request.tls else HTTP_NAMES,
    )
    if chain is None and listener.HasField("default_filter_chain"):
        return listener.default_filter_chain
    return chain


def _reads_http(chain: FilterChain) -> bool:
    return any(each.typed_config.Is(_Manager.DESCRIPTOR) for each in chain.filters)


def _tls(chain: FilterChain) -> DownstreamTlsContext | None:
    if not chain.HasField("transport_socket"):
        return None
    return DownstreamTlsContext.FromString(chain.transport_socket.typed_config.value)


def _wants_client(chain: FilterChain) -> bool:
    tls = _tls(chain)
    return tls is not None and tls.require_client_certificate.value


def knows_client(chain: FilterChain) -> bool:
    """Whether the peer's certificate is verified, so that policies may go by it."""
    tls = _tls(chain)
    if tls is None:
        return False
    kind = tls.common_tls_context.WhichOneof("validation_context_type")
    return kind is not None
