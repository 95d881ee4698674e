"""Write what an Envoy of a pod must know before it can ask for more.

In: Proxy, its token and sockets.    Out: the bootstrap as JSON text.
Before: ir/plan.py                   After: node/ (writes it 0600 and starts Envoy)

No protobuf is imported here: the agent that calls it stays small. Static are only the road to the
control plane, to the store of traces, out (`border`, `connect_originate`) and the two listeners for probes and
statistics; they hold the paths of this pod, so that everything sent later can be shared by all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from lateen.envoy import names
from lateen.ir.plan import Proxy

Json = dict[str, Any]

_TYPE = "type.googleapis.com/envoy."
_HCM = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_INTERNAL = "extensions.bootstrap.internal_listener.v3.InternalListener"
_OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"
_MOST_CONNECTIONS = 20_000
_THRESHOLDS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")

# A server outside that says its last word and closes is heard to the end. Its tunnel ends with a
# reset that says "no error", and Envoy would take that for the server's own, pass it on and drop what
# is still on its way (Envoy's issue 45190); only the newer kind of tunnel hands on what it has read.
# The price: a real reset from outside is seen as an end.
_RUNTIME = {
    "re2.max_program_size.error_level": 32768,
    "envoy.reloadable_features.propagate_upstream_rst_through_tunneled_tcp_proxy": False,
    "envoy.restart_features.upstream_http_filters_with_tcp_proxy": True,
    "tracing.opentelemetry.flush_interval_ms": 500,
    "tracing.opentelemetry.min_flush_spans": 64,
}
# What is changed while it runs, by the observer (stages/tracing.py).
_LAYERS = [{"name": "lateen", "static_layer": _RUNTIME}, {"name": "observer", "admin_layer": {}}]

# How soon a proxy asks again when the control plane went away; Envoy's own pauses grow to 30 s.
_COME_BACK = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}


class Figures(Struct, frozen=True, kw_only=True):
    """Where a pod's figures are: the observer's socket, and the app's page if it has one (else port 0).

    `merged`: port 15020 has the app's as well.
    """

    socket: str
    app_socket: str = ""
    app_port: int = 0
    app_path: str = "/metrics"
    merged: bool = True


class Wishes(Struct, frozen=True, kw_only=True):
    """What users say of a proxy: about itself, and settings of Envoy's runtime, which come before lateen's."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    runtime: Mapping[str, str] = field(default_factory=dict)


NO_WISHES = Wishes()


def any_of(name: str, type_name: str, **fields: Any) -> Json:
    """An extension: its name and its typed config; `type_name` without the leading `envoy.`."""
    return {"name": name, "typed_config": {"@type": _TYPE + type_name, **fields}}


def pipe_cluster(name: str, path: str, *, http2: bool = False) -> Json:
    """A cluster of one Unix socket."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    protocol: Json = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [dict.fromkeys(_THRESHOLDS, names.NO_LIMIT)]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": "type.googleapis.com/" + _HTTP_OPTIONS,
                "explicit_http_config": protocol,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _page(path: str, page: str, *, cluster: str = "admin", who: str = "") -> Json:
    """A route for GET on one path; `who` is what the one behind is told, whatever the caller says."""
    only_get = {"name": ":method", "string_match": {"exact": "GET"}}
    told = {"header": {"key": names.FIGURES_OF, "value": who}, "append_action": _OVERWRITE}
    return {
        "match": {"path": path, "headers": [only_get]},
        "route": {"cluster": cluster, "prefix_rewrite": page, "timeout": "10s"},
        **({"request_headers_to_add": [told]} if who else {}),
    }


def _page_listener(name: str, address: Json, *routes: Json) -> Json:
    """A listener that answers with pages and nothing else."""
    router = any_of("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")
    manager = any_of(
        "envoy.filters.network.http_connection_manager",
        _HCM,
        stat_prefix=name,
        route_config={"virtual_hosts": [{"name": name, "domains": ["*"], "routes": list(routes)}]},
        http_filters=[router],
        normalize_path=True,
    )
    return {
        "name": name,
        "address": address,
        "bypass_overload_manager": True,
        "filter_chains": [{"filters": [manager]}],
    }


def _port(port: int) -> Json:
    """Every address of the pod's own network namespace."""
    return {"socket_address": {"address": "0.0.0.0", "port_value": port}}  # noqa: S104 - the pod's


