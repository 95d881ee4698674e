"""Show Envoy's resources as short YAML, for goldens that people read.

What is the same everywhere (logs, limits nobody set, names of extensions) is left out; the tests
with real Envoys see to it. Metadata is shown as its origin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from lateen.envoy import names
from lateen.envoy.resources import Resources, ResourceType
from tests.envoy import real

_SAME_EVERYWHERE = {
    "@type",
    "access_log",
    "common_http_protocol_options",
    "connect_timeout",
    "continue_on_listener_filters_timeout",
    "early_header_mutation_extensions",
    "eds_cluster_config",
    "host_selection_retry_max_attempts",
    "ignore_port_in_host_matching",
    "initial_fetch_timeout",
    "listener_filters_timeout",
    "max_early_data_bytes",
    "max_direct_response_body_size_bytes",
    "proxy_100_continue",
    "require_client_certificate",
    "retry_host_predicate",
    "stat_prefix",
    "stream_idle_timeout",
    "tls_certificate_sds_secret_configs",
    "tls_params",
    "tracing",
    "traffic_direction",
    "upgrade_configs",
    "upstream_bind_config",
    "use_remote_address",
    "upstream_connect_mode",
    "validate_clusters",
    "validation_context_sds_secret_config",
}
_UNSET_LIMITS = {
    "max_connections": names.NO_LIMIT,
    "max_pending_requests": names.NO_LIMIT,
    "max_requests": names.NO_LIMIT,
    "max_retries": names.NO_LIMIT,
    "track_remaining": True,
}
_USUAL = (
    ("path_with_escaped_slashes_action", "KEEP_UNCHANGED"),
    ("merge_slashes", True),
    ("normalize_path", True),
    ("bind_to_port", False),
    ("forward_client_cert_details", "SANITIZE_SET"),
    ("include_request_attempt_count", True),
    ("server_name", "istio-envoy"),
    ("set_current_client_cert_details", {"subject": True, "dns": True, "uri": True}),
)
_MAPS = {"policies", "providers", "typed_per_filter_config"}
_EMPTY: tuple[object, ...] = ({}, [], "", None)


_SILENT = ("envoy.filters.http.header_mutation", "envoy.filters.http.tap")


def _usual(value: Any) -> bool:
    """Whether this is the chain for connections to the proxy's own port, or a filter that only tells."""
    return isinstance(value, dict) and value.get("name") in {"virtualInbound-blackhole", *_SILENT}


def short(value: Any) -> Any:
    """A value of Envoy's JSON without what is the same everywhere."""
    if isinstance(value, list):
        kept = [short(each) for each in value if each != _UNSET_LIMITS and not _usual(each)]
        return [each for each in kept if each not in _EMPTY]
    if not isinstance(value, dict):
        return value
    if "socket_address" in value:
        place = value["socket_address"]
        return f"{place['address']}:{place['port_value']}"
    if "typed_config" in value and "name" in value:
        return {value["name"].rpartition(".")[2]: short(value["typed_config"])}
    if value.keys() >= {"filter", "path", "value"} and value["filter"] == names.JWT_FILTER:
        return _claim(value)
    made: dict[str, Any] = {}
    if "http_filters" in value and "merge_slashes" not in value:
        made["merge_slashes"] = False
    for key, each in value.items():
        if key in _SAME_EVERYWHERE or (key == "load_balancing_weight" and each == 1):
            continue
        if (key, each) in _USUAL:
            continue
        if key == "metadata" and "filter_metadata" in each:
            made |= _metadata(each["filter_metadata"])
        elif key in _MAPS:  # a map, which protobuf gives in any order
            made[key] = {name: short(each[name]) for name in sorted(each)}
        elif key == "transport_socket" and "require_client_certificate" in str(each):
            made[key] = "the mesh's mTLS"
        elif key == "route_config":
            made[key] = [short(route["route"]) for route in each["virtual_hosts"][0]["routes"]]
        elif (kept := short(each)) not in _EMPTY:
            made[key] = kept
    return made


def _claim(matcher: dict[str, Any]) -> dict[str, Any]:
    """A condition on a claim: the way to it, and what its text, or one of its list, must be."""
    way = ".".join(segment["key"] for segment in matcher["path"][1:])
    text, one = matcher["value"]["or_match"]["value_matchers"]
    assert one == {"list_match": {"one_of": text}}
    return {"not" if matcher.get("invert") else "is": {way: short(text["string_match"])}}


def _metadata(by_filter: dict[str, Any]) -> dict[str, Any]:
    made = dict(by_filter)
    ours = made.pop(names.LATEEN, {})
    ours.pop("host", None)
    shown: dict[str, Any] = _sorted({**ours, **made})
    return shown


def _sorted(value: Any) -> Any:
    """Protobuf keeps a Struct's fields in an order of its own, new in each process."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return value


def _hosts(resources: Resources, table: str, host: str) -> list[Any]:
    """The virtual hosts of a table whose names begin so."""
    whole = real.as_json(ResourceType.ROUTES, resources[ResourceType.ROUTES][table])
    return [short(each) for each in whole["virtual_hosts"] if each["name"].startswith(host)]


Wanted = Callable[[str], bool]
_PARTS: dict[str, tuple[ResourceType, Wanted]] = {
    "tables": (ResourceType.ROUTES, lambda _name: True),
    "backends": (ResourceType.CLUSTER, lambda name: name.startswith("outbound|")),
    "endpoints": (ResourceType.ENDPOINTS, lambda _name: True),
    "outbound": (ResourceType.LISTENER, lambda name: not name.startswith("virtual")),
    "inbound": (ResourceType.LISTENER, lambda name: name == names.VIRTUAL_INBOUND),
    "apps": (ResourceType.CLUSTER, lambda name: name.startswith("inbound|")),
    "gateway": (ResourceType.LISTENER, lambda name: not name.startswith("border_")),
}


def shown(resources: Resources, parts: tuple[str, ...]) -> str:
    """Those resources that carry some parts of a plan (`tables/NAME`, `inbound`), as YAML."""
    made: dict[str, Any] = {}
    for part in parts:
        field, _, name = part.partition("/")
        if field == "tables" and "/" in name:
            made.setdefault("RDS", []).extend(_hosts(resources, *name.split("/")))
        elif field in _PARTS:
            kind, wanted = _PARTS[field]
            chosen = (each for each in resources[kind].values() if wanted(each.name))
            made.setdefault(kind.short, []).extend(
                short(real.as_json(kind, each))
                for each in chosen
                if not name
                or each.name.endswith(f"_{name}")
                or name in {each.name, each.name.rpartition("|")[2].partition(".")[0]}
            )
    return yaml.safe_dump(made, sort_keys=False, width=110, default_flow_style=None)
