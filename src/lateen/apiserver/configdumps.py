"""Take what was asked for out of an Envoy's config_dump, without its secrets.

In: the config_dump's tree and a part's name.    Out: a tree of the same form.
Before: -        After: apiserver/meshroutes.py

Source: envoy.admin.v3.ConfigDump.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS: Mapping[str, tuple[str, ...]] = {
    "listeners": ("ListenersConfigDump",),
    "routes": ("RoutesConfigDump", "ScopedRoutesConfigDump"),
    "clusters": ("ClustersConfigDump",),
    "endpoints": ("EndpointsConfigDump",),
    "secrets": ("SecretsConfigDump",),
    "bootstrap": ("BootstrapConfigDump",),
}
ALL = "all"
REDACTED = "[redacted]"
_SECRET_FIELDS = frozenset(
    {"private_key", "password", "session_ticket_keys", "generic_secret", "private_key_provider"}
)
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


def part_of(dump: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The dump's sections of that part (`all` for every one), redacted."""
    wanted = PARTS.get(part)
    configs = [
        config
        for config in dump.get("configs") or ()
        if wanted is None or str(config.get("@type", "")).rpartition(".")[2] in wanted
    ]
    return {"configs": [redacted(config) for config in configs]}


def redacted(value: Any) -> Any:
    """The tree without private keys, passwords and tokens, wherever they stand."""
    match value:
        case Mapping():
            if str(value.get("key", "")).lower() in _SECRET_HEADERS and "value" in value:
                return {**value, "value": REDACTED}
            return {
                name: REDACTED if name in _SECRET_FIELDS else redacted(inner)
                for name, inner in value.items()
            }
        case list():
            return [redacted(item) for item in value]
        case _:
            return value
