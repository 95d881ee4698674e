"""The names of everything sent to Envoy, as Istio names it, so that its tools and its users know them.

In: BackendId, ports.    Out: names.
Before: ir/              After: every other file here, explain/, cli/
"""

from __future__ import annotations

from lateen.ir.backends import BackendId

VIRTUAL_OUTBOUND = "virtualOutbound"
VIRTUAL_INBOUND = "virtualInbound"
OUTBOUND_PORT = 15001
INBOUND_PORT = 15006
HEALTH_PORT = 15021
STATS_PORT = 15090
MERGED_STATS_PORT = 15020
FIGURES, APP_FIGURES = "figures", "app-figures"  # clusters: the observer, the pod's own app
FIGURES_OF = "x-lateen-pod"
REMOVED_LABELS = "lateen_removed"  # of a metric: labels that whoever reads it leaves out
LIVE, CONNECTION = (
    "_live",
    "lateen_connection",
)  # bytes of connections that are open, each by itself
LIVE_AFTER = (
    5.0  # seconds between two looks at an open connection, and before the first; as Istio's
)
EXACT_SUM = "_exact"  # what a histogram's sum is counted under besides, whose own is not exact

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
INBOUND_PASSTHROUGH = "InboundPassthroughCluster"

BORDER = "border"  # the cluster of a pod's own exit
BORDER_NODE = "border"  # the node id of the Envoy behind it
OTLP = "otlp"  # the cluster of the mesh's own store of traces
# Of a proxy whose traces the observer may thin out: what its spans' resource says.
SAMPLING, AS_FITS = "lateen.sampling", "as-fits"
TAP_IN, TAP_OUT = (
    "lateen-in",
    "lateen-out",
)  # what a tap is opened by, for what comes in and what leaves
CONNECT_ORIGINATE = "connect_originate"
TUNNEL = "tunnel"  # the metadata of an endpoint outside ...
TUNNEL_DESTINATION = "destination"  # ... and its key: `host:port`

SECRET_OWN = "default"  # noqa: S105 - Istio's SDS name of the workload's certificate
SECRET_ROOT = "ROOTCA"  # noqa: S105 - Istio's SDS name of the mesh's root

HTTP_RBAC = "envoy.filters.http.rbac"  # where these filters leave what their rules said ...
TCP_RBAC = "envoy.filters.network.rbac"
ENFORCED = "enforced_"
ASKED = "istio_ext_authz_"  # ... and what its keys begin with: policies of action CUSTOM,
AUDITED = "istio_audit_"  # and of action AUDIT;
DRY_DENY, DRY_ALLOW = "istio_dry_run_deny_", "istio_dry_run_allow_"  # and those only tried
JWT_FILTER = "envoy.filters.http.jwt_authn"
JWT_PAYLOAD = "payload"  # where that filter leaves the claims of an accepted token

NO_LIMIT = 2**32 - 1  # Istio's thresholds; Envoy's own limit of 3 retries would defeat retries

LATEEN = "lateen"  # the namespace of our metadata
ORIGIN = "origin"
CONNECTED = "lateen.connected"  # filter state: the address of a connection's other end

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - in the pod's own network namespace


def outbound_cluster(backend: BackendId) -> str:
    """`outbound|80|v1|web.shop.svc.cluster.local`; with mTLS as it is, `outbound_.80_.v1_.web…`."""
    if backend.as_it_is:
        return f"outbound_.{backend.port}_.{backend.subset}_.{backend.host}"
    return f"outbound|{backend.port}|{backend.subset}|{backend.host}"


def backend_of(cluster: str) -> BackendId | None:
    """The backend an outbound cluster's name stands for; None for any other cluster."""
    as_it_is = cluster.startswith("outbound_.")
    parts = cluster.split("_." if as_it_is else "|", 3)
    if len(parts) != 4 or parts[0] != "outbound":
        return None
    return BackendId(host=parts[3], port=int(parts[1]), subset=parts[2], as_it_is=as_it_is)


def inbound_cluster(port: int) -> str:
    """`inbound|8080||`."""
    return f"inbound|{port}||"


def wildcard_listener(port: int) -> str:
    """`0.0.0.0_80`."""
    return f"{ANY_ADDRESS}_{port}"


def address_listener(address: str, port: int) -> str:
    """`198.19.0.5_5432`."""
    return f"{address}_{port}"


def border_listener(port: int) -> str:
    """`border_443`: the gateway's listener that the border connects to."""
    return f"border_{port}"


# Where a Node's metadata has its token: the gRPC library sends no header of ours.
TOKEN = "lateen.token"  # noqa: S105 - the name, not the token
