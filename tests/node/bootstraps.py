"""A static Envoy configuration that takes a pod's traffic, for tests without a control plane.

In: RUN/p/SLOT.    Out: bootstrap JSON.
Before: -       After: tests/node/test_proxied.py
"""

from __future__ import annotations

import json
from pathlib import Path

from lateen.node.addresses import INBOUND_PORT, OUTBOUND_PORT, PROXY_MARK, PROXY_SOURCE

_TYPES = "type.googleapis.com/envoy.extensions.filters"
_MARKED = {
    "socket_options": [{"level": 1, "name": 36, "int_value": PROXY_MARK, "state": "STATE_PREBIND"}]
}


def _to_original(name: str, source: str | None) -> dict[str, object]:
    binding: dict[str, object] = dict(_MARKED)
    if source:
        binding["source_address"] = {"address": source, "port_value": 0}
    return {
        "name": name,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "1s",
        "upstream_bind_config": binding,
    }


def _listener(name: str, port: int, cluster: str) -> dict[str, object]:
    proxy = {
        "@type": f"{_TYPES}.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": name,
        "cluster": cluster,
    }
    original = {"@type": f"{_TYPES}.listener.original_dst.v3.OriginalDst"}
    return {
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "listener_filters": [{"name": "original_dst", "typed_config": original}],
        "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
    }


def passing(folder: Path) -> str:
    """An Envoy that passes everything on to where it was going, both ways."""
    return json.dumps(
        {
            "admin": {"address": {"pipe": {"path": f"{folder}/admin.sock", "mode": 0o600}}},
            "static_resources": {
                "clusters": [
                    _to_original("outbound", None),
                    _to_original("inbound", PROXY_SOURCE),
                ],
                "listeners": [
                    _listener("virtualOutbound", OUTBOUND_PORT, "outbound"),
                    _listener("virtualInbound", INBOUND_PORT, "inbound"),
                ],
            },
        }
    )
