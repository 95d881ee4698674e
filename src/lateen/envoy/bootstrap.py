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
from types import MappingProxyType
from typing import Any

from lateen.envoy import names
from lateen.ir.plan import Proxy

Json = dict[str, Any]

_TYPE = "type.googleapis.com/envoy."
_HCM = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_INTERNAL = "extensions.bootstrap.internal_listener.v3.InternalListener"
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

# How soon a proxy asks again when the control plane went away; Envoy's own pauses grow to 30 s.
_COME_BACK = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}


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


def _page_listener(name: str, port: int, path: str, page: str) -> Json:
    """A listener that answers GET on one path with one page of the admin interface."""
    only_get = {"name": ":method", "string_match": {"exact": "GET"}}
    route = {
        "match": {"path": path, "headers": [only_get]},
        "route": {"cluster": "admin", "prefix_rewrite": page},
    }
    router = any_of("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")
    manager = any_of(
        "envoy.filters.network.http_connection_manager",
        _HCM,
        stat_prefix=name,
        route_config={"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]},
        http_filters=[router],
        normalize_path=True,
    )
    return {
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},  # noqa: S104 - in the pod's own network namespace
        "bypass_overload_manager": True,
        "filter_chains": [{"filters": [manager]}],
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
        "layered_runtime": {"layers": [{"name": "lateen", "static_layer": _RUNTIME}]},
        "stats_flush_interval": "1s",
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
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The bootstrap of a sidecar or a gateway.

    `token` goes into the metadata of the ADS stream; the sockets are absolute paths: the control
    plane's ADS, this Envoy's admin (made 0600), this pod's own exit at the border, and where spans go.
    """
    made = common(xds_socket=xds_socket, admin_socket=admin_socket, token=token)
    made["node"] = {
        "id": proxy.id,
        "cluster": f"{proxy.workload or proxy.pod}.{proxy.namespace}",
        "metadata": dict(metadata)
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
    made["static_resources"]["clusters"] += [
        pipe_cluster("admin", admin_socket),
        pipe_cluster(names.BORDER, border_socket, http2=True),
        pipe_cluster(names.OTLP, otlp_socket, http2=True),
    ]
    made["static_resources"]["listeners"] = [
        _page_listener("health", names.HEALTH_PORT, "/healthz/ready", "/ready"),
        _page_listener("stats", names.STATS_PORT, "/stats/prometheus", "/stats/prometheus"),
        _connect_originate(),
    ]
    return json.dumps(made, indent=1)


def emit_border_bootstrap(*, token: str, xds_socket: str, admin_socket: str) -> str:
    """The bootstrap of the border's Envoy; its node id is `names.BORDER_NODE`."""
    made = common(xds_socket=xds_socket, admin_socket=admin_socket, token=token)
    made["node"] = {"id": names.BORDER_NODE, "cluster": names.BORDER_NODE}
    return json.dumps(made, indent=1)
