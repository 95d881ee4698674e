"""Write the endpoints of one backend.

In: EndpointSet.              Out: ClusterLoadAssignment.
Before: ir/backends.py        After: emit.py
"""

from __future__ import annotations

from lateen.base.locality import Locality
from lateen.envoy import names
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import Locality as EnvoyLocality
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import Metadata
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_components_pb2 import (
    Endpoint as EnvoyEndpoint,
)
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_components_pb2 import (
    LbEndpoint,
    LocalityLbEndpoints,
)
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from lateen.envoy.wire import socket_address, struct, u32
from lateen.ir.backends import Endpoint, EndpointSet

# Istio's mark of an endpoint with a proxy before it, read by the clusters' socket matches.
SOCKET_MATCH = "envoy.transport_socket_match"
TLS_MODE = {"tlsMode": "istio"}


def _metadata(endpoint: Endpoint) -> Metadata:
    """Who the endpoint is, for the labels of metrics; and whether it speaks mTLS."""
    who = {
        "workload": endpoint.workload,
        "namespace": endpoint.namespace,
        "app": endpoint.app,
        "version": endpoint.version,
        "principal": endpoint.cluster_identity,
    }
    made = {names.LATEEN: struct({key: text for key, text in who.items() if text})}
    if endpoint.mtls:
        made[SOCKET_MATCH] = struct(TLS_MODE)
    return Metadata(filter_metadata=made)


def _one(endpoint: Endpoint) -> LbEndpoint:
    return LbEndpoint(
        endpoint=EnvoyEndpoint(address=socket_address(endpoint.address, endpoint.port)),
        metadata=_metadata(endpoint),
        load_balancing_weight=u32(1),
    )


def emit_endpoints(endpoints: EndpointSet) -> ClusterLoadAssignment:
    """The endpoints in the set's order, by locality; no locality for an empty set."""
    places: dict[Locality, list[LbEndpoint]] = {}
    for endpoint in endpoints.endpoints:
        places.setdefault(endpoint.locality, []).append(_one(endpoint))
    return ClusterLoadAssignment(
        cluster_name=names.outbound_cluster(endpoints.id),
        endpoints=[
            locality_endpoints(place, places[place], len(places[place])) for place in sorted(places)
        ],
    )


def locality_endpoints(
    place: Locality, endpoints: list[LbEndpoint], weight: int
) -> LocalityLbEndpoints:
    """The endpoints of a locality, which weighs what they do, as in Istio."""
    if not place:
        return LocalityLbEndpoints(lb_endpoints=endpoints)
    return LocalityLbEndpoints(
        locality=EnvoyLocality(region=place.region, zone=place.zone, sub_zone=place.subzone),
        lb_endpoints=endpoints,
        load_balancing_weight=u32(weight),
    )
