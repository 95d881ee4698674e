"""Trees to store, and uids that can be foretold."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any


def counted_uids() -> Callable[[], str]:
    """uid-1, uid-2, …"""
    numbers = itertools.count(1)
    return lambda: f"uid-{next(numbers)}"


def config_map(name: str, namespace: str = "shop", **data: str) -> dict[str, Any]:
    """A ConfigMap's tree."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def service(name: str, port: int, namespace: str = "shop") -> dict[str, Any]:
    """A Service's tree, which has a spec."""
    metadata = {"name": name, "namespace": namespace}
    spec = {"ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
