"""Write the endpoints of one backend.

In: EndpointSet.              Out: ClusterLoadAssignment.
Before: ir/backends.py        After: emit.py
"""

from __future__ import annotations

from collections.abc import Iterable

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
from lateen.ir.backends import Endpoint, EndpointSet, Remote

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
    """The endpoints in the set's order, by priority and locality; none for an empty set."""
    return ClusterLoadAssignment(
        cluster_name=names.outbound_cluster(endpoints.id),
        endpoints=by_locality((each, 1, _one(each)) for each in endpoints.endpoints),
    )


def by_locality(
    endpoints: Iterable[tuple[Endpoint | Remote, int, LbEndpoint]],
) -> list[LocalityLbEndpoints]:
    """Endpoints with their weights, put together by priority and locality."""
    places: dict[tuple[int, Locality], list[tuple[Endpoint | Remote, int, LbEndpoint]]] = {}
    for each in endpoints:
        places.setdefault((each[0].priority, each[0].locality), []).append(each)
    made = [_at(priority, place, places[priority, place]) for priority, place in sorted(places)]
    if len(made) == 1 and not made[0].HasField("locality"):
        made[0].ClearField("load_balancing_weight")  # there is nothing to weigh it against
    return made


def _at(
    priority: int, place: Locality, endpoints: list[tuple[Endpoint | Remote, int, LbEndpoint]]
) -> LocalityLbEndpoints:
    """A locality weighs what its endpoints do, as in Istio, unless it is given a share."""
    made = LocalityLbEndpoints(lb_endpoints=[each for _, _, each in endpoints], priority=priority)
    share = endpoints[0][0].share
    if place:
        made.locality.CopyFrom(
            EnvoyLocality(region=place.region, zone=place.zone, sub_zone=place.subzone)
        )
    made.load_balancing_weight.CopyFrom(u32(share or sum(weight for _, weight, _ in endpoints)))
    return made
