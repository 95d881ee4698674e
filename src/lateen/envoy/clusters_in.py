"""Write the clusters of the pod's own ports, and of the two ends of unknown traffic.

In: InboundPort.                     Out: Cluster.
Before: ir/plan.py, clusters.py      After: emit.py
"""

from __future__ import annotations

from lateen.base.origin import BUILT_IN, Origin
from lateen.envoy import names
from lateen.envoy.clusters import HTTP_OPTIONS, http_options, keepalive, marked, thresholds
from lateen.envoy.pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_components_pb2 import (
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from lateen.envoy.pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from lateen.envoy.wire import duration, made_by, packed, pipe_address, socket_address
from lateen.ir.backends import Limits, Plaintext, Wire
from lateen.ir.plan import InboundPort, Speech

_NO_LIMITS = Limits()
_INBOUND_SOURCE = "127.0.0.6"  # Istio's source address towards the app


def _to_dialled_address(
    name: str,
    origin: Origin,
    source: str,
    wire: Wire,
    limits: Limits = _NO_LIMITS,
    *,
    keeps_case: bool,
) -> Cluster:
    """A cluster that connects to whatever address the client dialled."""
    cluster = Cluster(
        name=name,
        type=Cluster.ORIGINAL_DST,
        lb_policy=Cluster.CLUSTER_PROVIDED,
        connect_timeout=duration(limits.connect_timeout),
        circuit_breakers=thresholds(limits),
        upstream_bind_config=marked(source),
        metadata=made_by(origin),
    )
    if wire is not Wire.TCP:
        options = http_options(wire, Plaintext(), limits, keeps_case=keeps_case)
        cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(packed(options))
    if limits.keepalive:
        cluster.upstream_connection_options.CopyFrom(keepalive(limits.keepalive))
    return cluster


def emit_inbound_port(port: InboundPort, keeps_case: bool = False) -> Cluster:
    """`inbound|PORT||`: the app's own address and port, from Istio's 127.0.0.6, or where a Sidecar says.

    An app that answers on the loopback or at a socket sees a neighbour: no source is made up.
    """
    wire = Wire.TCP if port.speech is Speech.TCP else port.wire
    name, app = names.inbound_cluster(port.port), port.app
    made = _to_dialled_address(
        name, port.origin, _INBOUND_SOURCE, wire, port.limits, keeps_case=keeps_case
    )
    made.alt_stat_name = port.stat_name
    if app and not app.address:
        made.original_dst_lb_config.upstream_port_override.value = app.port
    elif app:
        made.type, made.lb_policy = Cluster.STATIC, Cluster.ROUND_ROBIN
        socket = app.address.startswith("@")
        at = pipe_address(app.address) if socket else socket_address(app.address, app.port)
        place = LocalityLbEndpoints(lb_endpoints=[LbEndpoint(endpoint=Endpoint(address=at))])
        assignment = ClusterLoadAssignment(cluster_name=name, endpoints=[place])
        made.load_assignment.CopyFrom(assignment)
        made.ClearField("upstream_bind_config")
        if not socket:
            made.upstream_bind_config.CopyFrom(marked())
    return made


def emit_fixed(inbound: bool, keeps_case: bool = False) -> tuple[Cluster, ...]:
    """PassthroughCluster, BlackHoleCluster and, for a sidecar, InboundPassthroughCluster."""
    black_hole = Cluster(
        name=names.BLACK_HOLE,
        type=Cluster.STATIC,
        connect_timeout=duration(1),
        metadata=made_by(BUILT_IN),
    )
    made = (
        _to_dialled_address(names.PASSTHROUGH, BUILT_IN, "", Wire.CLIENT, keeps_case=keeps_case),
        black_hole,
    )
    if not inbound:
        return made
    return (
        *made,
        _to_dialled_address(
            names.INBOUND_PASSTHROUGH,
            BUILT_IN,
            _INBOUND_SOURCE,
            Wire.CLIENT,
            keeps_case=keeps_case,
        ),
    )
