"""Turn a proxy's plan into what the gRPC library's own xDS client understands.

In: ProxyPlan.                Out: Resources.
Before: ir/plan.py            After: xds/server.py

The library asks for a Listener by the name dialled (`xds:///web.shop.svc.cluster.local:80`) and follows
it to a route table, clusters and endpoints. It refuses what it does not know in places where Envoy
knows it, so these are resources of their own, as in Istio. Source: gRFC A27, A28, A31, A36.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from google.protobuf.message import Message

from lateen.envoy import names
from lateen.envoy.endpoints import emit_endpoints
from lateen.envoy.pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from lateen.envoy.pb.envoy.config.listener.v3.api_listener_pb2 import ApiListener
from lateen.envoy.pb.envoy.config.listener.v3.listener_pb2 import Listener
from lateen.envoy.pb.envoy.config.route.v3 import route_components_pb2 as pb
from lateen.envoy.pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from lateen.envoy.pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)
from lateen.envoy.resources import Resource, Resources, ResourceType, version_of
from lateen.envoy.routes import emit_route
from lateen.envoy.wire import ads, packed, u32
from lateen.ir.backends import Backend, EndpointSet, InMesh
from lateen.ir.plan import HttpOut, ProxyPlan
from lateen.ir.routes import Forward, Respond, VirtualHost


def grpc_bootstrap(*, node_id: str, token: str, xds_socket: str) -> str:
    """The content of the file that GRPC_XDS_BOOTSTRAP names. It holds a secret: keep it private."""
    server = {
        "server_uri": f"unix:{xds_socket}",
        "channel_creds": [{"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    node = {"id": node_id, "metadata": {"GENERATOR": "grpc", names.TOKEN: token}}
    return json.dumps({"xds_servers": [server], "node": node}, indent=2) + "\n"


def emit_for_grpc(plan: ProxyPlan) -> Resources:
    """A listener for each name of each HTTP service of the mesh, and what it leads to.

    Left out is what the library cannot do: redirects, faults, CORS, rewrites and backends outside of the
    mesh. Endpoints behind a proxy that insists on mTLS are there, and refuse plaintext.
    """
    tables = {table.name: table for table in plan.tables}
    hosts = [
        (listener.port, host)
        for listener in plan.outbound
        if isinstance(listener, HttpOut)
        for host in tables[listener.table].hosts
        if "*" not in host.domains
    ]
    inside = [backend for backend in plan.backends if isinstance(backend.discovery, InMesh)]
    ids = {backend.id for backend in inside}
    return {
        ResourceType.CLUSTER: _by_name(map(_cluster, inside)),
        ResourceType.ENDPOINTS: _by_name(_endpoints(e) for e in plan.endpoints if e.id in ids),
        ResourceType.LISTENER: _by_name(
            each for port, host in hosts for each in _listeners(port, host)
        ),
        ResourceType.ROUTES: _by_name(_table(host) for _, host in hosts),
        ResourceType.SECRET: {},
    }


def _by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    return {each.name: each for each in sorted(resources, key=lambda each: each.name)}


def _resource(name: str, message: Message) -> Resource:
    body = message.SerializeToString(deterministic=True)
    return Resource(name=name, version=version_of(body), body=body)


def _listeners(port: int, host: VirtualHost) -> Iterator[Resource]:
    """One for each way a client may write the host, all with one table."""
    router = HttpFilter(name="router", typed_config=packed(Router()))
    manager = HttpConnectionManager(
        rds=Rds(route_config_name=host.name, config_source=ads()), http_filters=[router]
    )
    for domain in host.domains:
        name = f"{domain}:{port}"
        api = ApiListener(api_listener=packed(manager))
        yield _resource(name, Listener(name=name, api_listener=api))


def _table(host: VirtualHost) -> Resource:
    made = pb.VirtualHost(name=host.name, domains=["*"])
    for route in host.routes:
        if isinstance(route.action, Forward | Respond):
            each = emit_route(route)
            each.ClearField("typed_per_filter_config")  # of filters the library does not have
            made.routes.append(each)
    return _resource(host.name, RouteConfiguration(name=host.name, virtual_hosts=[made]))


def _cluster(backend: Backend) -> Resource:
    name = names.outbound_cluster(backend.id)
    made = Cluster(
        name=name,
        type=Cluster.EDS,
        eds_cluster_config=Cluster.EdsClusterConfig(eds_config=ads(), service_name=name),
        lb_policy=Cluster.RING_HASH if backend.hashing else Cluster.ROUND_ROBIN,
    )
    return _resource(name, made)


def _endpoints(endpoints: EndpointSet) -> Resource:
    """As for Envoy, but each locality needs a name and a weight, or the library passes it over."""
    made = emit_endpoints(endpoints)
    for place in made.endpoints:
        place.locality.SetInParent()
        place.load_balancing_weight.CopyFrom(u32(max(1, len(place.lb_endpoints))))
    return _resource(made.cluster_name, made)