def _figures(proxy: Proxy, figures: Figures) -> tuple[list[Json], list[Json]]:
    """Clusters and listeners by which the pod's figures are read.

    On 15090 the proxy's own, on 15020 the app's as well: the observer puts them together. It gets the app's by a
    Unix socket, so that nothing of it is traffic, and STRICT is no matter.
    """
    who = f"{proxy.namespace}/{proxy.pod}"
    own, merged = (
        _page("/stats/prometheus", page, cluster=names.FIGURES, who=who)
        for page in ("/own", "/merged" if figures.merged else "/own")
    )
    ready = _page("/healthz/ready", "/ready")
    clusters = [pipe_cluster(names.FIGURES, figures.socket)]
    listeners = [
        _page_listener("stats", _port(names.STATS_PORT), own),
        _page_listener("merged-stats", _port(names.MERGED_STATS_PORT), merged, ready),
    ]
    if figures.app_port:
        socket = {"pipe": {"path": figures.app_socket, "mode": 0o600}}
        page = _page(figures.app_path, figures.app_path, cluster=names.APP_FIGURES)
        clusters.append(_loopback_cluster(names.APP_FIGURES, figures.app_port))
        listeners.append(_page_listener(names.APP_FIGURES, socket, page))
    return clusters, listeners


def _loopback_cluster(name: str, port: int) -> Json:
    """A cluster of the pod's own app."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def _connect_originate() -> Json:
    """The internal listener that asks the border to CONNECT to the endpoint's destination."""
    tunnel = any_of(
        "envoy.filters.network.tcp_proxy",
        "extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=names.CONNECT_ORIGINATE,
        cluster=names.BORDER,
        tunneling_config={
            "hostname": f"%DYNAMIC_METADATA({names.TUNNEL}:{names.TUNNEL_DESTINATION})%"
        },
    )
    return {
        "name": names.CONNECT_ORIGINATE,
        "internal_listener": {},
        "filter_chains": [{"filters": [tunnel]}],
    }


def _dynamic(token: str) -> Json:
    ads = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    return {
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [
                {
                    "envoy_grpc": {"cluster_name": "xds-grpc", "retry_policy": _COME_BACK},
                    "initial_metadata": [{"key": "authorization", "value": f"Bearer {token}"}],
                }
            ],
        },
        "cds_config": ads,
        "lds_config": ads,
    }


def common(*, xds_socket: str, admin_socket: str, token: str) -> Json:
    """What a pod's Envoy and the border's have in common: admin, ADS, limits."""
    connections = any_of(
        "envoy.resource_monitors.global_downstream_max_connections",
        "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=_MOST_CONNECTIONS,
    )
    return {
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}},
        "dynamic_resources": _dynamic(token),
        "bootstrap_extensions": [any_of("envoy.bootstrap.internal_listener", _INTERNAL)],
        "static_resources": {"clusters": [pipe_cluster("xds-grpc", xds_socket, http2=True)]},
        "overload_manager": {"resource_monitors": [connections]},
        "layered_runtime": {"layers": _LAYERS},
        "stats_flush_interval": "1s",
        "stats_eviction_interval": "60s",  # of connections that ended; see access.py
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
    }


def emit_bootstrap(
    *,
    proxy: Proxy,
    token: str,
    xds_socket: str,
    admin_socket: str,
    border_socket: str,
    otlp_socket: str,
    figures: Figures,
    wishes: Wishes = NO_WISHES,
) -> str:
    """The bootstrap of a sidecar or a gateway.

    `token` goes into the metadata of the ADS stream; the sockets are absolute paths: the control
    plane's ADS, this Envoy's admin (made 0600), this pod's own exit at the border, where spans go, and who
    reads figures.
    """
    made = common(xds_socket=xds_socket, admin_socket=admin_socket, token=token)
    if wishes.runtime:
        made["layered_runtime"]["layers"].append(
            {"name": "user", "static_layer": dict(wishes.runtime)}
        )
    made["node"] = {
        "id": proxy.id,
        "cluster": f"{proxy.workload or proxy.pod}.{proxy.namespace}",
        "metadata": dict(wishes.metadata)
        | {
            "NAME": proxy.pod,
            "NAMESPACE": proxy.namespace,
            "WORKLOAD_NAME": proxy.workload,
            "INSTANCE_IPS": proxy.address,
        },
    }
    if at := proxy.locality:
        place = {"region": at.region, "zone": at.zone, "sub_zone": at.subzone}
        made["node"]["locality"] = place
    clusters, listeners = _figures(proxy, figures)
    made["static_resources"]["clusters"] += [
        *clusters,
        pipe_cluster("admin", admin_socket),
        pipe_cluster(names.BORDER, border_socket, http2=True),
        pipe_cluster(names.OTLP, otlp_socket, http2=True),
    ]
    made["static_resources"]["listeners"] = [
        _page_listener("health", _port(names.HEALTH_PORT), _page("/healthz/ready", "/ready")),
        *listeners,
        _connect_originate(),
    ]
    return json.dumps(made, indent=1)


def emit_border_bootstrap(*, token: str, xds_socket: str, admin_socket: str) -> str:
    """The bootstrap of the border's Envoy; its node id is `names.BORDER_NODE`."""
    made = common(xds_socket=xds_socket, admin_socket=admin_socket, token=token)
    made["node"] = {"id": names.BORDER_NODE, "cluster": names.BORDER_NODE}
    return json.dumps(made, indent=1)
