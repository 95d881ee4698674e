"""`lateen status`, `lateen proxy status`, `lateen proxy config`.

In: the control plane's answers.    Out: tables or JSON.
Before: cli/finding.py     After: apiserver/client.py
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from lateen.cli.finding import client_of, find_pod, status_of
from lateen.cli.view import age, is_well, print_columns, print_result


def run_status(name: str, *, as_json: bool) -> int:
    """Pods, addresses, problems."""
    status = status_of(client_of(name))
    if as_json:
        print(json.dumps(status, indent=2))
    else:
        print_result(status)
    return 0 if is_well(status) else 1


def run_proxy_status(name: str, *, as_json: bool) -> int:
    """Proxies and what they acknowledged."""
    proxies = client_of(name).get("/lateen/v1/proxies")["proxies"]
    if as_json:
        print(json.dumps({"proxies": proxies}, indent=2))
    else:
        _print_proxies(proxies)
    return 0 if all(row["state"] == "programmed" for row in proxies) else 1


def _print_proxies(proxies: list[dict[str, Any]]) -> None:
    rows = [
        (
            *("NAMESPACE", "POD", "TYPE", "STATE", "CDS", "EDS", "LDS", "RDS", "SIZE"),
            *("CERTIFICATE", "TOLD OF"),
        )
    ]
    rows += [
        (
            row["namespace"],
            row["pod"],
            row["role"],
            row["state"],
            *(_size(row["size"].get(t)) for t in ("CDS", "EDS", "LDS", "RDS")),
            amount_of(row["bytes"]),
            f"{age(row['certificateSeconds'])} left" if row["certificateSeconds"] else "-",
            _told_of(row),
        )
        for row in proxies
    ]
    print_columns(rows)
    for row in proxies:
        for refusal in row["refused"]:
            print(
                f"\n{row['namespace']}/{row['pod']} refused {refusal['names']}: {refusal['message']}"
            )


def amount_of(size: int) -> str:
    """Bytes for people: `812 B`, `4.2 KB`, `1.3 MB`."""
    if size < 1000:
        return f"{size} B"
    unit, shown = ("KB", size / 1e3) if size < 1e6 else ("MB", size / 1e6)
    return f"{shown:.1f} {unit}"


def _size(told: dict[str, int] | None) -> str:
    """`12 (3.4 KB)`: how many resources of a type a proxy has, and their bytes."""
    return f"{told['resources']} ({amount_of(told['bytes'])})" if told else "-"


def _told_of(row: dict[str, Any]) -> str:
    """What bounds the hosts a proxy is told of."""
    if row["role"] == "router":
        return "what it routes to"
    return row["scope"] or "the whole mesh"


def run_proxy_config(name: str, word: str, part: str, *, namespace: str, as_json: bool) -> int:
    """One Envoy's running configuration."""
    client = client_of(name)
    pod = find_pod(client, word, namespace)
    where = quote(f"{pod['namespace']}/{pod['name']}", safe="")
    config = client.get(f"/lateen/v1/proxies/{where}/config?kind={part}")
    if as_json:
        print(json.dumps(config, indent=2))
        return 0
    for title, rows in config_tables(config):
        print(f"{title}")
        print_columns(rows)
        print()
    return 0


def config_tables(config: dict[str, Any]) -> list[tuple[str, list[tuple[str, ...]]]]:
    """The config_dump as tables, one for each part that is there."""
    tables: list[tuple[str, list[tuple[str, ...]]]] = []
    for dump in config.get("configs", []):
        kind = dump.get("@type", "").rpartition(".")[2]
        rows = _ROWS[kind](dump) if kind in _ROWS else []
        if rows:
            tables.append((kind.removesuffix("ConfigDump").upper(), rows))
    return tables


def _listeners(dump: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("NAME", "ADDRESS", "CHAINS")]
    for entry in dump.get("dynamic_listeners", []):
        listener = entry.get("active_state", {}).get("listener", {})
        chains = len(listener.get("filter_chains", []))
        rows.append((entry["name"], _address(listener.get("address", {})), str(chains)))
    return rows


def _address(address: dict[str, Any]) -> str:
    if "pipe" in address:
        return str(address["pipe"].get("path", ""))
    if "socket_address" in address:
        socket = address["socket_address"]
        return f"{socket.get('address')}:{socket.get('port_value')}"
    return "internal"


def _routes(dump: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("TABLE", "VIRTUAL HOST", "MATCH", "TO", "ORIGIN")]
    for entry in dump.get("dynamic_route_configs", []):
        table = entry.get("route_config", {})
        for host in table.get("virtual_hosts", []):
            for route in host.get("routes", []):
                rows.append(
                    (table["name"], host["name"], _match(route), _target(route), _origin(route))
                )
    return rows


def _match(route: dict[str, Any]) -> str:
    match = route.get("match", {})
    for key in ("prefix", "path", "path_separated_prefix"):
        if key in match:
            return f"{match[key]}*" if "prefix" in key else str(match[key])
    return f"~{match['safe_regex']['regex']}" if "safe_regex" in match else "?"


def _target(route: dict[str, Any]) -> str:
    action = route.get("route", {})
    if "cluster" in action:
        return str(action["cluster"])
    if "weighted_clusters" in action:
        shares = action["weighted_clusters"]["clusters"]
        return ", ".join(f"{c['name']} {c.get('weight', 0)}" for c in shares)
    if "redirect" in route:
        return "redirect"
    return f"status {route.get('direct_response', {}).get('status', '?')}"


def _origin(item: dict[str, Any]) -> str:
    metadata = item.get("metadata", {}).get("filter_metadata", {})
    return str(metadata.get("lateen", {}).get("origin", ""))


def _clusters(dump: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("NAME", "TYPE", "ORIGIN")]
    for entry in dump.get("dynamic_active_clusters", []):
        cluster = entry.get("cluster", {})
        rows.append((cluster["name"], cluster.get("type", "STATIC"), _origin(cluster)))
    return rows


def _endpoints(dump: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("CLUSTER", "ADDRESS", "HEALTH")]
    for entry in dump.get("dynamic_endpoint_configs", []):
        config = entry.get("endpoint_config", {})
        for group in config.get("endpoints", []):
            for one in group.get("lb_endpoints", []):
                address = _address(one.get("endpoint", {}).get("address", {}))
                health = one.get("health_status", "HEALTHY")
                rows.append((config.get("cluster_name", ""), address, health))
    return rows


def _secrets(dump: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("NAME", "VERSION", "UPDATED")]
    for entry in dump.get("dynamic_active_secrets", []):
        rows.append((entry["name"], entry.get("version_info", ""), entry.get("last_updated", "")))
    return rows


_ROWS = {
    "ListenersConfigDump": _listeners,
    "RoutesConfigDump": _routes,
    "ClustersConfigDump": _clusters,
    "EndpointsConfigDump": _endpoints,
    "SecretsConfigDump": _secrets,
}
