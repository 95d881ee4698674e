"""Reach hosts outside the mesh: through the internal listener that asks the border to dial.

In: Backend with `Outside`.      Out: ClusterLoadAssignment, TransportSocket.
Before: ir/backends.py           After: clusters.py
"""

from __future__ import annotations

from typing import assert_never

from lateen.envoy import names
from lateen.envoy.endpoints import by_locality
from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import Address, EnvoyInternalAddress
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import Metadata, TransportSocket
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_components_pb2 import (
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from lateen.envoy.pb.envoy.extensions.transport_sockets.internal_upstream.v3 import (
    internal_upstream_pb2,
)
from lateen.envoy.pb.envoy.type.metadata.v3.metadata_pb2 import MetadataKind
from lateen.envoy.tls import ALPN_HTTP, ALPN_TCP, mesh_client, ordinary_client, plaintext
from lateen.envoy.wire import packed, struct, u32
from lateen.ir.backends import Backend, MeshMtls, OriginateTls, Outside, Plaintext, Remote, Wire

_InternalUpstream = internal_upstream_pb2.InternalUpstreamTransport
_ALPN = {
    Wire.HTTP1: ("http/1.1",),
    Wire.HTTP2: ("h2",),
    Wire.CLIENT: ("h2", "http/1.1"),
    Wire.TCP: (),
}


def _endpoint(remote: Remote) -> LbEndpoint:
    destination = f"{remote.host}:{remote.port}"
    address = EnvoyInternalAddress(
        server_listener_name=names.CONNECT_ORIGINATE, endpoint_id=destination
    )
    return LbEndpoint(
        endpoint=Endpoint(address=Address(envoy_internal_address=address)),
        metadata=Metadata(
            filter_metadata={names.TUNNEL: struct({names.TUNNEL_DESTINATION: destination})}
        ),
        load_balancing_weight=u32(remote.weight) if remote.weight > 1 else None,
    )


def outside_assignment(cluster: str, destinations: tuple[Remote, ...]) -> ClusterLoadAssignment:
    """One endpoint for each host and port, by locality: the internal listener, told where to."""
    places = by_locality((each, each.weight, _endpoint(each)) for each in destinations)
    return ClusterLoadAssignment(cluster_name=cluster, endpoints=places or [LocalityLbEndpoints()])


def _inner(backend: Backend, system_roots: str) -> TransportSocket:
    """What is spoken inside the tunnel: the proxy's own TLS, or the app's bytes as they are."""
    match backend.security:
        case Plaintext():
            return plaintext()
        case OriginateTls(sni=sni):
            discovery = backend.discovery
            if not sni and backend.wire is Wire.TCP and isinstance(discovery, Outside):
                # There is no request to take a host from, nor is a wildcard a name to be shown.
                sni = "" if discovery.asked else discovery.destinations[0].host
            return ordinary_client(
                backend.security, sni=sni, alpn=_ALPN[backend.wire], system_roots=system_roots
            )
        case MeshMtls():  # a proxy of the mesh's own, outside
            alpn = ALPN_TCP if backend.wire is Wire.TCP else ALPN_HTTP
            return mesh_client(backend.security, alpn)
    assert_never(backend.security)


def is_by_border(backend: Backend) -> bool:
    """Whether the border dials its hosts by name."""
    return isinstance(backend.discovery, Outside) and not backend.discovery.asked


def outside_socket(backend: Backend, system_roots: str) -> TransportSocket:
    """The inner socket, wrapped for hosts outside so that the endpoint's destination goes along."""
    inner = _inner(backend, system_roots)
    if not is_by_border(backend):
        return inner
    destination = _InternalUpstream.MetadataValueSource(
        kind=MetadataKind(host=MetadataKind.Host()), name=names.TUNNEL
    )
    wrapped = _InternalUpstream(passthrough_metadata=[destination], transport_socket=inner)
    return TransportSocket(
        name="envoy.transport_sockets.internal_upstream", typed_config=packed(wrapped)
    )
